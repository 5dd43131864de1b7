"""Leaves of the error tree that belong to executions; more are in `executions.refusals` and `executions.prompts.errors`.

ExecutionError
  ExecutionNotFound 404 · StepNotFound 404 · NothingToRetry 409 · RetryRefused 409 · NotPublished 409
      InvalidTransition 409 · IdempotencyConflict 422
  NotificationNotFound 404
  Recorded on a step or a record: StepTimedOut · StepInterrupted · PromptTimedOut · ValueTooLarge · IterateStopped
      NotAList · NoRecordsNamed · NoItems · NoRecording · WorkerKilled · FileNotWritten · MailFailed
  LeaseLost (ours only)
"""

from __future__ import annotations

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

    execution: object
    step: object

    @property
    def message(self) -> str:
        return f"Execution #{self.execution} has no step {self.step}."


class InvalidTransition(ExecutionError):
    code = "invalid_transition"
    http_status = 409

    thing: str
    status: str
    wanted: str

    @property
    def message(self) -> str:
        return f"{self.thing} is {self.status} and cannot become {self.wanted}."

    @property
    def data(self) -> dict[str, Any]:
        return {"status": self.status, "wanted": self.wanted}


class NothingToRetry(ExecutionError):
    code = "nothing_to_retry"
    http_status = 409

    where: str

    @property
    def message(self) -> str:
        return f"{self.where} has no failed record to retry."


class RetryRefused(ExecutionError):
    """A record whose last step may have happened is not retried among others."""

    code = "retry_refused"
    http_status = 409

    record_id: str

    @property
    def message(self) -> str:
        return (
            f"The last step of {self.record_id} may have happened before its worker ended. Look it up, then "
            "choose on the record's page: treat it as done, or do it again."
        )


class NotPublished(ExecutionError):
    code = "not_published"
    http_status = 409

    workflow: str

    @property
    def message(self) -> str:
        return f"Workflow {self.workflow} has no published version to run. Publish its draft first."


class IdempotencyConflict(ExecutionError):
    code = "idempotency_conflict"
    http_status = 422

    key: str

    @property
    def message(self) -> str:
        return f"Idempotency key {self.key} was already used for another request. Use a new key for a new start."


class StepTimedOut(ExecutionError):
    code = "step_timed_out"

    alias: str
    seconds: float

    @property
    def message(self) -> str:
        return f"Step {self.alias} did not finish within its time-out of {self.seconds:g} s."


class StepInterrupted(ExecutionError):
    """An effect that must not be repeated began before a crash and left no receipt."""

    code = "step_interrupted"

    alias: str

    @property
    def message(self) -> str:
        return (
            f"Step {self.alias} was interrupted: its worker ended between beginning and reporting, so it may have "
            "happened. Look it up, then treat it as done or do it again."
        )


class ValueTooLarge(ExecutionError):
    code = "value_too_large"
    retryable = False

    what: str
    size_bytes: int
    limit_bytes: int

    @property
    def message(self) -> str:
        return (
            f"{self.what} is {self.size_bytes:,} bytes; at most {self.limit_bytes:,} are recorded "
            "(DIRECTOR_MAX_VALUE_BYTES). Write large data to a file and pass on its path."
        )


class IterateStopped(ExecutionError):
    code = "iterate_stopped"

    alias: str
    result: dict[str, Any]

    @property
    def message(self) -> str:
        first = next(iter(self.result["errors"]), {"record": "a record", "message": "failed"})
        return (
            f"Iterate {self.alias} stopped at its first failure ({first['record']}: {first['message'].rstrip('.')}). "
            f"{self.result['processed']} of {self.result['total']} records were done, {self.result['cancelled']} not begun."
        )


class NotAList(ExecutionError):
    code = "not_a_list"
    retryable = False

    alias: str
    kind: str

    @property
    def message(self) -> str:
        return f"Iterate {self.alias} goes over a list, but `over` is {self.kind}. Use an expression that gives a list."


class NoRecordsNamed(ExecutionError):
    code = "no_records_named"
    retryable = False

    alias: str
    kind: str

    @property
    def message(self) -> str:
        return (
            f"Iterate {self.alias} goes over records, but `over_records` is {self.kind}. "
            "Use an expression that gives a pattern, a type, an id or a list of ids."
        )


class NoItems(ExecutionError):
    code = "no_items"
    retryable = False

    alias: str
    kind: str

    @property
    def message(self) -> str:
        return f"Step {self.alias} is to make records of what it gives, a list or an object, but gives {self.kind}."


class PromptTimedOut(ExecutionError):
    code = "prompt_timed_out"
    retryable = False

    alias: str
    title: str

    @property
    def message(self) -> str:
        return f"Nobody answered the prompt {self.title!r} of step {self.alias} in time. Retry the record to ask again."


class NoRecording(ExecutionError):
    """A dry replay met an effect that the replayed run never had with this input."""

    code = "no_recording"
    retryable = False

    alias: str

    @property
    def message(self) -> str:
        return f"Step {self.alias} has no recording for this input; in a dry replay it is not run."


class WorkerKilled(ExecutionError):
    code = "worker_killed"

    times: int
    step: str

    @property
    def message(self) -> str:
        where = f" at or after step {self.step}" if self.step else ""
        return f"The worker died {self.times} times while walking this record{where}; it is not tried again by itself."


class FileNotWritten(ExecutionError):
    code = "file_not_written"

    path: str
    reason: str
    is_outside: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.retryable = not self.is_outside

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

    reason: str
    begun: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        self.retryable = not self.begun

    @property
    def message(self) -> str:
        if self.begun:
            return f"The mail server did not take the mail: {self.reason}. It may have gone out all the same."
        return f"The mail server cannot be reached: {self.reason}. Nothing was sent."


class LeaseLost(ExecutionError):
    """The slice was given up for dead and its frames went to others; nothing it still wants to write may land."""

    code = "lease_lost"


class NotificationNotFound(NotFound, ExecutionError):
    code = "notification_not_found"
    sentence = "There is no notification {} of yours."
