"""Shadow replay: what another version would have made of records of the past, judged before it is published.

The last records that the workflow's runs walked are walked again by the version, dry: on copies, effects answered from
what was recorded, variables left alone. The execution's comparison with the past is its report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from director import jsontools
from executions.engine.iterate import forgetting
from executions.errors import ExecutionNotFound, NoRecording
from executions.interventions import note
from executions.models import Execution, TriggerType
from executions.nudge import nudge_on_commit
from executions.refusals import NoDraft, NothingToReplay, ReplayRefused
from executions.replay import copying
from executions.replay.comparison import OUTPUT
from executions.replay.services import path_to, steps_before
from executions.services import get_execution_for
from records import patches
from records.history import difference
from records.secrets import Secrets, secrets_of
from workflows.definition.compile import compile_plan
from workflows.definition.plan import Plan
from workflows.models import VersionStatus, Workflow, WorkflowVersion
from workflows.services import get_version

DEFAULT_LAST = 100
MAX_LAST = 10_000
SAME, DIFFERENT, NEW_ERROR, NO_RECORDING = "same", "different", "new_error", "no_recording"
VERDICTS = (SAME, DIFFERENT, NEW_ERROR, NO_RECORDING)

# The newest walk of each record by an iterate at the top level, in runs that were not dry. Index execution_by_workflow.
LAST_WALKS = """
WITH recent AS (
    SELECT id FROM executions WHERE workflow_id = %(workflow)s AND NOT coalesce((overrides ->> 'dry')::bool, false)
    ORDER BY number DESC LIMIT 1000
), newest AS (
    SELECT DISTINCT ON (f.record_id) f.id, f.alias, f.execution_id
    FROM recent e JOIN execution_frames f ON f.execution_id = e.id
    WHERE f.alias = ANY (%(iterates)s) AND f.status IN ('complete', 'failed', 'skipped') AND f.record_id IS NOT NULL
    ORDER BY f.record_id, f.id DESC
)
SELECT id, alias, execution_id FROM newest ORDER BY id DESC LIMIT %(last)s
"""
ROOT = "SELECT id FROM execution_frames WHERE execution_id = %s AND parent_id IS NULL"
# Last rows of the steps of the walked records themselves, then and now.
_OUTPUTS = f"""
    (SELECT jsonb_object_agg(alias, output) FROM (SELECT DISTINCT ON (alias) alias, {OUTPUT} AS output, status
        FROM execution_steps s WHERE frame_id = {{frame}} ORDER BY alias, attempt DESC) last
    WHERE status NOT IN ('failed', 'skipped', 'interrupted'))
"""  # noqa: S608 - made of constants
WALKS = f"""
SELECT n.id, r.record_id, n.status, n.error, o.status, o.error, {_OUTPUTS.format(frame="o.id")},
    {_OUTPUTS.format(frame="n.id")}, e.version_id, r.data
FROM execution_frames n JOIN execution_frames o ON o.id = n.origin_id JOIN executions e ON e.id = o.execution_id
LEFT JOIN workflow_records r ON r.id = o.record_id
WHERE n.execution_id = %s AND n.alias = %s AND n.id > %s AND n.status IN ('complete', 'failed', 'skipped')
ORDER BY n.id LIMIT %s
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class RecordReport:
    """One record. data: JSON Patch from the vars and targets that it got then to those it would get now.

    steps: the same for the outputs of its steps. error: why it fails now. key: what the next page begins after.
    then and now: what both are made of, masked: {"status", "data": {"vars", "targets"}, "steps": {alias: output}}.
    """

    key: int
    record: str
    verdict: str
    data: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    error: dict[str, Any] | None
    then: Mapping[str, Any]
    now: Mapping[str, Any]

    @property
    def new_error(self) -> dict[str, Any] | None:
        """Why it fails now, unless that is as it was."""
        return self.error if self.verdict in (NEW_ERROR, NO_RECORDING) else None


