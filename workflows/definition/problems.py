"""What is wrong with a definition, one thing at a time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from workflows.errors import suggested


@dataclass(frozen=True, slots=True)
class DefinitionProblem:
    """One thing to put right.

    path: the place in the document, "steps[1].body[0].config.value"; empty for the document as a whole. message: a
    sentence without its full stop. suggestion: the nearest thing that would be right. line and column: 1-based, where
    the text tells them (YAML).
    """

    path: str
    message: str
    suggestion: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        line = f" (line {self.line})" if self.line else ""
        return f"{where}{self.message}.{suggested(self.suggestion)}{line}"

    def as_dict(self) -> dict[str, Any]:
        """The facts for programs, without those that are not there."""
        return {key: value for key, value in asdict(self).items() if value is not None}
