"""The tree of errors that Director raises on purpose; each app's `errors.py` adds its leaves.

    DirectorError          code, http_status, message for people, data for programs
      RecordError          records/errors.py
      ConnectorError       connectors/errors.py
      WorkflowError        workflows/errors.py
      ExecutionError       executions/errors.py
      NotFound             404, mixed into leaves: what is not there, or not for this person
      SetupError           what keeps the program itself from running

A leaf declares its facts as a dataclass does and is raised with them:

    class RecordNotFound(RecordError):
        code = "record_not_found"
        http_status = 404

        workflow: str
        record_id: str

        @property
        def message(self) -> str:
            return f"Workflow {self.workflow} has no record {self.record_id}."
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any, ClassVar, dataclass_transform

WORDS_COMPARED = 500  # for the nearest; comparing is slow, and done for every failing record


@dataclass_transform(eq_default=False)
class DirectorError(Exception):
    """Base of the tree: something was refused or failed, and the message says what, where, why and the way out."""

    code = "error"  # for programs: stable, snake_case
    http_status = 400
    retryable = True  # whether the same thing, tried again a little later, may succeed

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(eq=False, repr=False)(cls)  # an exception is equal to itself alone, and hashable

    def __post_init__(self) -> None:
        self.args = tuple(vars(self).values())  # with which it is made again when it is unpickled

    @property
    def message(self) -> str:
        """The text for people, made from the facts."""
        return " ".join(str(fact) for fact in self.args) or self.code

    @property
    def data(self) -> dict[str, Any]:
        """The facts for programs: JSON-serialisable, without secrets."""
        return {}

    def __str__(self) -> str:
        return self.message


class NotFound(DirectorError):
    """Something is not there, or not for this person: strangers are not told which.

    A leaf gives its `code` and the `sentence`, with {} for what was asked for.
    """

    code = "not_found"
    http_status = 404
    sentence: ClassVar[str] = "There is no {}."

    asked: object

    @property
    def message(self) -> str:
        return self.sentence.format(self.asked)


class SetupError(DirectorError):
    """The program cannot run as it is set up; the one fact is the message."""

    code = "setup"
    http_status = 503

    reason: str


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like the one that was said, in upper or lower case; None when none is alike."""
    lowered = {one.lower(): one for one in islice(known, WORDS_COMPARED)}
    near = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return lowered[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean "..."?` with the nearest known word, or nothing when none is near."""
    near = nearest(word, known)
    return f' Did you mean "{near}"?' if near else ""
