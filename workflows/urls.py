"""The workflow pages that need nothing of the apps above; those that show runs are with the executions."""

from django.urls import path

from workflows import views

urlpatterns = [path("workflows/import/", views.workflow_import, name="workflow_import")]
