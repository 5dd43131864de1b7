"""What a run did and what it did not do: told when it was cancelled, true at any time."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from executions.models import Execution
from executions.queries.progress import Counts, records_of
from workflows.definition.compile import compile_plan

# How many records were ended in the middle of their steps. Index frame_by_status.
MIDWAY = """
SELECT count(*) FROM execution_frames
WHERE execution_id = %s AND status = 'cancelled' AND parent_id IS NOT NULL AND walked
"""
# What the journal counted of the steps that touch the outside world.
EFFECTS = """
SELECT alias, sum(count) FILTER (WHERE status = 'complete'),
    sum(count) FILTER (WHERE status IN ('running', 'interrupted')),
    sum(count) FILTER (WHERE status = 'failed')
FROM execution_counts WHERE execution_id = %s AND kind = 'step' AND alias = ANY (%s) GROUP BY alias
"""


@dataclass(frozen=True, slots=True)
class EffectDone:
    """How often an outside effect happened, may have happened (no receipt), and failed. effect: the step's class."""

    step: str
    effect: str
    happened: int
    uncertain: int
    failed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """records: by status. midway: of the cancelled ones, those that had begun. effects: in the order of the steps."""

    status: str
    records: Counts
    midway: int
    effects: list[EffectDone]

    @property
    def sentence(self) -> str:
        done = ", ".join(f"{count:,} {status}" for status, count in self.records.items() if count) or "no records"
        begun = f" ({self.midway:,} of the cancelled had begun)" if self.midway else ""
        return f"{done}{begun}. {self._effects()}"

    def _effects(self) -> str:
        happened = [f"{each.step} x {each.happened:,}" for each in self.effects if each.happened]
        uncertain = [f"{each.step} x {each.uncertain:,}" for each in self.effects if each.uncertain]
        parts = [f"Done and not undone: {', '.join(happened)}." if happened else "Nothing was done outside."]
        return " ".join([*parts, *([f"May have happened: {', '.join(uncertain)}."] if uncertain else [])])


def outcome(execution: Execution) -> Outcome:
    """Return what became of the run's records and which effects happened. Three queries."""
    plan = compile_plan(execution.version)
    aliases = [step.alias for step in plan.steps.values() if step.type.effect.needs_intent]
    with connection.cursor() as cursor:
        cursor.execute(MIDWAY, (execution.pk,))
        midway = cursor.fetchone()[0]
        cursor.execute(EFFECTS, (execution.pk, aliases))
        counted = {alias: counts for alias, *counts in cursor.fetchall()}
    effects = [
        EffectDone(alias, str(plan.steps[alias].type.effect), *(int(count or 0) for count in counted[alias]))
        for alias in aliases
        if alias in counted
    ]
    return Outcome(execution.status, dict(records_of([execution])[execution.pk]), midway, effects)
