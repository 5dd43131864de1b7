"""Definitions of workflows: from the document to rows, to the plan that is walked, and back.

parse(text) -> Definition             YAML or JSON, taken apart
validate(definition) -> [problem]     everything that is wrong, each with its path
rows_of, definition_of                rows of a version <-> definition
compile_plan(version) -> Plan         what the engine walks
to_document(version), dump_yaml       the document again
"""

from typing import Any

from workflows.definition.compile import compile_plan
from workflows.definition.documents import dump_yaml
from workflows.definition.parse import Definition, parse
from workflows.definition.problems import DefinitionProblem
from workflows.definition.rows import definition_of, document_of
from workflows.definition.validate import require_valid, validate
from workflows.models import WorkflowVersion

__all__ = [
    "Definition",
    "DefinitionProblem",
    "compile_plan",
    "dump_yaml",
    "parse",
    "require_valid",
    "to_document",
    "validate",
]


def to_document(version: WorkflowVersion) -> dict[str, Any]:
    """Return the document of a version; importing it again gives the same version. One query."""
    return document_of(definition_of(version))
