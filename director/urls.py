from django.contrib import admin
from django.urls import include, path

from director import signin, views

urlpatterns = [
    path("", views.home, name="home"),
    path("jump/", views.jump, name="jump"),
    path("navigation/", views.navigation_counts, name="navigation_counts"),
    path("health/", views.health, name="health"),
    path("", include("workflows.urls")),
    path("", include("records.urls")),
    path("", include("executions.urls")),
    path("accounts/link/<str:token>/", signin.link, name="signin-link"),
    path("accounts/login/", views.SignIn.as_view(), name="login"),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("director.api.urls")),
]
