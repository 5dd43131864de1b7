"""Leaves of the error tree that belong to executions.

ExecutionError
  ExecutionNotFound 404 · StepNotFound 404 · NothingToRetry 409 · NotPublished 409 · InvalidTransition 409
      IdempotencyConflict 422
  PromptNotFound 404 · PromptNotYours 403 · PromptAnswered 409 · PromptClosed 409 · AnswerInvalid 422 · PromptLinkExpired 410
  PromptFileNotFound 404 · NotificationNotFound 404
  StepTimedOut · StepInterrupted · ValueTooLarge · IterateStopped · NotAList · WorkerKilled   (recorded on a step or a record)
  FileNotWritten · MailFailed   (recorded on a step or a record)
  LeaseLost (ours only)
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from director.errors import DirectorError, NotFound


class ExecutionError(DirectorError):
    code = "execution_error"


class ExecutionNotFound(NotFound, ExecutionError):
    code = "execution_not_found"
    sentence = "There is no execution {}, or you may not see it."


class StepNotFound(ExecutionError):
    code = "step_not_found"
    http_status = 404

    def __init__(self, execution: object, step: object) -> None:
        super().__init__(execution, step)
        self.execution, self.step = execution, step

    @property
    def message(self) -> str:
        return f"Execution #{self.execution} has no step {self.step}."


class InvalidTransition(ExecutionError):
    code = "invalid_transition"
    http_status = 409

    def __init__(self, thing: str, status: str, wanted: str) -> None:
        super().__init__(thing, status, wanted)
        self.thing, self.status, self.wanted = thing, status, wanted

    @property
    def message(self) -> str:
        return f"{self.thing} is {self.status} and cannot become {self.wanted}."

    @property
    def data(self) -> dict[str, Any]:
        return {"status": self.status, "wanted": self.wanted}


class NothingToRetry(ExecutionError):
    code = "nothing_to_retry"
    http_status = 409

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    @property
    def message(self) -> str:
        return f"{self.where} has no failed record to retry."


class RetryRefused(ExecutionError):
    """A record whose last step may have happened is not retried among others."""

    code = "retry_refused"
    http_status = 409

    def __init__(self, record_id: str) -> None:
        super().__init__(record_id)
        self.record_id = record_id

    @property
    def message(self) -> str:
        return (
            f"The last step of {self.record_id} may have happened before its worker ended. Look it up, then "
            "choose on the record's page: treat it as done, or do it again."
        )


class NotPublished(ExecutionError):
    code = "not_published"
    http_status = 409

    def __init__(self, workflow: str) -> None:
        super().__init__(workflow)
        self.workflow = workflow

    @property
    def message(self) -> str:
        return f"Workflow {self.workflow} has no published version to run. Publish its draft first."


class IdempotencyConflict(ExecutionError):
    code = "idempotency_conflict"
    http_status = 422

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    @property
    def message(self) -> str:
        return f"Idempotency key {self.key} was already used for another request. Use a new key for a new start."


class StepTimedOut(ExecutionError):
    code = "step_timed_out"

    def __init__(self, alias: str, seconds: float) -> None:
        super().__init__(alias, seconds)
        self.alias, self.seconds = alias, seconds

    @property
    def message(self) -> str:
        return f"Step {self.alias} did not finish within its time-out of {self.seconds:g} s."


class StepInterrupted(ExecutionError):
    """An effect that must not be repeated began before a crash and left no receipt."""

    code = "step_interrupted"

    def __init__(self, alias: str) -> None:
        super().__init__(alias)
        self.alias = alias

    @property
    def message(self) -> str:
        return (
            f"Step {self.alias} was interrupted: its worker ended between beginning and reporting, so it may have "
            "happened. Look it up, then treat it as done or do it again."
        )


class ValueTooLarge(ExecutionError):
    code = "value_too_large"
    retryable = False

    def __init__(self, what: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(what, size_bytes, limit_bytes)
        self.what, self.size_bytes, self.limit_bytes = what, size_bytes, limit_bytes

    @property
    def message(self) -> str:
        return (
            f"{self.what} is {self.size_bytes:,} bytes; at most {self.limit_bytes:,} are recorded "
            "(DIRECTOR_MAX_VALUE_BYTES). Write large data to a file and pass on its path."
        )


class IterateStopped(ExecutionError):
    code = "iterate_stopped"

    def __init__(self, alias: str, result: dict[str, Any]) -> None:
        super().__init__(alias, result)
        self.alias, self.result = alias, result

    @property
    def message(self) -> str:
        first = next(iter(self.result["errors"]), {"record": "a record", "message": "failed"})
        return (
            f"Iterate {self.alias} stopped at its first failure ({first['record']}: {first['message']}). "
            f"{self.result['processed']} of {self.result['total']} records were done, {self.result['cancelled']} not begun."
        )


class NotAList(ExecutionError):
    code = "not_a_list"
    retryable = False

    def __init__(self, alias: str, kind: str) -> None:
        super().__init__(alias, kind)
        self.alias, self.kind = alias, kind

    @property
    def message(self) -> str:
        return f"Iterate {self.alias} goes over a list, but `over` is {self.kind}. Use an expression that gives a list."


class PromptTimedOut(ExecutionError):
    code = "prompt_timed_out"
    retryable = False

    def __init__(self, alias: str, title: str) -> None:
        super().__init__(alias, title)
        self.alias, self.title = alias, title

    @property
    def message(self) -> str:
        return f"Nobody answered the prompt {self.title!r} of step {self.alias} in time. Retry the record to ask again."


class NoRecording(ExecutionError):
    """A dry replay met an effect that the replayed run never had with this input."""

    code = "no_recording"
    retryable = False

    def __init__(self, alias: str) -> None:
        super().__init__(alias)
        self.alias = alias

    @property
    def message(self) -> str:
        return f"Step {self.alias} has no recording for this input; in a dry replay it is not run."


class WorkerKilled(ExecutionError):
    code = "worker_killed"

    def __init__(self, times: int, step: str) -> None:
        super().__init__(times, step)
        self.times, self.step = times, step

    @property
    def message(self) -> str:
        where = f" at or after step {self.step}" if self.step else ""
        return f"The worker died {self.times} times while walking this record{where}; it is not tried again by itself."


class FileNotWritten(ExecutionError):
    code = "file_not_written"

    def __init__(self, path: str, reason: str, is_outside: bool = False) -> None:
        super().__init__(path, reason, is_outside)
        self.path, self.reason, self.is_outside = path, reason, is_outside
        self.retryable = not is_outside

    @property
    def message(self) -> str:
        way_out = " Choose a path within them, or add its folder to DIRECTOR_WRITE_ROOTS." if self.is_outside else ""
        return f"{self.path!r} cannot be written: {self.reason}.{way_out}"

    @property
    def data(self) -> dict[str, Any]:
        return {"path": self.path}


class MailFailed(ExecutionError):
    """begun: whether the server had been given the mail, so that it may have gone out all the same."""

    code = "mail_failed"

    def __init__(self, reason: str, begun: bool) -> None:
        super().__init__(reason, begun)
        self.reason, self.begun = reason, begun
        self.retryable = not begun

    @property
    def message(self) -> str:
        if self.begun:
            return f"The mail server did not take the mail: {self.reason}. It may have gone out all the same."
        return f"The mail server cannot be reached: {self.reason}. Nothing was sent."


class LeaseLost(ExecutionError):
    """The slice was given up for dead and its frames went to others; nothing it still wants to write may land."""

    code = "lease_lost"


class PromptFileNotFound(NotFound, ExecutionError):
    code = "prompt_file_not_found"
    sentence = "No file came with the answer as {}."


class NotificationNotFound(NotFound, ExecutionError):
    code = "notification_not_found"
    sentence = "There is no notification {} of yours."


class PromptNotFound(NotFound, ExecutionError):
    code = "prompt_not_found"
    sentence = "There is no prompt {}, or you may not see it."


class PromptAmbiguous(ExecutionError):
    code = "prompt_ambiguous"
    http_status = 409

    def __init__(self, step: str, prompts: list[str]) -> None:
        super().__init__(step, prompts)
        self.step, self.prompts = step, prompts

    @property
    def message(self) -> str:
        return (
            f"Step {self.step} has {len(self.prompts)} open prompts that are meant by this. "
            "Say which `record`, or answer one by its id."
        )

    @property
    def data(self) -> dict[str, Any]:
        return {"prompts": self.prompts}


class PromptNotYours(ExecutionError):
    """why: "" when others are asked, else the reason in words."""

    code = "prompt_not_yours"
    http_status = 403

    def __init__(self, title: str, why: str) -> None:
        super().__init__(title, why)
        self.title, self.why = title, why

    @property
    def message(self) -> str:
        return f"You may see {self.title!r} but not answer it: {self.why}."


class PromptAnswered(ExecutionError):
    """Somebody was first. by: None when that person's account is gone."""

    code = "prompt_answered"
    http_status = 409

    def __init__(self, title: str, by: str | None, at: datetime | None, action: str) -> None:
        super().__init__(title, by, at, action)
        self.title, self.by, self.at, self.action = title, by, at, action

    @property
    def message(self) -> str:
        when = f" at {self.at:%H:%M:%S %Z on %-d %B %Y}" if self.at else ""
        return f"{self.by or 'Somebody'} answered {self.title!r} first{when}: {self.action}. Your answer was not taken."

    @property
    def data(self) -> dict[str, Any]:
        return {"by": self.by, "at": self.at.isoformat() if self.at else None, "action": self.action}


