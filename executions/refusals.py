"""What is refused of those who intervene in runs or replay them: leaves of the tree in `executions.errors`.

ExecutionError
  RecordNotInRun 404
  NothingPaused, NothingToCancel, NothingToReplay, NotInterrupted, NotWalked, NotFailed, AlikeGrown,
      PromptsGrown, ExecutionBulkGrown 409
  StepUnknown, ModificationRefused, ReplayRefused, ExecutionFilterInvalid, ExecutionBulkTooLarge 422
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from director.errors import NotFound
from director.growth import Grown
from executions.errors import ExecutionError


class RecordNotInRun(ExecutionError):
    code = "record_not_in_run"
    http_status = 404

    def __init__(self, number: int, record_id: str, near: str | None = None) -> None:
        super().__init__(number, record_id, near)
        self.number, self.record_id, self.near = number, record_id, near

    @property
    def message(self) -> str:
        hint = f' Did you mean "{self.near}"?' if self.near else ""
        return f'Execution #{self.number} does not walk a record "{self.record_id}".{hint}'


class NothingPaused(ExecutionError):
    code = "nothing_paused"
    http_status = 409

    def __init__(self, number: int, status: str) -> None:
        super().__init__(number, status)
        self.number, self.status = number, status

    @property
    def message(self) -> str:
        return f"Execution #{self.number} is {self.status}, and nothing of it is paused; there is nothing to resume."


class NothingToCancel(ExecutionError):
    code = "nothing_to_cancel"
    http_status = 409

    def __init__(self, number: int, records: list[str]) -> None:
        super().__init__(number, records)
        self.number, self.records = number, records

    @property
    def message(self) -> str:
        return f"Execution #{self.number} has nothing left to do for {', '.join(self.records[:5])}: it is over there."


class NothingToReplay(ExecutionError):
    code = "nothing_to_replay"
    http_status = 409

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.number, self.reason = number, reason

    @property
    def message(self) -> str:
        return f"There is nothing of execution #{self.number} to replay: {self.reason}."


class NotInterrupted(ExecutionError):
    """A decision about a step that is not the one its record failed at."""

    code = "not_interrupted"
    http_status = 409

    def __init__(self, alias: str, status: str) -> None:
        super().__init__(alias, status)
        self.alias, self.status = alias, status

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

    def __init__(self, record_id: str) -> None:
        super().__init__(record_id)
        self.record_id = record_id

    @property
    def message(self) -> str:
        return f"No execution is working on {self.record_id}, so there is nothing to pause or resume."


class NotFailed(ExecutionError):
    """A record that has not failed, or not in a run, has nothing to repair."""

    code = "not_failed"
    http_status = 409

    def __init__(self, record_id: str, status: str) -> None:
        super().__init__(record_id, status)
        self.record_id, self.status = record_id, status

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

    def __init__(self, alias: str, where: str, known: Iterable[str]) -> None:
        super().__init__(alias, where, sorted(known))
        self.alias, self.where = alias, where
        self.near = next(iter(get_close_matches(alias, list(known), n=1)), None)

    @property
    def message(self) -> str:
        hint = f' Did you mean "{self.near}"?' if self.near else ""
        return f'{self.where} has no step "{self.alias}".{hint}'

    @property
    def data(self) -> dict[str, Any]:
        return {"step": self.alias, "suggestion": self.near}


class ModificationRefused(ExecutionError):
    """path: place in what was given ("steps.classify.output")."""

    code = "modification_refused"
    http_status = 422

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

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

    def __init__(self, number: int, reasons: list[str]) -> None:
        super().__init__(number, reasons)
        self.number, self.reasons = number, reasons

    @property
    def message(self) -> str:
        return f"Execution #{self.number} cannot be replayed like this: {'; '.join(self.reasons)}."

    @property
    def data(self) -> dict[str, Any]:
        return {"reasons": self.reasons}


class BulkNotFound(NotFound, ExecutionError):
    code = "execution_bulk_not_found"
    sentence = "There is no bulk operation {} on executions, or it is somebody else's."


class BulkFilterRefused(ExecutionError):
    code = "bulk_filter_refused"
    http_status = 422

    def __init__(self, part: str, known: Iterable[str]) -> None:
        super().__init__(part, list(known))
        self.part, self.known = part, list(known)

    @property
    def message(self) -> str:
        near = next(iter(get_close_matches(self.part, self.known, n=1)), None)
        hint = f' Did you mean "{near}"?' if near else ""
        return f'Executions cannot be filtered by "{self.part}"; the parts are {", ".join(self.known)}.{hint}'


class ExecutionFilterInvalid(ExecutionError):
    """part: of the filter."""

    code = "execution_filter_invalid"
    http_status = 422

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(part, reason)
        self.part, self.reason = part, reason

    @property
    def message(self) -> str:
        return f'The filter "{self.part}" {self.reason}.'

    @property
    def data(self) -> dict[str, Any]:
        return {"part": self.part}


class ExecutionBulkGrown(Grown, ExecutionError):
    code = "execution_bulk_grown"
    sentence = "{total} executions match by now, not {shown}. Look again, then confirm the new number."


class ExecutionBulkTooLarge(ExecutionError):
    code = "execution_bulk_too_large"
    http_status = 422

    def __init__(self, total: int, most: int) -> None:
        super().__init__(total, most)
        self.total, self.most = total, most

    @property
    def message(self) -> str:
        return f"{self.total:,} executions match, and at most {self.most:,} are taken at once. Narrow the filter."


class NoDraft(ExecutionError):
    code = "no_draft"
    http_status = 404

    def __init__(self, workflow: str) -> None:
        super().__init__(workflow)
        self.workflow = workflow

    @property
    def message(self) -> str:
        return f"Workflow {self.workflow} has no draft. Name the number of a published version."
