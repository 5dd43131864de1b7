"""What the variables page shows beside the values: who set them, and which steps read and write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from director.errors import DirectorError
from director.jsontools import dumps
from executions.models import Execution
from records.models import VariableChange, WorkflowVariable
from records.typed import kind_of
from workflows.definition.compile import compile_plan
from workflows.models import Workflow, WorkflowVersion

SHOWN = 500  # variables on a page; the search finds the others
LOOKED_THROUGH = 5_000
RUN_SCOPED_SHOWN = 100
HISTORY_SHOWN = 20
SCOPES = 200


@dataclass(frozen=True, slots=True)
class VariableRow:
    """A variable with its value as it may be shown. run: number of the execution that a step set it in."""

    variable: WorkflowVariable
    value: Any
    kind: str
    run: int | None
    of_run: int | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """A step that reads or writes a variable, in a version ("v7", "draft")."""

    alias: str
    version: str
    writes: bool


def scopes(user: Any) -> list[Workflow]:
    """Return the workflows the user may see, each with `kept`: how many lasting variables it has. One query."""
    kept = Count("variables", filter=Q(variables__execution_id=None))
    return list(Workflow.objects.all().visible_to(user).annotate(kept=kept).order_by("name")[:SCOPES])


def variables_of(workflow: Workflow, text: str = "") -> tuple[list[VariableRow], list[VariableRow], bool]:
    """Return the lasting variables, those of runs, and whether there are more than are shown. At most three queries.

    text: in the key or in the value as it is shown, so that no search tells a secret.
    """
    rows = WorkflowVariable.objects.filter(workflow=workflow).select_related("actor").order_by("key")
    lasting = list(rows.filter(execution_id=None)[:LOOKED_THROUGH])
    of_runs = list(rows.filter(execution_id__isnull=False).order_by("-updated_at")[:RUN_SCOPED_SHOWN])
    found = [row for row in lasting if _fits(row, text)]
    numbers = _numbers([*found[:SHOWN], *of_runs])
    shown = [_row(row, numbers) for row in found[:SHOWN]]
    return shown, [_row(row, numbers) for row in of_runs if _fits(row, text)], len(found) > SHOWN


def _fits(row: WorkflowVariable, text: str) -> bool:
    lowered = text.lower()
    return not text or lowered in row.key.lower() or lowered in dumps(row.shown).decode().lower()


def _numbers(rows: Iterable[WorkflowVariable]) -> Mapping[UUID, int]:
    """Return the numbers of the executions that the rows name."""
    ids = {pk for row in rows for pk in (row.set_in, row.execution_id) if pk}
    return dict(Execution.objects.filter(pk__in=ids).values_list("pk", "number")) if ids else {}


def _row(row: WorkflowVariable, numbers: Mapping[UUID, int]) -> VariableRow:
    run = numbers.get(row.set_in) if row.set_in else None
    of_run = numbers.get(row.execution_id) if row.execution_id else None
    kind = "secret" if row.is_sensitive else kind_of(row.value)
    return VariableRow(row, row.shown, kind, run, of_run)


def uses_of(workflow: Workflow, key: str) -> list[Use]:
    """Return the steps of the newest version and of the draft that read or write the variable."""
    versions = workflow.versions.filter(Q(status="draft") | Q(number__isnull=False)).order_by("-number")
    newest = next((one for one in versions.filter(number__isnull=False)[:1]), None)
    draft = versions.filter(status="draft").first()
    return [use for version in (newest, draft) if version for use in _uses(version, key)]


def _uses(version: WorkflowVersion, key: str) -> list[Use]:
    try:
        plan = compile_plan(version)
    except DirectorError:  # a draft with problems is read again once it has none
        return []
    name = f"v{version.number}" if version.number else "draft"
    steps = plan.steps.values()
    written = [Use(step.alias, name, True) for step in steps if step.raw_config.get("variable") == key]
    read = key in plan.variable_names or key in plan.variables
    return written + [Use(step.alias, name, False) for step in steps if read and key in step.names]


def history_of_variable(workflow: Workflow, key: str) -> list[VariableChange]:
    """Return what people did with the variable, newest first. One query, on index variable_change_by_key."""
    rows = VariableChange.objects.filter(workflow=workflow, key=key).select_related("actor").order_by("-pk")
    return list(rows[:HISTORY_SHOWN])