@dataclass(frozen=True, slots=True)
class Report:
    """How many records there are of each verdict."""

    total: int
    counts: dict[str, int]
    done: bool


def start(
    workflow: Workflow,
    version: WorkflowVersion,
    *,
    last: int = DEFAULT_LAST,
    iterate: str = "",
    user: Any = None,
    reason: str = "",
) -> Execution:
    """Start the shadow replay of the last records and return its execution.

    iterate: one at the version's top level; the first with a past when not said. What the root of the newest of these
    runs recorded stands for all of them. Raises NothingToReplay, ReplayRefused.
    """
    plan = compile_plan(version)
    tops = [alias for alias, step in plan.steps.items() if step.iterate is not None and not path_to(plan, alias)]
    if iterate and iterate not in tops:
        raise ReplayRefused(
            0, [f"{iterate} is no iterate at the top level of the version; there are {', '.join(tops)}"]
        )
    alias, frames, newest = _last_walks(workflow, [iterate] if iterate else tops, min(last, MAX_LAST))
    with transaction.atomic():
        execution = _create(workflow, version, newest, alias, frames, user)
        _copy_root(execution, plan, newest, alias)
        note(execution, user, "replayed", reason, {"shadow": True, "last": len(frames), "iterate": alias})
        nudge_on_commit(execution.pk)
    return execution


def version_called(workflow: Workflow, asked: str) -> WorkflowVersion:
    """Return the version of this number, or the draft for "draft"; raises VersionNotFound, NoDraft."""
    if asked != "draft":
        return get_version(workflow, int(asked) if asked.isdecimal() and len(asked) < 10 else 0)
    draft = workflow.versions.filter(status=VersionStatus.DRAFT).first()
    if draft is None:
        raise NoDraft(workflow.slug)
    return draft


def is_shadow(execution: Execution) -> bool:
    """Return whether the execution is a shadow replay."""
    return bool((execution.overrides.get("again") or {}).get("frames"))


def get_shadow_for(user: Any, reference: str | int) -> Execution:
    """Return the shadow replay of this number or id if the user may see it; raises ExecutionNotFound."""
    execution = get_execution_for(user, reference)
    if not is_shadow(execution):
        raise ExecutionNotFound(f"{reference} that is a shadow replay")
    return execution


def report(execution: Execution) -> Report:
    """Return the report's totals; partial while the replay goes on."""
    counts = dict.fromkeys(VERDICTS, 0)
    for one in each_record(execution):
        counts[one.verdict] += 1
    return Report(sum(counts.values()), counts, execution.finished_at is not None)


def each_record(execution: Execution, *, after: int = 0, size: int = 500) -> Iterator[RecordReport]:
    """Yield the report of every record that is done, in order; memory stays flat."""
    while page := records_page(execution, after=after, size=size):
        yield from page
        after = page[-1].key


def records_found(execution: Execution, verdict: str, *, after: int = 0, size: int = 100) -> list[RecordReport]:
    """Return a page of the report with only the records of one verdict."""
    return list(islice((one for one in each_record(execution, after=after) if one.verdict == verdict), size))


def records_page(execution: Execution, *, after: int = 0, size: int = 100) -> list[RecordReport]:
    """Return a page of the report, record by record. Two queries, and the versions' plans."""
    alias = next(iter(execution.overrides["again"]["frames"]))
    plan = compile_plan(execution.version)
    with connection.cursor() as cursor:
        cursor.execute(WALKS, (execution.pk, alias, after, size))
        rows = cursor.fetchall()
    secrets = secrets_of(execution.workflow_id, execution.trigger_data)
    return [_record(plan, secrets.among(_loaded(data)), *row) for *row, data in rows]


