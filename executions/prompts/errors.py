"""What is refused of those who answer prompts: leaves of the tree in `executions.errors`.

ExecutionError
  PromptNotFound, PromptFileNotFound 404 · PromptNotYours 403 · PromptAnswered, PromptClosed, PromptAmbiguous 409
  AnswerInvalid 422 · PromptLinkExpired 410
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from director.errors import NotFound
from executions.errors import ExecutionError


class PromptNotFound(NotFound, ExecutionError):
    code = "prompt_not_found"
    sentence = "There is no prompt {}, or you may not see it."


class PromptFileNotFound(NotFound, ExecutionError):
    code = "prompt_file_not_found"
    sentence = "No file came with the answer as {}."


class PromptAmbiguous(ExecutionError):
    code = "prompt_ambiguous"
    http_status = 409

    step: str
    prompts: list[str]

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

    title: str
    why: str

    @property
    def message(self) -> str:
        return f"You may see {self.title!r} but not answer it: {self.why}."


class PromptAnswered(ExecutionError):
    """Somebody was first. by: None when that person's account is gone."""

    code = "prompt_answered"
    http_status = 409

    title: str
    by: str | None
    at: datetime | None
    action: str

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

    title: str
    status: str

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

    problems: list[dict[str, str]]

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
