"""Refusals of the readers. A malformed part of a source is a `Problem`, not an error: these stop the reading."""

from collections.abc import Sequence
from typing import Any

from workflows.errors import WorkflowError


class SourceError(WorkflowError):
    """A file or folder that a reader was asked for cannot be read."""

    code = "source_error"
    http_status = 422

    path: str

    @property
    def data(self) -> dict[str, Any]:
        return {"path": self.path}


class SourceNotAllowed(SourceError):
    """The path leads outside the folders that workflows may read."""

    code = "source_not_allowed"
    http_status = 403
    retryable = False

    allowed: Sequence[str]

    @property
    def message(self) -> str:
        if not self.allowed:
            return f"{self.path!r} cannot be read: no folder is open to workflows. Add one to DIRECTOR_FILE_ROOTS."
        return (
            f"{self.path!r} leads outside the folders that workflows may read: {', '.join(self.allowed)}. "
            "Move the file there, or add its folder to DIRECTOR_FILE_ROOTS."
        )


class SourceNotFound(SourceError):
    """Nothing readable stands at the path; `nearest` is the existing file with the most similar name."""

    code = "source_not_found"

    allowed: Sequence[str]
    nearest: str | None

    @property
    def message(self) -> str:
        hint = f" Did you mean {self.nearest!r}?" if self.nearest else ""
        return f"There is no file or folder {self.path!r} in {', '.join(self.allowed)}.{hint}"


class SourceUnreadable(SourceError):
    """The file is there, but the system refuses to open or read it, or it is of the wrong kind."""

    code = "source_unreadable"

    reason: str

    @property
    def message(self) -> str:
        return f"{self.path!r} cannot be read: {self.reason}."
