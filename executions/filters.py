"""Which executions are meant: the parts of a filter, as pages, REST and bulk operations write them, read and applied.

{"status": "open", "workflow": "inbox-triage", "labels": {"client": "acme", "urgent": null}, "trigger": "api",
 "by": "olivia", "started_after": "2026-11-01T00:00:00Z", "started_before": "2026-12-01T00:00:00Z",
 "replays": false, "text": "acme", "numbers": [12, 13]}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.dateparse import parse_datetime

from director.given import number_in
from executions.models import Execution, TriggerType
from executions.refusals import ExecutionFilterInvalid
from executions.states import EXECUTION_TERMINAL, ExecutionStatus
from workflows.services import get_workflow_for

OPEN = "open"  # every status of a run that is not over
MADE_OF_ANOTHER = (TriggerType.RETRY, TriggerType.REPLAY)
MAX_NUMBER = 2**63


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """What is said narrows, all of it together. labels: {name: value, or None for any}. by: user name of who started it.

    replays: only replays and retries, or (False) none of them. text: a number, or part of a workflow's name or a label.
    """

    status: str = ""
    workflow: UUID | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    trigger: str = ""
    by: str = ""
    started_after: datetime | None = None
    started_before: datetime | None = None
    replays: bool | None = None
    text: str = ""
    numbers: tuple[int, ...] | None = None

    def __bool__(self) -> bool:
        return self != ExecutionFilter()

    def apply(self, executions: QuerySet[Execution]) -> QuerySet[Execution]:
        rows = executions.filter(**self._exact())
        if self.status == OPEN:
            rows = rows.exclude(status__in=EXECUTION_TERMINAL)
        elif self.status:
            rows = rows.filter(status=self.status)
        for name, value in self.labels.items():
            rows = rows.filter(labels__has_key=name) if value is None else rows.filter(labels__contains={name: value})
        if self.replays is not None:
            made = Q(trigger_type__in=MADE_OF_ANOTHER)
            rows = rows.filter(made if self.replays else ~made)
        return _saying(rows, self.text) if self.text else rows

    def _exact(self) -> dict[str, Any]:
        exact = {
            "workflow": self.workflow,
            "trigger_type": self.trigger,
            "started_by__username": self.by,
            "created_at__gte": self.started_after,
            "created_at__lt": self.started_before,
        }
        numbers = {} if self.numbers is None else {"number__in": self.numbers}
        return {name: value for name, value in exact.items() if value} | numbers


def _saying(rows: QuerySet[Execution], text: str) -> QuerySet[Execution]:
    number = number_in(text.removeprefix("#"))
    if number is not None:
        return rows.filter(number=number)
    named = Q(workflow__name__icontains=text) | Q(workflow__slug__icontains=text)
    return rows.alias(words=Cast("labels", TextField())).filter(named | Q(words__icontains=text))


def read_filter(user: Any, given: Mapping[str, Any]) -> ExecutionFilter:
    """Return the filter that the parts say.

    Raises ExecutionFilterInvalid for an unknown part or a value that says nothing, and WorkflowNotFound for a workflow
    that the user may not see.
    """
    for part in given:
        if part not in READERS and part != "workflow":
            known = ["workflow", *READERS]
            raise ExecutionFilterInvalid(part, f"is not known; there are {', '.join(known)}", known)
    read = {part: READERS[part](part, value) for part, value in given.items() if part in READERS}
    workflow = get_workflow_for(user, str(given["workflow"])).pk if given.get("workflow") else None
    return ExecutionFilter(workflow=workflow, **read)


def _one_of(*values: str) -> Callable[[str, Any], str]:
    def read(part: str, value: Any) -> str:
        if value not in ("", *values):
            raise ExecutionFilterInvalid(part, f"must be one of {', '.join(values)}")
        return str(value)

    return read


def _text(part: str, value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ExecutionFilterInvalid(part, "must be a text")
    return value.strip()


def _moment(part: str, value: Any) -> datetime:
    try:
        moment = parse_datetime(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ExecutionFilterInvalid(part, 'must be a time with its zone, such as "2026-11-01T00:00:00Z"')
    return moment


def _labels(part: str, value: Any) -> dict[str, str | None]:
    fits = isinstance(value, Mapping) and all(one is None or isinstance(one, str) for one in value.values())
    if not fits:
        raise ExecutionFilterInvalid(part, 'must be names with texts, such as {"client": "acme"}; null for any value')
    return dict(value)


def _flag(part: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ExecutionFilterInvalid(part, "must be true or false")
    return value


def _numbers(part: str, value: Any) -> tuple[int, ...]:
    fits = isinstance(value, list | tuple) and all(type(one) is int and 0 <= one < MAX_NUMBER for one in value)
    if not fits:
        raise ExecutionFilterInvalid(part, "must be a list of the numbers of executions")
    return tuple(value)


READERS: dict[str, Callable[[str, Any], Any]] = {
    "status": _one_of(OPEN, *ExecutionStatus.values),
    "labels": _labels,
    "trigger": _one_of(*TriggerType.values),
    "by": _text,
    "started_after": _moment,
    "started_before": _moment,
    "replays": _flag,
    "text": _text,
    "numbers": _numbers,
}
