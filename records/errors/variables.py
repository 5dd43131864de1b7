"""What is refused of variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from director.errors import DirectorError, did_you_mean


class VariableError(DirectorError):
    code = "variable"


class VariableNotFound(VariableError):
    code = "variable_not_found"
    http_status = 404

    workflow: str
    key: str
    known: Sequence[str] = ()

    @property
    def message(self) -> str:
        return f'Workflow "{self.workflow}" has no variable "{self.key}".{did_you_mean(self.key, self.known)}'

    @property
    def data(self) -> dict[str, Any]:
        return {"key": self.key}


class VariableInvalid(VariableError):
    """A value that breaks the variable's schema, or that the operation cannot work with."""

    code = "variable_invalid"
    http_status = 422
    retryable = False

    key: str
    problems: Sequence[Mapping[str, object]]

    @property
    def message(self) -> str:
        told = "; ".join(f"{problem['path'] or 'the value'}: {problem['message']}" for problem in self.problems)
        return f'Variable "{self.key}" cannot be set: {told}'

    @property
    def data(self) -> dict[str, Any]:
        return {"key": self.key, "problems": list(self.problems)}


class VariableKeyInvalid(VariableError):
    code = "variable_key_invalid"
    http_status = 422
    retryable = False

    key: str
    rule: str

    @property
    def message(self) -> str:
        return f'The variable key "{self.key[:100]}" {self.rule}.'


class VariableChanged(VariableError):
    """Someone else set the variable since it was read."""

    code = "variable_changed"
    http_status = 409

    key: str
    expected: int
    revision: int

    @property
    def message(self) -> str:
        return (
            f'Variable "{self.key}" is at revision {self.revision}, you meant revision {self.expected}: it was set '
            "meanwhile. Read it again, then set it."
        )

    @property
    def data(self) -> dict[str, Any]:
        return {"key": self.key, "expected_revision": self.expected, "revision": self.revision}


class RevealRefused(VariableError):
    """what: of which the secrets were asked for, such as a variable's key."""

    code = "reveal_refused"
    http_status = 403

    what: str

    @property
    def message(self) -> str:
        return (
            f"Secrets of {self.what} are shown only to the owner of the workflow and to those who have the permission "
            '"Can see masked values" (records.reveal_secret).'
        )


class VariableDiffers(VariableError):
    """The variable has not the value that it was to be replaced at; what it has is not told, it may be a secret."""

    code = "variable_differs"
    http_status = 409

    key: str

    @property
    def message(self) -> str:
        return f'Variable "{self.key}" is not what you expected; it stays as it is. Read it again, then set it.'

    @property
    def data(self) -> dict[str, Any]:
        return {"key": self.key}
