"""Executions and their journal, to look at; what may be done is done by the services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from director.admin_base import LargeTableAdmin, ReadOnly, shown_json
from director.errors import DirectorError
from executions import control, retry
from executions.models import (
    Execution,
    ExecutionFrame,
    ExecutionIntervention,
    ExecutionStep,
    HumanPrompt,
    LogEvent,
    Notification,
    PromptMail,
)
from executions.queries.secrets import secrets_of_changes, secrets_of_frame
from executions.replay import services as replay
from records.secrets import secrets_of


def _without_secrets(value: Any, row: Any) -> Any:
    """Return what a row of a run holds as it may be shown. At most two queries, for variables and for records."""
    if isinstance(row, ExecutionIntervention):
        return secrets_of_changes(row.execution, [row.changes]).hide(value)
    execution = row if isinstance(row, Execution) else row.execution
    frame = row.pk if isinstance(row, ExecutionFrame) else getattr(row, "frame_id", None)
    found = secrets_of_frame(execution, frame) if frame else secrets_of(execution.workflow_id, execution.trigger_data)
    return found.shown(value)


masked = partial(shown_json, cleaned=_without_secrets)

MAX_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Operation:
    """What may be done to chosen executions: what it is called, what is told when it is done, and what follows."""

    verb: str
    doing: str
    follows: str


RETRY = Operation("Retry", "Retrying", "Their failed records go on from the step that failed.")
REPLAY = Operation(
    "Replay",
    "Replaying",
    "Each is walked again as a new execution, from the beginning and on the same version; these stay as they are. What "
    "its steps do outside happens again. From a step, for some records, or dry: on the execution's own page.",
)
CANCEL = Operation("Cancel", "Cancelling", "They end where they are. What their steps have done outside stays done.")


@admin.register(Execution)
class ExecutionAdmin(ReadOnly, LargeTableAdmin[Execution]):
    list_display = (
        "__str__",
        "workflow",
        "version",
        "status",
        "trigger_type",
        "started_by",
        "created_at",
        "finished_at",
    )
    list_select_related = ("workflow", "version__workflow", "started_by")
    list_filter = ("status", "trigger_type")
    search_fields = ("=number", "workflow__slug__startswith")
    search_help_text = "Number of the execution, or the beginning of its workflow's slug."
    actions = ("retry_failed", "replay", "cancel")
    fields = (
        ("number", "status", "control"),
        ("workflow", "version", "trigger_type", "started_by", "replay_of"),
        ("created_at", "started_at", "finished_at"),
        ("records_total", "records_complete", "records_failed", "records_skipped", "records_cancelled"),
        ("journal", "frames"),
        ("trigger", "labels", "changes", "failure"),
    )
    readonly_fields = ("journal", "frames", "trigger", "changes", "failure")
    trigger, changes, failure = (
        masked("trigger_data"),
        masked("overrides"),
        masked("error"),
    )

    @admin.display(description="journal")
    def journal(self, execution: Execution) -> SafeString:
        return _scoped_link("admin:executions_executionstep_changelist", execution, "Steps of this execution")

    @admin.display(description="frames")
    def frames(self, execution: Execution) -> SafeString:
        return _scoped_link("admin:executions_executionframe_changelist", execution, "Frames of this execution")

    @admin.action(description="Retry failed records…", permissions=["operate"])
    def retry_failed(self, request: HttpRequest, executions: QuerySet[Execution]) -> HttpResponse | None:
        return self._each(
            request, executions, RETRY, lambda each, why: retry.retry_failed(each, user=request.user, reason=why)
        )

    @admin.action(description="Replay from the beginning…", permissions=["operate"])
    def replay(self, request: HttpRequest, executions: QuerySet[Execution]) -> HttpResponse | None:
        return self._each(
            request,
            executions,
            REPLAY,
            lambda each, why: replay.replay(each, replay.Request(), user=request.user, reason=why),
        )

    @admin.action(description="Cancel…", permissions=["operate"])
    def cancel(self, request: HttpRequest, executions: QuerySet[Execution]) -> HttpResponse | None:
        return self._each(
            request, executions, CANCEL, lambda each, why: control.cancel(each, user=request.user, reason=why)
        )

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("executions.change_execution")

    def _each(
        self,
        request: HttpRequest,
        executions: QuerySet[Execution],
        operation: Operation,
        do: Callable[[Execution, str], object],
    ) -> HttpResponse | None:
        """Ask first and for the reason; then do it to each, telling which could not be done and why."""
        chosen = executions.select_related("workflow", "version")[: MAX_AT_ONCE + 1]
        if len(chosen) > MAX_AT_ONCE:
            said = f"At most {MAX_AT_ONCE} executions at once. The list of executions does it to any number."
            self.message_user(request, said, messages.ERROR)
            return None
        if "confirmed" not in request.POST:
            return self._asked(request, chosen, operation)
        for execution in chosen:
            try:
                do(execution, request.POST.get("why", "").strip())
            except DirectorError as error:
                self.message_user(request, error.message, messages.ERROR)
            else:
                self.message_user(request, f"{operation.doing} {execution}.")
        return None

    def _asked(self, request: HttpRequest, executions: QuerySet[Execution], operation: Operation) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{operation.verb} {len(executions)} execution{'' if len(executions) == 1 else 's'}",
            "opts": self.model._meta,
            "executions": executions,
            "action": request.POST["action"],
            "follows": operation.follows,
            "button": f"{operation.verb} {len(executions)}",
        }
        return TemplateResponse(request, "admin/executions/confirm_action.html", context)


@admin.register(ExecutionFrame)
class ExecutionFrameAdmin(ReadOnly, LargeTableAdmin[ExecutionFrame]):
    list_display = ("id", "execution", "alias", "record", "status", "waiting_for", "at_step", "wake_at", "finished_at")
    list_select_related = ("execution", "record")
    ordering = ("-id",)
    scope = "execution__id__exact"
    scoped_filter = ("status", "waiting_for")
    exclude = ("error",)
    readonly_fields = ("failure",)
    failure = masked("error")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExecutionFrame]:
        return super().get_queryset(request).select_related("execution", "record", "parent").defer("record__data")


@admin.register(ExecutionStep)
class ExecutionStepAdmin(ReadOnly, LargeTableAdmin[ExecutionStep]):
    list_display = ("id", "execution", "alias", "record", "attempt", "status", "started_at", "duration_ms")
    list_select_related = ("execution", "record")
    scope = "execution__id__exact"
    scoped_search = ("=alias",)
    search_help_text = "Alias of a step."
    fields = (
        ("execution", "frame", "record"),
        ("alias", "attempt", "status", "started_at", "duration_ms"),
        "given",
        "result",
        "failure",
    )
    readonly_fields = ("given", "result", "failure")
    given, result, failure = (
        masked("input"),
        masked("output"),
        masked("error"),
    )

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """By time; inside one execution as its index journal_by_step has them."""
        return ("alias", "id") if self.is_scoped(request) else ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExecutionStep]:
        rows = super().get_queryset(request).select_related("execution", "record", "frame").defer("record__data")
        is_list = request.path == reverse("admin:executions_executionstep_changelist")
        return rows.defer("input", "output") if is_list else rows


@admin.register(HumanPrompt)
class HumanPromptAdmin(ReadOnly, LargeTableAdmin[HumanPrompt]):
    """Questions to people. They are answered in the inbox, where the answer is checked and the record goes on."""

    list_display = ("title", "workflow", "execution", "alias", "record", "status", "due_at", "answered_by")
    list_select_related = ("workflow", "execution", "record", "answered_by")
    list_filter = ("status",)
    ordering = ("-id",)
    fields = (
        ("workflow", "execution", "record", "alias", "attempt"),
        ("status", "created_at", "due_at", "answered_by", "answered_at"),
        ("title", "message"),
        "given",
    )
    readonly_fields = ("given",)
    given = masked("answer")

    def get_queryset(self, request: HttpRequest) -> QuerySet[HumanPrompt]:
        related = super().get_queryset(request).select_related("workflow", "execution", "record", "answered_by")
        return related.defer("record__data")


@admin.register(ExecutionIntervention)
class InterventionAdmin(ReadOnly, LargeTableAdmin[ExecutionIntervention]):
    """What people changed of runs: who, when, why."""

    list_display = ("kind", "execution", "user", "reason", "at")
    list_select_related = ("execution", "user")
    ordering = ("-id",)
    fields = (("kind", "execution", "user", "at"), "reason", "changed")
    readonly_fields = ("changed",)
    changed = masked("changes")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExecutionIntervention]:
        return super().get_queryset(request).select_related("execution", "user")


@admin.register(LogEvent)
class LogEventAdmin(ReadOnly, LargeTableAdmin[LogEvent]):
    """What steps wrote into the logs of their runs."""

    list_display = ("at", "level", "message", "execution", "alias")
    list_select_related = ("execution",)
    ordering = ("-id",)
    scope = "execution__id__exact"
    scoped_filter = ("level",)
    fields = (("at", "level", "execution", "alias"), "message", "said")
    readonly_fields = ("said",)
    said = masked("data")


@admin.register(Notification)
class NotificationAdmin(ReadOnly, LargeTableAdmin[Notification]):
    """What steps told people, and whether they have read it."""

    list_display = ("created_at", "user", "title", "execution", "alias", "read_at")
    list_select_related = ("execution", "user")
    ordering = ("-id",)
    fields = (("user", "execution", "alias"), ("created_at", "read_at"), "title", "message", "link")


@admin.register(PromptMail)
class PromptMailAdmin(ReadOnly, LargeTableAdmin[PromptMail]):
    """Mails about prompts: which were sent, which are tried again, and what the mail server said."""

    list_display = ("created_at", "user", "kind", "tries", "next_at", "sent_at", "error")
    list_select_related = ("user",)
    ordering = ("-id",)
    fields = (("user", "kind"), ("created_at", "tries", "next_at", "sent_at"), "error", "prompts")


def _scoped_link(view: str, execution: Execution, text: str) -> SafeString:
    return format_html('<a href="{}?execution__id__exact={}">{}</a>', reverse(view), execution.pk, text)
