from django.contrib import admin
from django.urls import include, path

from director import signin

urlpatterns = [
    path("accounts/link/<str:token>/", signin.link, name="signin-link"),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
]
