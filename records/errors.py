"""What the records app refuses.

RecordError     RecordNotFound 404 · RecordExists 409 · RecordInvalid 422 · RecordChanged 409 · RecordHeld 409
                MoveRefused 409 · PathInvalid 422 · FilterInvalid 422 · PatternInvalid 422
VariableError   VariableNotFound 404 · VariableInvalid 422 · VariableChanged 409
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from director.errors import DirectorError


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean "..."?` with the nearest known word, or nothing when none is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""


class RecordError(DirectorError):
    code = "record"


class PathInvalid(RecordError):
    """A path that does not lead into a record's data."""

    code = "path_invalid"
    http_status = 422

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(path, rule)
        self.path, self.rule = path, rule

    @property
    def message(self) -> str:
        example = 'vars.category, fields.lines[2].amount or fields["first name"]'
        return f'The path "{self.path}" {self.rule}. Write it like {example}.'

    @property
    def data(self) -> dict[str, Any]:
        return {"path": self.path, "rule": self.rule}
