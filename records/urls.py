"""The pages of records and variables; the page of one record is with the runs that tell its story."""

from django.urls import path

from records.views import bulk, lists, saved, transfer

urlpatterns = [
    path("records/", lists.record_list, name="record_list"),
    path("records/columns/", lists.record_columns, name="record_columns"),
    path("records/<uuid:pk>/menu/", lists.record_menu, name="record_menu"),
    path("records/views/", saved.view_save, name="record_view_save"),
    path("records/views/<int:pk>/", saved.view_change, name="record_view_change"),
    path("records/views/<int:pk>/delete/", saved.view_delete, name="record_view_delete"),
    path("records/bulk/", bulk.bulk_ask, name="bulk_ask"),
    path("records/bulk/start/", bulk.bulk_start, name="bulk_start"),
    path("records/bulk/<uuid:pk>/", bulk.bulk_page, name="bulk_page"),
    path("records/bulk/<uuid:pk>/toast/", bulk.bulk_toast, name="bulk_toast"),
    path("records/bulk/<uuid:pk>/stop/", bulk.bulk_stop, name="bulk_stop"),
    path("records/export/", transfer.record_export, name="record_export"),
    path("records/import/", transfer.import_new, name="import_new"),
    path("records/import/<uuid:pk>/", transfer.import_page, name="import_page"),
    path("records/import/<uuid:pk>/confirm/", transfer.import_confirm, name="import_confirm"),
    path("records/import/<uuid:pk>/cancel/", transfer.import_cancel, name="import_cancel"),
]
