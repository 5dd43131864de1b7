"""Records in the admin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse

from director.admin_base import COUNT_LIMIT, LargeTableAdmin
from director.api.renderers import streamed
from director.errors import DirectorError
from records import bulk, exporting, queries
from records.admin.forms import RecordForm
from records.filters import RecordFilter
from records.models import BulkKind, BulkOperation, ChangeSource, RecordSearch, RecordType, WorkflowRecord
from records.page_queries import WORKFLOWS_LIMIT
from records.search import query_of
from records.services import WorkflowData
from workflows.models import Workflow

M = TypeVar("M", bound=Model)

SCOPE = "workflow__id__exact"
SHOWN = 1_000  # of the records that match a filter or a search, the newest
SYNCHRONOUS_SECONDS = 5.0  # a longer operation goes on in the background


class TypeFilter(admin.SimpleListFilter):
    """By type, from the counts that are kept; of one workflow, whose types are few."""

    title = parameter_name = "record_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        workflow = Workflow.objects.filter(pk=request.GET[SCOPE]).values_list("pk", flat=True)
        return [(name, name) for name in sorted({name for name, _, _ in queries.counts(list(workflow))})]

    def queryset(self, request: HttpRequest, records: QuerySet[WorkflowRecord]) -> QuerySet[WorkflowRecord]:
        return records.filter(record_type=self.value()) if self.value() else records


class ByServiceAdmin(LargeTableAdmin[M]):
    """An admin whose rows are written by services: what they refuse is told, and nothing is written."""

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return self._told(request, lambda: super(ByServiceAdmin, self).changeform_view(request, *args, **options))

    def delete_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return self._told(request, lambda: super(ByServiceAdmin, self).delete_view(request, *args, **options))

    def _told(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        try:
            return view()
        except DirectorError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def get_deleted_objects(self, objects: Iterable[Any], request: HttpRequest) -> Any:
        """Tell what is to be deleted without collecting what hangs on it: the service knows."""
        return [str(each) for each in objects], {}, set(), []


@admin.register(WorkflowRecord)
class RecordAdmin(ByServiceAdmin[WorkflowRecord]):
    form = RecordForm
    list_display = ("record_id", "workflow", "record_type", "status", "retry_count", "revision", "updated_at")
    list_select_related = ("workflow",)
    list_filter = ("status", "workflow")
    search_fields = ("record_id",)
    search_help_text = (
        f"Words of the id or the fields, each by its beginning. Filters and search show the newest {SHOWN:,} that "
        "match; choose a workflow first where there are many."
    )
    ordering = ("-id",)
    scope = SCOPE
    scoped_filter = (TypeFilter,)  # type: ignore[assignment]
    actions = ("retry", "skip", "export")
    readonly_fields = ("workflow", "record_id", "record_type", "retry_count", "revision", "created_at", "updated_at")
    fields = (
        ("workflow", "record_id", "record_type"),
        ("revision", "retry_count", "created_at", "updated_at"),
        "document",
        "move_to",
        "message",
        "why",
        "seen",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # records come from their source, by import or by REST

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowRecord]:
        rows = super().get_queryset(request).filter(execution_id=None).select_related("workflow")
        return rows if request.resolver_match and "object_id" in request.resolver_match.kwargs else rows.defer("data")

    def get_search_results(
        self, request: HttpRequest, records: QuerySet[WorkflowRecord], words: str
    ) -> tuple[QuerySet[WorkflowRecord], bool]:
        """Narrow to the newest that match, found as the lists of the pages are; in many workflows to some with the words."""
        status = request.GET.get("status__exact", "")
        kind = request.GET.get("record_type", "")
        narrow = RecordFilter(text=words, type=kind, status=(status,) if status else ())
        if narrow == RecordFilter():
            return records, False
        known = Workflow.objects.filter(pk=request.GET[SCOPE]) if SCOPE in request.GET else Workflow.objects.all()
        workflows = list(known.values_list("pk", flat=True)[:WORKFLOWS_LIMIT])
        if words and len(workflows) > 1:
            found = RecordSearch.objects.extra(where=["document @@ %s::tsquery"], params=[query_of(words)])
            return records.filter(pk__in=found.values("record_id")[:COUNT_LIMIT]), False
        return records.filter(pk__in=queries.newest(workflows, narrow, SHOWN)), False

    def save_model(self, request: HttpRequest, record: WorkflowRecord, form: Any, change: bool) -> None:
        asked, seen = form.cleaned_data, form.cleaned_data["seen"]
        records = _data(request, record.workflow, asked["why"]).records
        with transaction.atomic():
            if form.operations:
                seen = records.patch(record.record_id, form.operations, expected_revision=seen).revision
            if form.moves:
                records.move(record.record_id, asked["move_to"], error=asked["message"], expected_revision=seen)

    def delete_model(self, request: HttpRequest, record: WorkflowRecord) -> None:
        _data(request, record.workflow).records.delete(record.record_id)

    def delete_queryset(self, request: HttpRequest, records: QuerySet[WorkflowRecord]) -> None:
        self._in_bulk(request, records, BulkKind.DELETE)

    @admin.action(description="Retry (at the next run)", permissions=["change"])
    def retry(self, request: HttpRequest, records: QuerySet[WorkflowRecord]) -> None:
        self._in_bulk(request, records, BulkKind.RETRY)

    @admin.action(description="Skip", permissions=["change"])
    def skip(self, request: HttpRequest, records: QuerySet[WorkflowRecord]) -> None:
        self._in_bulk(request, records, BulkKind.SKIP)

    @admin.action(description="Export as CSV", permissions=["view"])
    def export(self, request: HttpRequest, records: QuerySet[WorkflowRecord]) -> StreamingHttpResponse | None:
        chosen = self._chosen(request, records)
        if len(chosen) > 1:
            self.message_user(request, "Choose records of one workflow: a file holds only one's.", messages.ERROR)
        if len(chosen) != 1:
            return None
        [(workflow, ids)] = chosen.items()
        parts = exporting.export_csv(workflow.pk, RecordFilter(ids=tuple(ids)))
        return streamed(request, parts, "text/csv", f"{workflow.slug}.csv")

    def _in_bulk(self, request: HttpRequest, records: QuerySet[WorkflowRecord], kind: BulkKind) -> None:
        """Do it to the records chosen, workflow by workflow; what takes long goes on in the background."""
        for workflow, ids in self._chosen(request, records).items():
            operation = bulk.start(workflow, kind, RecordFilter(ids=tuple(ids)), actor=request.user, reason="admin")
            bulk.run(operation.pk, seconds=SYNCHRONOUS_SECONDS)
            operation.refresh_from_db()
            self._tell(request, operation)

    def _chosen(self, request: HttpRequest, records: QuerySet[WorkflowRecord]) -> dict[Workflow, list[str]]:
        """Return the ids of the records by workflow; none, and a message, when they are too many for a list."""
        chosen = records.values_list("workflow_id", "record_id")[: COUNT_LIMIT + 1]
        if len(chosen) > COUNT_LIMIT:
            hint = "Narrow the list, or use the records page."
            self.message_user(request, f"More than {COUNT_LIMIT:,} records are chosen. {hint}", messages.ERROR)
            return {}
        return _by_workflow(chosen)

    def _tell(self, request: HttpRequest, operation: BulkOperation) -> None:
        told = f"{operation.workflow}: {operation.changed} of {operation.total} records changed"
        first = operation.outcomes.filter(outcome="refused").values_list("reason", flat=True).first()
        if not operation.is_over:
            told += "; the rest follows in the background"
        if first:
            told += f"; {operation.refused} refused, the first because: {first}"
        self.message_user(request, f"{told}.", messages.WARNING if first else messages.SUCCESS)


@admin.register(RecordType)
class RecordTypeAdmin(LargeTableAdmin[RecordType]):
    list_display = ("name", "workflow", "on_invalid", "title")
    list_select_related = ("workflow",)
    search_fields = ("name", "workflow__slug")
    raw_id_fields = ("workflow",)


def _by_workflow(chosen: Iterable[tuple[Any, str]]) -> dict[Workflow, list[str]]:
    ids: defaultdict[Any, list[str]] = defaultdict(list)
    for workflow, record_id in chosen:
        ids[workflow].append(record_id)
    return {workflow: ids[workflow.pk] for workflow in Workflow.objects.filter(pk__in=ids)}


def _data(request: HttpRequest, workflow: Workflow, reason: str = "") -> WorkflowData:
    return WorkflowData(workflow, actor=request.user, source=ChangeSource.ADMIN, reason=reason)
