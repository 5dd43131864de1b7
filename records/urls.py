"""The record pages that need nothing of the apps above; the page of a record is with the runs that tell its story."""

from django.urls import path

from records import views

urlpatterns = [path("records/", views.record_list, name="record_list")]
