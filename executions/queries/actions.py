"""What people did about one record in the runs that walked it, for its story: paused, retried, decided, repaired."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform

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


@dataclass(frozen=True, slots=True)
class StoryAction:
    """What a person did about the record in a run. number: the run's."""

    noted: ExecutionIntervention
    number: int

    kind = "action"

    @property
    def at(self) -> datetime:
        return self.noted.at

    @property
    def step(self) -> str:
        """The step that was decided about."""
        return self.noted.step or ""  # type: ignore[attr-defined]  # annotated by actions_on

    @property
    def what(self) -> str:
        """One of SHOWN."""
        return self.noted.decision or self.noted.kind  # type: ignore[attr-defined]  # annotated by actions_on

    @property
    def heading(self) -> str:
        return SHOWN[self.what][0]

    @property
    def icon(self) -> str:
        return SHOWN[self.what][1]


def actions_on(
    record: WorkflowRecord, runs: Sequence[ExecutionFrame], before: int, limit: int
) -> Iterable[ExecutionIntervention]:
    """Return what people did that names the record, newest first. One query, on index intervention_by_execution.

    What exactly was said is left in the database: it may tell of thousands of other records.
    """
    named = Q(changes__records__has_key=record.record_id) | Q(changes__only__has_key=record.record_id)
    executions = [run.execution_id for run in runs]
    rows = ExecutionIntervention.objects.filter(named, execution__in=executions, kind__in=KINDS, pk__lt=before)
    said = {name: KeyTextTransform(name, "changes") for name in ("step", "decision")}
    return rows.select_related("user").annotate(**said).defer("changes").order_by("-pk")[:limit]
