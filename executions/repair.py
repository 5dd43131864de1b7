"""Putting failed records right: deciding about steps that may have happened, editing and going on, alone or alike.

Records go on as in `executions.retry`: in the same run while their iterate is open, else in a new one that repeats
nothing. What a person changes of a step lets the steps after it run again, but for those that touch the outside: what
they did stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.postgres.functions import TransactionNow
from django.db import connection, transaction

from connectors.effects import Effect
from director import jsontools
from executions import modifications, overrides
from executions.errors import NothingToRetry
from executions.interventions import note
from executions.models import Execution, ExecutionFrame, ExecutionStep
from executions.refusals import ModificationRefused, NotInterrupted, StepUnknown
from executions.replay.services import Request, replay
from executions.retry import Retried, go_on, retry_failed
from executions.states import EXECUTION_TERMINAL, StepStatus
from records.causes import cause_key
from records.changes import Changes
from records.history import Origin
from records.models import ChangeSource, WorkflowRecord
from records.patches import parse_path, set_at
from workflows.definition.compile import compile_plan
from workflows.definition.plan import Plan, StepPlan

AGAIN, DONE = "again", "done"
DECISIONS = (AGAIN, DONE)

# Failed records of the run by what made them fail, alike messages still apart. Index frame_by_status.
FAILED_BY = """
SELECT f.at_step, coalesce(f.error ->> 'code', ''), left(f.error ->> 'message', 300),
    array_agg(f.record_id ORDER BY f.id)
