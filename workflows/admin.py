"""Workflows and their versions. A version changes only by publishing the next one, so it is there to look at."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from director.admin_base import LargeTableAdmin, ReadOnly
from director.errors import DirectorError
from workflows.definition import dump_yaml, to_document
from workflows.models import Workflow, WorkflowStep, WorkflowVersion


class VersionInline(ReadOnly, admin.TabularInline[WorkflowVersion, Workflow]):
    model = WorkflowVersion
    fields = readonly_fields = ("number", "status", "created_by", "created_at", "published_at")
    show_change_link = True
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowVersion]:
        return super().get_queryset(request).select_related("workflow", "created_by")


@admin.register(Workflow)
class WorkflowAdmin(LargeTableAdmin[Workflow]):
    """What a workflow is called and who may see it; its steps come by import or from the builder."""

    list_display = ("name", "slug", "owner", "created_at", "updated_at")
    list_select_related = ("owner",)
    search_fields = ("name", "slug", "owner__username")
    raw_id_fields = ("owner", "collaborators")
    fields = (("name", "slug"), "description", "owner", "collaborators", ("created_at", "updated_at"))
    readonly_fields = ("slug", "created_at", "updated_at")
    inlines = (VersionInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Workflow | None = None) -> bool:
        return False  # its records and runs, millions of them perhaps, would go with it


class StepInline(ReadOnly, admin.TabularInline[WorkflowStep, WorkflowVersion]):
    model = WorkflowStep
    fields = readonly_fields = ("alias", "type", "name", "parent", "branch", "position")
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowStep]:
        return super().get_queryset(request).select_related("parent", "version__workflow")


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(ReadOnly, LargeTableAdmin[WorkflowVersion]):
    list_display = ("__str__", "status", "created_by", "created_at", "published_at")
    list_select_related = ("workflow", "created_by")
    list_filter = ("status",)
    search_fields = ("workflow__name", "workflow__slug")
    ordering = ("-id",)
    fields = (("workflow", "number", "status"), ("created_by", "created_at", "published_at"), "digest", "document")
    readonly_fields = ("document",)
    inlines = (StepInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowVersion]:
        return super().get_queryset(request).select_related("workflow", "created_by")

    @admin.display(description="definition")
    def document(self, version: WorkflowVersion) -> SafeString:
        try:
            text = dump_yaml(to_document(version))
        except DirectorError as error:  # a step type that is no longer installed
            text = error.message
        return format_html("<pre>{}</pre>", text)


@admin.register(WorkflowStep)
class WorkflowStepAdmin(ReadOnly, LargeTableAdmin[WorkflowStep]):
    list_display = ("alias", "type", "version", "parent", "branch", "position")
    list_select_related = ("version__workflow", "parent")
    list_filter = ("type",)
    search_fields = ("=alias", "version__workflow__slug")
    fields = (("version", "alias", "type", "name"), ("parent", "branch", "position"), "config", "options")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowStep]:
        return super().get_queryset(request).select_related("version__workflow", "parent")
