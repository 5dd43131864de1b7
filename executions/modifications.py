"""What people change of a run while it stands or before it is replayed: steps, records and variables, as they write it.

    {"steps": {"classify": {"input": {"model": "large"}},                      for every record, or
               "send": {"records": {"email_001": {"output": {"id": "m-7"}}}}}, for some
     "records": {"email_001": {"fields.amount": 41}},
     "variables": {"limit": 10}}

Steps become `executions.overrides`, which know records by key; records and variables are edited through the data
service, so that their history tells of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from director import jsontools
from executions.models import Execution, ExecutionFrame
from executions.refusals import ModificationRefused, RecordNotInRun, StepUnknown
from records.models import ChangeSource
from records.patches import parse_path, set_at
from records.services import WorkflowData
from workflows.definition.plan import Plan, StepPlan
from workflows.definition.schema import check

PARTS = ("steps", "records", "variables")


@dataclass(frozen=True, slots=True)
class Modifications:
    """steps: {alias: {"all": said, "records": {record id: said}}}; said is {"input": {...}} or {"output": ...}.

    source: by what way the person said it.
    """

    steps: Mapping[str, Any] = field(default_factory=dict)
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    source: ChangeSource = ChangeSource.API

    def __bool__(self) -> bool:
        return bool(self.steps or self.records or self.variables)

    def written(self) -> dict[str, Any]:
        """Return what is to be kept of it: the parts that say something."""
        return {part: dict(getattr(self, part)) for part in PARTS if getattr(self, part)}


def read(given: Mapping[str, Any], plan: Plan, where: str) -> Modifications:
    """Return what a person wrote, checked against the version that runs. where: names it ("Version 3").

    Raises ModificationRefused, StepUnknown, PathInvalid, ValueInvalid.
    """
    jsontools.dumps(given)
    for part, value in given.items():
        if part not in PARTS:
            raise ModificationRefused(part, f"is not known here; the parts are {', '.join(PARTS)}")
        _require_object(value, part)
    steps = {alias: _step(alias, said, plan, where) for alias, said in given.get("steps", {}).items()}
    for record_id, changes in given.get("records", {}).items():
        _require_object(changes, f"records.{record_id}")
        for path in changes:
            parse_path(path)
    return Modifications(steps, given.get("records", {}), given.get("variables", {}))


def overrides_of(execution: Execution, modifications: Modifications) -> dict[str, Any]:
    """Return what is said of steps as `executions.overrides`, records by key; raises RecordNotInRun."""
    if not modifications.steps:
        return {}
    named = {record_id for said in modifications.steps.values() for record_id in said.get("records", {})}
    keys = keys_of(execution, sorted(named)) if named else {}
    steps = {}
    for alias, said in modifications.steps.items():
        records = {str(keys[record_id]): one for record_id, one in said.get("records", {}).items()}
        steps[alias] = {**said, "records": records}
    return {"steps": steps}


def apply(execution: Execution, modifications: Modifications, *, user: Any, reason: str) -> None:
    """Edit records and variables as a person said, within the caller's transaction. Raises what the service refuses."""
    if not (modifications.records or modifications.variables):
        return
    data = WorkflowData(execution.workflow, user, source=modifications.source, reason=reason)
    for record_id, changes in sorted(modifications.records.items()):
        data.records.patch(record_id, [set_at(parse_path(path), value) for path, value in changes.items()])
    for key, value in sorted(modifications.variables.items()):
        data.variables.set(key, value, reason=reason)


def keys_of(execution: Execution, record_ids: list[str]) -> dict[str, UUID]:
    """Return the primary keys of records that the run walks; raises RecordNotInRun for the first that it does not."""
    frames = ExecutionFrame.objects.filter(
        execution=execution, record__workflow=execution.workflow_id, record__record_id__in=record_ids
    )
    found = dict(frames.values_list("record__record_id", "record_id"))
    for record_id in record_ids:
        if record_id not in found:
            raise RecordNotInRun(execution.number, record_id)
    return found


def _step(alias: str, said: Any, plan: Plan, where: str) -> dict[str, Any]:
    step = plan.steps.get(alias)
    if step is None:
        raise StepUnknown(alias, where, sorted(plan.steps))
    path = f"steps.{alias}"
    _require_object(said, path)
    if "input" in said or "output" in said:
        said = {"all": said}
    for place, one in _said(said, path):
        _check_said(step, one, place)
    return dict(said)


def _said(said: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in said.items():
        if key == "all":
            yield f"{path}.all", value
        elif key == "records":
            _require_object(value, f"{path}.records")
            yield from ((f"{path}.records.{record_id}", one) for record_id, one in value.items())
        else:
            raise ModificationRefused(f"{path}.{key}", "is not known here; say `input`, `output`, or `records`")


def _check_said(step: StepPlan, said: Any, path: str) -> None:
    _require_object(said, path)
    if set(said) not in ({"input"}, {"output"}):
        raise ModificationRefused(path, "says either an `input` or an `output`")
    if step.iterate is not None:
        raise ModificationRefused(path, "an iterate has no input or output of its own; change the steps within it")
    if "input" in said:
        _check_input(step, said["input"], f"{path}.input")
    else:
        _check_output(step, said["output"], f"{path}.output")


def _check_input(step: StepPlan, given: Any, path: str) -> None:
    """Each field for itself; what is not said stays as it is rendered."""
    _require_object(given, path)
    schema = {key: value for key, value in step.type.schema.items() if key in ("properties", "additionalProperties")}
    for problem in check(schema, given, path):
        raise ModificationRefused(problem.path, problem.message)


def _check_output(step: StepPlan, output: Any, path: str) -> None:
    if step.type.ends_block:
        raise ModificationRefused(path, f"a step of type {step.type.name} ends the walk and has no output to be said")
    keys = [block.key for block in step.blocks]
    if keys and not (isinstance(output, Mapping) and output.get("key", "") in (None, *keys)):
        told = ", ".join(f'"{key}"' for key in keys)
        raise ModificationRefused(path, f'must say which branch is taken: {{"key": ...}} with one of {told}, or null')


def _require_object(value: Any, path: str) -> None:
    if not isinstance(value, Mapping):
        raise ModificationRefused(path, "must be an object")
