"""What is refused of those who intervene in runs or replay them: leaves of the tree in `executions.errors`.

ExecutionError
  RecordNotInRun, ExecutionBulkNotFound, NoDraft 404
  NothingPaused, NothingToCancel, NothingToReplay, NotInterrupted, NotWalked, NotFailed, AlikeGrown,
      PromptsGrown, ExecutionBulkGrown 409
  StepUnknown, ModificationRefused, ReplayRefused, ExecutionFilterInvalid, ExecutionBulkTooLarge 422
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from director.errors import NotFound, did_you_mean, nearest
from director.growth import Grown
from executions.errors import ExecutionError


class RecordNotInRun(ExecutionError):
    code = "record_not_in_run"
    http_status = 404

    number: int
    record_id: str

    @property
    def message(self) -> str:
        return f'Execution #{self.number} does not walk a record "{self.record_id}".'


class NothingPaused(ExecutionError):
    code = "nothing_paused"
    http_status = 409

    number: int
    status: str

    @property
    def message(self) -> str:
        return f"Execution #{self.number} is {self.status}, and nothing of it is paused; there is nothing to resume."


class NothingToCancel(ExecutionError):
    code = "nothing_to_cancel"
    http_status = 409

    number: int
    records: list[str]

    @property
    def message(self) -> str:
        return f"Execution #{self.number} has nothing left to do for {', '.join(self.records[:5])}: it is over there."


class NothingToReplay(ExecutionError):
    code = "nothing_to_replay"
    http_status = 409

    number: int
    reason: str

    @property
    def message(self) -> str:
        return f"There is nothing of execution #{self.number} to replay: {self.reason}."


class NotInterrupted(ExecutionError):
    """A decision about a step that is not the one its record failed at."""

    code = "not_interrupted"
    http_status = 409

    alias: str
    status: str

    @property
    def message(self) -> str:
        return (
            f"Step {self.alias} is {self.status}, so there is nothing to decide about it. Decisions are about a step "
            "at which a record failed or was interrupted."
        )


class NotWalked(ExecutionError):
    """A record that no run is working on cannot be held back or let go on."""

    code = "not_walked"
    http_status = 409

    record_id: str

    @property
    def message(self) -> str:
        return f"No execution is working on {self.record_id}, so there is nothing to pause or resume."


class NotFailed(ExecutionError):
    """A record that has not failed, or not in a run, has nothing to repair."""

    code = "not_failed"
    http_status = 409

    record_id: str
    status: str

    @property
    def message(self) -> str:
        return f"{self.record_id} is {self.status} and has failed in no execution, so there is nothing to repair."


class AlikeGrown(Grown, ExecutionError):
    code = "alike_grown"
    sentence = "{total} records failed alike by now, not {shown}. Confirm the new number, or repair one."


class PromptsGrown(Grown, ExecutionError):
    code = "prompts_grown"
    sentence = "{total} prompts are alike by now, not {shown}. Look again, then answer the new number."


class StepUnknown(ExecutionError):
    code = "step_unknown"
    http_status = 422

    alias: str
    where: str
    known: Sequence[str]

    @property
    def message(self) -> str:
        return f'{self.where} has no step "{self.alias}".{did_you_mean(self.alias, self.known)}'

    @property
    def data(self) -> dict[str, Any]:
        return {"step": self.alias, "suggestion": nearest(self.alias, self.known)}


class ModificationRefused(ExecutionError):
    """path: place in what was given ("steps.classify.output")."""

    code = "modification_refused"
    http_status = 422

    path: str
    reason: str

    @property
    def message(self) -> str:
        return f"{self.path}: {self.reason}."

    @property
    def data(self) -> dict[str, Any]:
        return {"path": self.path}


class ReplayRefused(ExecutionError):
    """reasons: all of them, in words."""

    code = "replay_refused"
    http_status = 422

    number: int
    reasons: list[str]

    @property
    def message(self) -> str:
        return f"Execution #{self.number} cannot be replayed like this: {'; '.join(self.reasons)}."

    @property
    def data(self) -> dict[str, Any]:
        return {"reasons": self.reasons}


class ExecutionBulkNotFound(NotFound, ExecutionError):
    code = "execution_bulk_not_found"
    sentence = "There is no bulk operation {} on executions, or it is somebody else's."


class ExecutionFilterInvalid(ExecutionError):
    """part: of the filter. known: the parts that there are, when it is none of them."""

    code = "execution_filter_invalid"
    http_status = 422

    part: str
    reason: str
    known: Sequence[str] = ()

    @property
    def message(self) -> str:
        return f'The filter "{self.part}" {self.reason}.{did_you_mean(self.part, self.known)}'

    @property
    def data(self) -> dict[str, Any]:
        return {"part": self.part}


class ExecutionBulkGrown(Grown, ExecutionError):
    code = "execution_bulk_grown"
    sentence = "{total} executions match by now, not {shown}. Look again, then confirm the new number."


class ExecutionBulkTooLarge(ExecutionError):
    code = "execution_bulk_too_large"
    http_status = 422

    total: int
    most: int

    @property
    def message(self) -> str:
        return f"{self.total:,} executions match, and at most {self.most:,} are taken at once. Narrow the filter."


class NoDraft(ExecutionError):
    code = "no_draft"
    http_status = 404

    workflow: str

    @property
    def message(self) -> str:
        return f"Workflow {self.workflow} has no draft. Name the number of a published version."