FROM execution_frames f JOIN workflow_records r ON r.id = f.record_id
WHERE f.execution_id = %s AND f.status = 'failed' AND r.status = 'failed' AND r.frame_id IS NULL
GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A step that may have happened: what to look up. input: what it was about to do; the key the service was given.

    frame: the walk in which it stands.
    """

    frame: int
    step: str
    input: Any
    started_at: Any
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Repair:
    """edit: values by path of the record's data. steps: {alias: {"input": {...}} or {"output": ...}}.

    source: by what way the person said it.
    """

    edit: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    source: ChangeSource = ChangeSource.API


@dataclass(frozen=True, slots=True)
class GroupRetried:
    """remaining: how many of the group have not been retried yet."""

    retried: Retried
    remaining: int


def interrupted(execution: Execution, record_id: str | None) -> Interrupted:
    """Return the step at which the record (None: the run itself) was interrupted, for a person to look up.

    Raises RecordNotInRun, NotInterrupted.
    """
    frame = _failed_frame(execution, record_id)
    row = ExecutionStep.objects.filter(frame=frame, alias=frame.at_step).order_by("-attempt").first()
    if row is None or row.status != StepStatus.INTERRUPTED:
        raise NotInterrupted(frame.at_step or "of the record", row.status if row else frame.status)
    return Interrupted(frame.pk, row.alias, row.input, row.started_at, f"{execution.pk}:{frame.pk}:{row.alias}")


def decide(
    execution: Execution,
    step: str,
    decision: str,
    *,
    records: Sequence[str] = (),
    output: Any = None,
    user: Any = None,
    reason: str = "",
) -> Retried:
    """Go on past a step at which records failed: treat it as done with this output, or do it again.

    records: ids, none for a step of the run itself. Raises RecordNotInRun, NotInterrupted when the step is not where
    they failed, ModificationRefused for an output that the step cannot have.
    """
    said = {"output": output} if decision == DONE else {}
    plan = compile_plan(execution.version)
    if step not in plan.steps:
        raise StepUnknown(step, f"The version of execution #{execution.number}", sorted(plan.steps))
    if not records:
        if _failed_frame(execution, None).at_step != step:
            raise NotInterrupted(step, "not where the run failed")
        return _decide_of_run(execution, step, said, user, reason)
    _check_failed_at(execution, step, records)
    repaired = Repair(steps={step: said} if said else {})
    told = {"step": step, "decision": decision, "records": list(records), **said}
    return _go_on(execution, list(records), repaired, user, reason, kind="decided", told=told)


def repair(
    execution: Execution, records: Sequence[str], repaired: Repair, *, user: Any = None, reason: str = ""
) -> Retried:
    """Edit failed records, or inputs and outputs of their steps, and let them go on from there.

    Raises RecordNotInRun, NothingToRetry when none of them is failed, ModificationRefused, StepUnknown, and what the
    data service refuses of an edit.
    """
    told = {"records": list(records), "edit": dict(repaired.edit), "steps": dict(repaired.steps)}
    return _go_on(execution, list(records), repaired, user, reason, kind="repaired", told=told)


def alike(execution: Execution, record_id: str) -> list[str]:
    """Return the ids of the records that failed as this one did: same step, code and message but for its values."""
    frame = _failed_frame(execution, record_id)
    error = frame.error or {}
    key = cause_key(frame.at_step, error.get("code") or "", (error.get("message") or "")[:300])
    return _names(members(execution, key))


def members(execution: Execution, cause: str) -> list[UUID]:
    """Return the keys of the failed records of a group (`Cause.key`), in the order of the run. One query."""
    with connection.cursor() as cursor:
        cursor.execute(FAILED_BY, (execution.pk,))
        groups = [keys for step, code, text, keys in cursor.fetchall() if cause_key(step, code, text or "") == cause]
    return [key for keys in groups for key in keys]


def retry_group(
    execution: Execution, cause: str, *, first: int | None = None, user: Any = None, reason: str = ""
) -> GroupRetried:
    """Retry the records of a group: the first few to see whether it helps, or all that are left when None.

    Raises NothingToRetry when none is failed any more.
    """
    left = members(execution, cause)
    if not left:
        raise NothingToRetry(f"The group {cause} of execution #{execution.number}")
    chosen = left[:first]
    retried = retry_failed(execution, user=user, records=chosen, reason=reason, cause=cause)
    return GroupRetried(retried, len(left) - len(chosen))


def _go_on(
    execution: Execution,
    records: list[str],
    repaired: Repair,
    user: Any,
    reason: str,
    *,
    kind: str,
    told: dict[str, Any],
) -> Retried:
    plan = compile_plan(execution.version)
    modifications.read({"steps": repaired.steps}, plan, f"The version of execution #{execution.number}")
    with transaction.atomic():
        keys = list(modifications.keys_of(execution, records).values())
        _edit(execution, keys, repaired, user, reason)
        said: dict[str, Any] = {}
        for alias, one in repaired.steps.items():
            said = overrides.merged(said, overrides.for_records(alias, [str(key) for key in keys], one))
        rerun = [alias for step in repaired.steps for alias in rerun_from(plan, step)]
        retried = go_on(
            execution, user=user, records=keys, repeat_interrupted=True, overrides=said, rerun=sorted(set(rerun))
        )
        for run in retried.executions:
            note(run, user, kind, reason, told, at=TransactionNow())
    return retried


def _check_failed_at(execution: Execution, step: str, records: Sequence[str]) -> None:
    """Raise NotInterrupted for the first record that did not fail at the step. Two queries."""
    keys = modifications.keys_of(execution, list(records))
    failed = ExecutionFrame.objects.filter(execution=execution, status="failed", record__in=keys.values())
    at = dict(failed.order_by("id").values_list("record_id", "at_step"))
    for record_id, key in keys.items():
        if at.get(key) != step:
            raise NotInterrupted(step, f"not where {record_id} failed")


def _edit(execution: Execution, keys: Sequence[UUID], repaired: Repair, user: Any, reason: str) -> None:
    """Edit all of the records or, raising what the first of them refuses, none. Two queries."""
    if not repaired.edit:
        return
    jsontools.dumps(repaired.edit)
    origin = Origin(repaired.source, actor_id=getattr(user, "pk", None), reason=reason)
    operations = [set_at(parse_path(path), value) for path, value in repaired.edit.items()]
    outcomes = Changes(execution.workflow_id, origin).patch(keys, operations)
    if len(outcomes) < len(set(keys)):
        raise ModificationRefused("edit", "elements of an array are no records of the workflow; change a step instead")
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error


def rerun_from(plan: Plan, alias: str) -> list[str]:
    """Return the step and those after it in its walk that are run again when it is changed: all but effects and waits."""
    later = walked_with(plan, alias)
    return [alias, *(one for one in later[later.index(alias) + 1 :] if _may_rerun(plan.steps[one]))]


def walked_with(plan: Plan, alias: str) -> list[str]:
    """Return the steps that are walked in the same frame as this one, itself among them, in the order of the document."""
    around = _iterate_around(plan, alias)
    return [one for one in plan.steps if _iterate_around(plan, one) == around]


def _iterate_around(plan: Plan, alias: str) -> str | None:
    """The iterate whose frames walk the step, None for the root."""
    parent = plan.steps[alias].parent_alias
    while parent is not None and plan.steps[parent].iterate is None:
        parent = plan.steps[parent].parent_alias
    return parent


def _may_rerun(step: StepPlan) -> bool:
    touches = step.type.effect not in (Effect.PURE, Effect.READ) or step.create is not None
    return not touches and not step.type.suspends  # nobody waits or is asked a second time


def _decide_of_run(execution: Execution, step: str, said: dict[str, Any], user: Any, reason: str) -> Retried:
    """A step of the run itself: the run is over by it, so a replay goes on from there."""
    if execution.status not in EXECUTION_TERMINAL:
        raise ModificationRefused(f"steps.{step}", "say for which `records`; the run itself has not failed")
    given = {"steps": {step: said}} if said else {}
    plan = compile_plan(execution.version)
    changes = modifications.read(given, plan, f"The version of execution #{execution.number}")
    return Retried(0, (replay(execution, Request(step, changes=changes), user=user, reason=reason),))


def _failed_frame(execution: Execution, record_id: str | None) -> ExecutionFrame:
    frames = ExecutionFrame.objects.filter(execution=execution, status="failed").order_by("-id")
    if record_id is None:
        found = frames.filter(parent=None).first()
    else:
        key = modifications.keys_of(execution, [record_id])[record_id]
        found = frames.filter(record=key).first()
    if found is None:
        raise NotInterrupted("of " + (record_id or "the run"), "not failed")
    return found


def _names(keys: list[UUID]) -> list[str]:
    names = dict(WorkflowRecord.objects.filter(pk__in=keys).values_list("pk", "record_id"))
    return [names[key] for key in keys if key in names]
