"""What people did about one record in the runs that walked it, for its story: paused, retried, decided, repaired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import DateTimeField, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import JSONObject

from executions.models import ExecutionFrame, ExecutionIntervention
from records.models import WorkflowRecord

# What stands in the story, and its icon.
SHOWN = {
    "paused": ("Paused", "player-pause"),
    "resumed": ("Let go on", "player-play"),
    "cancelled": ("Taken out of the run", "ban"),
    "changed": ("Changed", "pencil"),
    "repaired": ("Repaired", "tool"),
    "retried": ("Retried", "repeat"),
    "again": ("Decided to do it again", "repeat"),
    "done": ("Decided to treat it as done", "check"),
}

KINDS = ("paused", "resumed", "cancelled", "changed", "repaired", "retried", "decided")


NEWEST = 100  # of each run are told


@dataclass(frozen=True, slots=True)
class StoryAction:
    """What a person did about the record in a run. number: the run's; step: the one that was decided about."""

    pk: int
    at: datetime
    what: str  # one of SHOWN
    step: str
    user: Any
    reason: str
    number: int

    kind = "action"

    @property
    def heading(self) -> str:
        return SHOWN[self.what][0]

    @property
    def icon(self) -> str:
        return SHOWN[self.what][1]


def with_actions(walks: QuerySet[ExecutionFrame], record: WorkflowRecord) -> QuerySet[ExecutionFrame]:
    """Let each walk bring along, for `actions_in`, what people did in its run that is about the record.

    It names the record, or let it go on among others: in the moment that the frame keeps, or by which the run was made.
    What exactly was said is left in the database: it may tell of thousands of other records. Index
    intervention_by_execution.
    """
    named = Q(changes__records__has_key=record.record_id) | Q(changes__only__has_key=record.record_id)
    among = Q(retried_at__contains=[F("at")]) | Q(at=OuterRef("execution__created_at"))
    rows = ExecutionIntervention.objects.filter(execution=OuterRef("execution"), kind__in=KINDS)
    kept = ExpressionWrapper(OuterRef("retried_at"), ArrayField(DateTimeField()))
    rows = rows.annotate(retried_at=kept).filter(named | among)
    said = {name: KeyTextTransform(name, "changes") for name in ("step", "decision")}
    names = {name: f"user__{name}" for name in ("username", "first_name", "last_name")}
    noted = JSONObject(id="id", at="at", kind="kind", reason="reason", user="user_id", **said, **names)
    return walks.annotate(noted=ArraySubquery(rows.order_by("-pk").values_list(noted)[:NEWEST]))


def actions_in(walks: Iterable[ExecutionFrame], before: int) -> list[StoryAction]:
    """Return what people did in the runs of these walks, with keys below `before`, newest first."""
    noted = {one["id"]: (one, walk.execution.number) for walk in walks for one in walk.noted}  # type: ignore[attr-defined]
    return [_action(*noted[key]) for key in sorted(noted, reverse=True) if key < before]


def _action(noted: dict[str, Any], number: int) -> StoryAction:
    names = {name: noted[name] for name in ("username", "first_name", "last_name")}
    return StoryAction(
        pk=noted["id"],
        at=datetime.fromisoformat(noted["at"]),
        what=noted["decision"] or noted["kind"],
        step=noted["step"] or "",
        user=get_user_model()(pk=noted["user"], **names) if noted["user"] else None,
        reason=noted["reason"],
        number=number,
    )
