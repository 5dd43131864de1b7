"""What is known of a record's failure, and what putting it right would do: read models of the record page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executions import repair
from executions.errors import StepInterrupted
from executions.models import ExecutionFrame, ExecutionStep
from executions.states import EXECUTION_TERMINAL
from records.causes import cause_key
from records.models import WorkflowRecord
from records.states import RecordStatus
from workflows.definition.compile import compile_plan
from workflows.definition.plan import Plan


@dataclass(frozen=True, slots=True)
class Failure:
    """The walk in which a record failed last."""

    record: WorkflowRecord
    frame: ExecutionFrame

    @property
    def step(self) -> str:
        return self.frame.at_step

    @property
    def is_interrupted(self) -> bool:
        """Whether its step may have happened."""
        return (self.frame.error or {}).get("code") == StepInterrupted.code

    @property
    def plan(self) -> Plan:
        return compile_plan(self.frame.execution.version)

    @property
    def in_place(self) -> bool:
        """Whether it would go on in the same run; while the loop around it is open, too."""
        return self.frame.execution.status not in EXECUTION_TERMINAL

    @property
    def cause(self) -> str:
        """The key of its failure group."""
        error = self.frame.error or {}
        return cause_key(self.step, error.get("code") or "", (error.get("message") or "")[:300])


def failure_of(record: WorkflowRecord, last: ExecutionFrame | None) -> Failure | None:
    """Return the record's failure, None when it has not failed. last: its newest walk, with its execution's version."""
    failed = record.status == RecordStatus.FAILED and record.frame_id is None and last and last.status == "failed"
    return Failure(record, last) if failed and last else None


def rows_of(failure: Failure) -> Mapping[str, ExecutionStep]:
    """Return the last attempt of each step of the walk, without what went in and came out. One query."""
    rows = ExecutionStep.objects.filter(frame=failure.frame).order_by("alias", "-attempt").distinct("alias")
    return {row.alias: row for row in rows.defer("input", "output")}


def values_of(failure: Failure, alias: str) -> tuple[Any, Any]:
    """Return what the step was last given and what it last gave, None for what there is not. One query."""
    rows = ExecutionStep.objects.filter(frame=failure.frame, alias=alias).order_by("-attempt")
    return rows.values_list("input", "output").first() or (None, None)


def changeable(failure: Failure, rows: Mapping[str, ExecutionStep]) -> list[str]:
    """Return the steps of the walk whose input or output can be said, the one that failed first."""
    known = failure.plan.steps
    if failure.step not in known:
        return []
    came_to = [alias for alias in repair.walked_with(failure.plan, failure.step) if alias in rows]
    steps = [alias for alias in came_to if known[alias].iterate is None and not known[alias].type.ends_block]
    return sorted(steps, key=lambda alias: alias != failure.step)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a repair would do. again: steps that run again, the failed one among them. stand: effects and waits that do
    not. repeats: the changed step, when its outside effect would happen again.
    """

    again: list[str]
    stand: list[str]
    repeats: str


def outlook(failure: Failure, rows: Mapping[str, ExecutionStep], what: str, alias: str) -> Outlook:
    """Return what it would do to change a step's input or output, or (no alias) a field. Pure."""
    plan, done = failure.plan, [one for one in rows if one != failure.step]
    if alias not in plan.steps or alias == failure.step:
        return Outlook([failure.step], [], "")
    again = [one for one in repair.rerun_from(plan, alias) if one in done and (one != alias or what == "input")]
    order = repair.walked_with(plan, alias)
    later = order[order.index(alias) + 1 :]
    stand = [one for one in later if one in done and one not in again]
    repeats = alias if what == "input" and plan.steps[alias].type.effect.needs_intent else ""
    return Outlook([*again, failure.step], stand, repeats)
