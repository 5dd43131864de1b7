"""What was done to records and variables, to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from director.admin_base import LargeTableAdmin, ReadOnly, shown_json
from records.models import BulkOperation, RecordChange, RecordImport, VariableChange, WorkflowRecord
from records.secrets import said_in, secrets_of


def masked_patch(patch: list[dict[str, Any]], row: RecordChange) -> list[dict[str, Any]]:
    """Return a JSON Patch whose values are masked as they would be where it puts them. Two queries."""
    record = WorkflowRecord.objects.filter(pk=row.record_id).first()
    secrets = secrets_of(row.workflow_id, record and record.data, said_in([*row.patch, *row.undo]))
    return [
        {**change, "value": secrets.hide_at(change["path"].split("/"), change["value"])}
        if "value" in change
        else change
        for change in patch
    ]


@admin.register(RecordChange)
class RecordChangeAdmin(ReadOnly, LargeTableAdmin[RecordChange]):
    list_display = ("name", "workflow", "kind", "source", "actor", "reason", "at")
    list_select_related = ("workflow", "actor")
    ordering = ("-id",)
    fields = (("workflow", "name", "revision"), ("kind", "source", "actor", "at"), "reason", "forth", "back")
    readonly_fields = ("forth", "back")
    forth, back = shown_json("patch", masked_patch), shown_json("undo", masked_patch)

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).select_related("workflow", "actor")


@admin.register(VariableChange)
class VariableChangeAdmin(ReadOnly, LargeTableAdmin[VariableChange]):
    list_display = ("key", "workflow", "kind", "source", "actor", "reason", "at")
    list_select_related = ("workflow", "actor")
    ordering = ("-id",)


@admin.register(BulkOperation)
class BulkOperationAdmin(ReadOnly, LargeTableAdmin[BulkOperation]):
    list_display = ("__str__", "workflow", "status", "actor", "total", "changed", "refused", "created_at")
    list_select_related = ("workflow", "actor")
    list_filter = ("status", "kind")
    ordering = ("-id",)


@admin.register(RecordImport)
class RecordImportAdmin(ReadOnly, LargeTableAdmin[RecordImport]):
    list_display = ("file_name", "workflow", "status", "actor", "done", "failed", "created_at")
    list_select_related = ("workflow", "actor")
    list_filter = ("status",)
    ordering = ("-id",)
