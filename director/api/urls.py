from django.urls import path

from director.api import views

urlpatterns = [
    path("", views.Root.as_view(), name="api-root"),
    path("schema", views.Description.as_view(), name="api-schema"),
    path("<path:rest>", views.other_address),
]