class PromptClosed(ExecutionError):
    """It timed out, or what asked is not waiting any more."""

    code = "prompt_closed"
    http_status = 409

    def __init__(self, title: str, status: str) -> None:
        super().__init__(title, status)
        self.title, self.status = title, status

    @property
    def message(self) -> str:
        if self.status == "timed_out":
            return f"Nobody answered {self.title!r} in time, so it went on without. Your answer was not taken."
        return f"{self.title!r} is not asked any more: its run was cancelled or decided in another way."

    @property
    def data(self) -> dict[str, Any]:
        return {"prompt_status": self.status}


class AnswerInvalid(ExecutionError):
    """problems: {"pointer", "detail", "code"} each; pointers lead into {"action", "data", "comment"}."""

    code = "answer_invalid"
    http_status = 422

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__(problems)
        self.problems = problems

    @property
    def message(self) -> str:
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return f"The answer does not fit at {first['pointer'] or 'its root'}: {first['detail']}{more}"

    @property
    def data(self) -> dict[str, Any]:
        return {"errors": self.problems}


class PromptLinkExpired(ExecutionError):
    code = "prompt_link_expired"
    http_status = 410

    @property
    def message(self) -> str:
        return "This link no longer works: it has expired, or it was not made here. Sign in and answer in the inbox."
