"""Who holds a walk back: a person who named its record or its step or paused the whole run, else the step's `pause_when`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from executions.models import Control, Execution, ExecutionFrame, ExecutionIntervention
from workflows.definition.compile import compile_plan

LOOKED_AT = 200  # newest pauses of a run among which the one that holds is looked for
BY_WORKFLOW = ("Paused by the workflow itself", "")

Said = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Pauses:
    """What people said when they paused the run, the newest first. Each answer: ("Paused by anna", ": Look at it first")."""

    execution: Execution
    noted: list[ExecutionIntervention]

    def of_run(self) -> tuple[str, str]:
        """Who paused the run as a whole, and why."""
        return self._newest(_names_nothing)

    def of(self, frame: ExecutionFrame, record_id: str) -> tuple[str, str]:
        """Who holds the walk back, and why: what stands now, from the narrowest on."""
        points = self.execution.breakpoints
        if str(frame.record_id) in points.get("records", ()):
            return self._newest(lambda told: record_id in told.get("records", ()))
        if frame.at_step in points.get("steps", ()):
            return self._newest(lambda told: frame.at_step in told.get("steps", ()))
        if self.execution.control == Control.PAUSE or frame.alias in points.get("only", {}):
            return self.of_run()
        step = compile_plan(self.execution.version).steps.get(frame.at_step)
        if step is not None and step.pause_when is not None:
            return BY_WORKFLOW
        # A breakpoint that was cleared since holds what had come to it.
        return self._newest(lambda told: frame.at_step in told.get("steps", ()))

    def _newest(self, said: Said) -> tuple[str, str]:
        found = next((one for one in self.noted if said(one.changes)), None)
        if found is None:
            return BY_WORKFLOW
        by = found.user.get_username() if found.user else "the system"
        return f"Paused by {by}", f": {found.reason.rstrip('.')}" if found.reason else ""


def pauses_of(execution: Execution) -> Pauses:
    """Return what people said when they paused the run. One query, on index intervention_by_execution."""
    noted = ExecutionIntervention.objects.filter(execution=execution, kind="paused").select_related("user")
    return Pauses(execution, list(noted.order_by("-pk")[:LOOKED_AT]))


def _names_nothing(told: Mapping[str, Any]) -> bool:
    return not told.get("records") and not told.get("steps")