def _record(
    plan: Plan,
    secrets: Secrets,
    frame: int,
    name: str | None,
    status: str,
    error: str | None,
    status_then: str,
    *then_and_now: Any,
) -> RecordReport:
    error_then, outputs_then, outputs_now, version_then = then_and_now
    before = _plan_of(version_then)
    then = secrets.hide(_outcome(before, status_then, outputs_then))
    now = secrets.hide(_outcome(plan, status, outputs_now))
    steps, data = difference(then["steps"], now["steps"]), difference(then["data"], now["data"])
    failed = _loaded(error)
    verdict = DIFFERENT if steps or data or status != status_then else SAME
    if status == "failed" and failed.get("code") == NoRecording.code:
        verdict = NO_RECORDING
    elif status == "failed" and (status_then != "failed" or _cause(failed) != _cause(_loaded(error_then))):
        verdict = NEW_ERROR
    return RecordReport(frame, name or "?", verdict, data, steps, secrets.hide(failed) or None, then, now)


def _outcome(plan: Plan, status: str, json: str | None) -> dict[str, Any]:
    """How the record ended and what its steps stored and gave."""
    outputs = _loaded(json)
    return {"status": status, "data": _stored(plan, outputs), "steps": _told(outputs)}


def _loaded(json: str | None) -> dict[str, Any]:
    loaded: dict[str, Any] | None = jsontools.loads(json) if json else None
    return loaded or {}


@lru_cache(maxsize=100)
def _plan_of(version_id: UUID) -> Plan:
    """The plan of a version that ran; published ones never change."""
    return compile_plan(WorkflowVersion.objects.get(pk=version_id))


def _told(outputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs without moments at which the runs themselves happened."""
    return {alias: output for alias, output in outputs.items() if not _is_moment(output)}


def _is_moment(output: Any) -> bool:
    return isinstance(output, dict) and set(output) == {"until"}


def _stored(plan: Plan, outputs: dict[str, Any]) -> dict[str, Any]:
    """What the steps stored on the record, from their outputs."""
    data: dict[str, Any] = {"vars": {}, "targets": {}}
    for alias, step in plan.steps.items():
        if step.store is not None and alias in outputs:
            data = patches.apply(data, [patches.set_at(step.store, outputs[alias])])
    return data


def _cause(error: dict[str, Any]) -> tuple[Any, Any, Any]:
    return error.get("step"), error.get("code"), error.get("message")


def _last_walks(workflow: Workflow, iterates: list[str], last: int) -> tuple[str, list[int], Execution]:
    with connection.cursor() as cursor:
        for alias in iterates:
            cursor.execute(LAST_WALKS, {"workflow": workflow.pk, "iterates": [alias], "last": last})
            if found := cursor.fetchall():
                return alias, sorted(row[0] for row in found), Execution.objects.get(pk=found[0][2])
    raise NothingToReplay(0, f"no run has walked records in {' or '.join(iterates) or 'an iterate'} yet")


def _create(
    workflow: Workflow, version: WorkflowVersion, newest: Execution, alias: str, frames: list[int], user: Any
) -> Execution:
    execution = Execution.objects.create(
        workflow=workflow,
        version=version,
        trigger_type=TriggerType.REPLAY,
        trigger_data=newest.trigger_data,
        labels=newest.labels,
        replay_of=newest,
        started_by=user,
        overrides={"dry": True, "again": {"frames": {alias: frames}}, "stop_after": [alias]},
    )
    execution.refresh_from_db(fields=["number", "created_at"])
    return execution


def _copy_root(execution: Execution, plan: Plan, newest: Execution, alias: str) -> None:
    """Begin at the root with what the newest run recorded before the iterate."""
    before = compile_plan(newest.version).steps
    kept = [
        one for one in steps_before(plan, alias) if one in before and before[one].type.name == plan.steps[one].type.name
    ]
    with connection.cursor() as cursor:
        cursor.execute(ROOT, (newest.pk,))
        copying.choose(cursor, [row[0] for row in cursor.fetchall()])
    forget = {one: forgetting(step.blocks[0]) for one, step in plan.steps.items() if step.iterate is not None}
    copying.copy(execution, copying.Keeping(kept, kept, forget, dry=True), copy_temporary=True)
