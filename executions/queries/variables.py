"""What the variables page shows beside the values: who set them, and which steps read and write them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from director.errors import DirectorError
from director.jsontools import dumps
from executions.models import Execution
from records.models import VariableChange, WorkflowVariable
from records.typed import KINDS, kind_of
from workflows.definition.compile import compile_plan
from workflows.models import Workflow, WorkflowVersion

SHOWN = 500  # variables on a page; the search finds the others
LOOKED_THROUGH = 5_000
RUN_SCOPED_SHOWN = 100
HISTORY_SHOWN = 20
SCOPES = 200
HIDDEN = "secret"  # what is shown as the kind of a sensitive variable: its own would tell of its value
KINDS_SHOWN = (*dict(KINDS), HIDDEN)


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


@dataclass(frozen=True, slots=True)
class Uses:
    """The steps that use variables, by key; and the values that a run begins with where a variable is not set."""

    by_key: defaultdict[str, list[Use]] = field(default_factory=lambda: defaultdict(list))
    defaults: dict[str, Any] = field(default_factory=dict)

    def of(self, key: str) -> list[Use]:
        return self.by_key.get(key, [])

    def aliases(self, key: str) -> list[str]:
        return sorted({use.alias for use in self.of(key)})


def scopes(user: Any) -> list[Workflow]:
    """Return the workflows the user may see, each with `kept`: how many lasting variables it has. One query."""
    kept = Count("variables", filter=Q(variables__execution_id=None))
    return list(Workflow.objects.all().visible_to(user).annotate(kept=kept).order_by("name")[:SCOPES])


def variables_of(
    workflow: Workflow, text: str = "", kind: str = ""
) -> tuple[list[VariableRow], list[VariableRow], bool]:
    """Return the lasting variables, those of runs, and whether there are more than are shown. At most three queries.

    text: in the key or in the value as it is shown, so that no search tells a secret. kind: one of KINDS_SHOWN.
    """
    rows = WorkflowVariable.objects.filter(workflow=workflow).select_related("actor").order_by("key")
    lasting = list(rows.filter(execution_id=None)[:LOOKED_THROUGH])
    of_runs = list(rows.filter(execution_id__isnull=False).order_by("-updated_at")[:RUN_SCOPED_SHOWN])
    found = [row for row in lasting if _fits(row, text, kind)]
    numbers = _numbers([*found[:SHOWN], *of_runs])
    shown = [_row(row, numbers) for row in found[:SHOWN]]
    return shown, [_row(row, numbers) for row in of_runs if _fits(row, text, kind)], len(found) > SHOWN


def _fits(row: WorkflowVariable, text: str, kind: str) -> bool:
    if kind and kind != _kind(row):
        return False
    lowered = text.lower()
    return not text or lowered in row.key.lower() or lowered in dumps(row.shown).decode().lower()


def _numbers(rows: Iterable[WorkflowVariable]) -> Mapping[UUID, int]:
    """Return the numbers of the executions that the rows name."""
    ids = {pk for row in rows for pk in (row.set_in, row.execution_id) if pk}
    return dict(Execution.objects.filter(pk__in=ids).values_list("pk", "number")) if ids else {}


def _row(row: WorkflowVariable, numbers: Mapping[UUID, int]) -> VariableRow:
    run = numbers.get(row.set_in) if row.set_in else None
    of_run = numbers.get(row.execution_id) if row.execution_id else None
    return VariableRow(row, row.shown, _kind(row), run, of_run)


def _kind(row: WorkflowVariable) -> str:
    return HIDDEN if row.is_sensitive else kind_of(row.value)


def uses_of(workflow: Workflow) -> Uses:
    """Return who uses which variable, in the newest version and in the draft."""
    versions = workflow.versions.filter(Q(status="draft") | Q(number__isnull=False)).order_by("-number")
    newest = next((one for one in versions.filter(number__isnull=False)[:1]), None)
    draft = versions.filter(status="draft").first()
    uses = Uses()
    for version in (draft, newest):
        if version is not None:
            _add_uses(uses, version)
    return uses


def _add_uses(uses: Uses, version: WorkflowVersion) -> None:
    try:
        plan = compile_plan(version)
    except DirectorError:  # a draft with problems is read again once it has none
        return
    name = f"v{version.number}" if version.number else "draft"
    known = plan.variable_names | plan.variables.keys()
    for step in plan.steps.values():
        if key := step.raw_config.get("variable"):
            uses.by_key[str(key)].append(Use(step.alias, name, True))
        for key in step.names & known:
            uses.by_key[key].append(Use(step.alias, name, False))
    uses.defaults.update(plan.variables)


def history_of_variable(workflow: Workflow, key: str) -> list[VariableChange]:
    """Return what people did with the variable, newest first. One query, on index variable_change_by_key."""
    rows = VariableChange.objects.filter(workflow=workflow, key=key).select_related("actor").order_by("-pk")
    return list(rows[:HISTORY_SHOWN])


def history_of_variables(workflow: Workflow) -> list[VariableChange]:
    """Return what people did with any variable of the workflow, newest first. One query."""
    rows = VariableChange.objects.filter(workflow=workflow).select_related("actor").order_by("-pk")
    return list(rows[:HISTORY_SHOWN])
