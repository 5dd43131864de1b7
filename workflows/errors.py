"""Leaves of the error tree that belong to workflows.

WorkflowError
  WorkflowNotFound 404 · VersionNotFound 404
  DefinitionUnreadable 422 (line, column) · DefinitionInvalid 422 (every problem) · StepTypeUnknown 422
  ExpressionInvalid 422 (cannot be compiled) · ExpressionFailed (cannot be evaluated)
  ConfigInvalid (evaluated, but not what the step type takes) · StepFailed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from director.errors import DirectorError, NotFound

if TYPE_CHECKING:
    from workflows.definition.problems import DefinitionProblem

NAMES_SHOWN = 20  # of what is available; more would bury the message


class WorkflowError(DirectorError):
    code = "workflow_error"


class WorkflowNotFound(NotFound, WorkflowError):
    code = "workflow_not_found"
    sentence = "There is no workflow {}, or you may not see it."


class VersionNotFound(WorkflowError):
    """newest: the highest number there is, None when nothing was published yet."""

    code = "version_not_found"
    http_status = 404

    workflow: str
    number: int | None
    newest: int | None

    @property
    def message(self) -> str:
        if self.newest is None:
            return f"Workflow {self.workflow} has no published version. Publish its draft first."
        return f"Workflow {self.workflow} has no published version {self.number}; the newest is {self.newest}."


class DefinitionUnreadable(WorkflowError):
    """The text is not a document at all. Line and column are 1-based, None when the whole is meant."""

    code = "definition_unreadable"
    http_status = 422
    retryable = False

    format: str
    reason: str
    line: int | None = None
    column: int | None = None

    @property
    def message(self) -> str:
        where = "" if self.line is None else f", line {self.line}, column {self.column}"
        return f"{self.format}{where}: {self.reason}."

    @property
    def data(self) -> dict[str, Any]:
        return {"line": self.line, "column": self.column}


class ProblemsFound(WorkflowError):
    """What was given has problems; all of them are told at once, each with its place."""

    http_status = 422
    retryable = False

    problems: Sequence[DefinitionProblem]

    @property
    def data(self) -> dict[str, Any]:
        return {"problems": [problem.as_dict() for problem in self.problems]}


class DefinitionInvalid(ProblemsFound):
    """The document can be read but not run."""

    code = "definition_invalid"

    @property
    def message(self) -> str:
        count = len(self.problems)
        head = "The definition has a problem" if count == 1 else f"The definition has {count} problems"
        return "\n".join([f"{head}:", *(f"- {problem}" for problem in self.problems)])


class ConfigInvalid(ProblemsFound):
    """Templates filled in, a config is not what the step type takes."""

    code = "config_invalid"

    @property
    def message(self) -> str:
        return " ".join(str(problem) for problem in self.problems)


class StepTypeUnknown(WorkflowError):
    code = "step_type_unknown"
    http_status = 422
    retryable = False

    name: str
    suggestion: str | None
    known: Sequence[str]

    @property
    def message(self) -> str:
        return f"There is no step type `{self.name}`.{suggested(self.suggestion)} Known: {listed(self.known)}."


class ExpressionInvalid(WorkflowError):
    """A template cannot be compiled: its syntax, or something that is not allowed in templates."""

    code = "expression_invalid"
    http_status = 422
    retryable = False

    where: str
    template: str
    reason: str
    suggestion: str | None = None

    @property
    def message(self) -> str:
        return f"{self.where}: {self.reason}.{suggested(self.suggestion)} In `{shortened(self.template)}`."


class ExpressionFailed(WorkflowError):
    """A template cannot be evaluated for this record. available: what could be written in the place of the name."""

    code = "expression_failed"
    http_status = 422
    retryable = False

    where: str
    template: str
    reason: str
    available: Sequence[str] = ()
    suggestion: str | None = None

    @property
    def message(self) -> str:
        names = f" Available: {listed(self.available)}." if self.available else ""
        text = f"{self.where}: {self.reason}.{names}{suggested(self.suggestion)}"
        return text if self.template in self.reason else f"{text} In `{shortened(self.template)}`."

    @property
    def data(self) -> dict[str, Any]:
        return {
            "where": self.where,
            "template": shortened(self.template),
            "available": list(self.available[:NAMES_SHOWN]),
            "suggestion": self.suggestion,
        }


class StepFailed(WorkflowError):
    """A step says why it cannot be done; `reason` is shown on the record as it is."""

    code = "step_failed"
    http_status = 422

    reason: str

    @property
    def message(self) -> str:
        return self.reason


def in_step(alias: str, part: str) -> str:
    """Return how messages of a run call a place, "Step total, config.value": whoever reads them knows steps by alias."""
    return f"Step {alias}, {part}"


def suggested(suggestion: str | None) -> str:
    """Return the sentence that proposes the nearest match, with a leading blank, or nothing."""
    return f" Did you mean `{suggestion}`?" if suggestion else ""


def listed(names: Sequence[str]) -> str:
    """Return the names with commas, the first few of many."""
    shown = ", ".join(names[:NAMES_SHOWN])
    return f"{shown} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else shown


def shortened(text: str) -> str:
    """Return a template as it is quoted in messages: one line, at most 200 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:199]}…"
