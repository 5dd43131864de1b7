"""Pausing, resuming, changing, cancelling: what a person wants stands on the run's row and travels with every commit.

Three ways to hold back: the whole run (`control`), every record before a step, and single records (`breakpoints`).
Whatever a person does is kept as an ExecutionIntervention: who, why, and what exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from executions import attention, events, modifications, overrides
from executions.engine import settle
from executions.engine.database import connect
from executions.errors import InvalidTransition
from executions.interventions import note
from executions.models import Control, Execution, ExecutionFrame
from executions.modifications import Modifications
from executions.nudge import nudge_on_commit
from executions.refusals import NothingPaused, NothingToCancel, StepUnknown
from executions.retry import SHIFT
from executions.states import EXECUTION_TERMINAL, FRAME_OPEN
from workflows.definition.compile import compile_plan

STAY, RESUME, CANCEL = "stay", "resume", "cancel"  # what follows when the time of a pause is over
LIMITS = (STAY, RESUME, CANCEL)

# Index frame_by_status. `passes`: it is not held back again where it was.
WAKE_PAUSED = """
UPDATE execution_frames SET status = 'ready', waiting_for = '', passes = at_step
WHERE execution_id = %s AND status = 'waiting' AND waiting_for = 'pause'
    AND (%s::uuid[] IS NULL OR record_id = ANY (%s))
RETURNING alias
"""
# Frames of some records that nobody walks, with all that is open below them. What is being walked stops by itself.
CANCEL_RECORDS = """
WITH RECURSIVE chosen AS (
    SELECT id FROM execution_frames
    WHERE execution_id = %(execution)s AND record_id = ANY (%(records)s) AND status IN ('ready', 'waiting')
    UNION
    SELECT f.id FROM execution_frames f JOIN chosen c ON f.parent_id = c.id WHERE f.status IN ('ready', 'waiting')
), locked AS MATERIALIZED (
    SELECT f.id, f.status FROM execution_frames f JOIN chosen c ON c.id = f.id ORDER BY f.id FOR NO KEY UPDATE OF f
), ended AS (
    UPDATE execution_frames f SET status = 'cancelled', waiting_for = '', wake_at = NULL, finished_at = now()
    FROM locked l WHERE f.id = l.id AND f.status IN ('ready', 'waiting')
    RETURNING f.id, f.alias, f.record_id, l.status AS was
), given_back AS (
    UPDATE workflow_records r SET status = 'discovered', frame_id = NULL, updated_at = now(), revision = r.revision + 1
    FROM ended e WHERE r.id = e.record_id AND r.frame_id = e.id
), withdrawn AS (
    UPDATE human_prompts p SET status = 'withdrawn', answered_at = now()
    FROM ended e WHERE p.frame_id = e.id AND p.status = 'open'
)
SELECT alias, was FROM ended
"""


def pause(
    execution: Execution,
    *,
    user: Any = None,
    reason: str = "",
    steps: Collection[str] = (),
    records: Collection[str] = (),
    lasting: timedelta | None = None,
    then: str = STAY,
) -> Execution:
    """Hold the run back: what is being walked stops at its next step boundary, and nothing more is begun.

    steps: only before these steps, for every record that comes there. records: only these (record ids). lasting: for
    how long; `then` says what follows: stay, resume or cancel. Pausing what is paused adds to it.
    Raises InvalidTransition when the run is over or being cancelled, StepUnknown, RecordNotInRun.
    """
    told = {"steps": sorted(steps), "records": sorted(records)}
    with transaction.atomic():
        locked = _locked(execution, "paused")
        if locked.control == Control.CANCEL:
            raise InvalidTransition(f"Execution #{locked.number}", "being cancelled", "paused")
        if steps or records:
            _add_breakpoints(locked, steps, records)
        else:
            locked.control = Control.PAUSE
        locked.pause_until = timezone.now() + lasting if lasting else None
        locked.pause_then = then if lasting else ""
        limit = {"until": locked.pause_until.isoformat(), "then": then} if locked.pause_until else {}
        locked.save(update_fields=["control", "breakpoints", "pause_until", "pause_then"])
        note(locked, user, "paused", reason, {**{key: value for key, value in told.items() if value}, **limit})
    return _settled(execution)


def resume(
    execution: Execution,
    *,
    user: Any = None,
    reason: str = "",
    records: Collection[str] = (),
    changes: Modifications | None = None,
    keep_breakpoints: bool = False,
) -> Execution:
    """Let what is paused go on where it stopped, with what was changed meanwhile.

    records: only these go on (record ids), the others stay. keep_breakpoints: records that have not come to a named
    step yet still stop before it; else every breakpoint goes.
    Raises NothingPaused, RecordNotInRun, and what `executions.modifications` refuses.
    """
    with transaction.atomic():
        locked = _locked(execution, "resumed")
        if locked.control != Control.PAUSE and not _has_paused(locked):
            raise NothingPaused(locked.number, locked.status)
        keys = set(modifications.keys_of(locked, sorted(records)).values()) if records else None
        _let_go(locked, keys, keep_breakpoints=keep_breakpoints)
        if changes:
            _change(locked, changes, user, reason)
        locked.save(update_fields=["control", "breakpoints", "overrides", "pause_until", "pause_then"])
        Execution.objects.filter(pk=locked.pk, status="paused").update(status="running")
        _wake_paused(locked, keys)
        note(locked, user, "resumed", reason, _told(records, changes))
        nudge_on_commit(locked.pk)
    return _announced(execution)


def clear(execution: Execution, steps: Collection[str], *, user: Any = None, reason: str = "") -> Execution:
    """Hold no more records back before these steps; those that are held there stay until they are resumed.

    Raises InvalidTransition when the run is over. Steps that nothing is held before are left as they are.
    """
    with transaction.atomic():
        locked = _locked(execution, "changed")
        named = set(locked.breakpoints.get("steps", ()))
        if cleared := sorted(named & set(steps)):
            locked.breakpoints["steps"] = sorted(named - set(cleared))
            if not locked.breakpoints["steps"]:
                del locked.breakpoints["steps"]
            locked.save(update_fields=["breakpoints"])
            note(locked, user, "cleared", reason, {"steps": cleared})
    return _announced(execution)


def change(execution: Execution, changes: Modifications, *, user: Any = None, reason: str = "") -> Execution:
    """Change inputs, outputs, records or variables of a run that is not over; in force from the next boundary on."""
    with transaction.atomic():
        locked = _locked(execution, "changed")
        _change(locked, changes, user, reason)
        locked.save(update_fields=["breakpoints", "overrides"])
        note(locked, user, "changed", reason, changes.written())
    return _announced(execution)


def cancel(execution: Execution, *, user: Any = None, reason: str = "", records: Collection[str] = ()) -> Execution:
    """End the run, or only its work on some records (record ids).

    What waits is cancelled, what is being walked stops at its next step boundary.

    Records that were not done become discovered again; `executions.queries.outcome` tells what was done.
    Raises InvalidTransition when the run is over, RecordNotInRun, NothingToCancel.
    """
    with transaction.atomic():
        locked = _locked(execution, "cancelled")
        if records:
            _cancel_records(locked, sorted(records))
        else:
            locked.control, locked.pause_until, locked.pause_then = Control.CANCEL, None, ""
            locked.save(update_fields=["control", "pause_until", "pause_then"])
        note(locked, user, "cancelled", reason, {"records": sorted(records)} if records else {})
        if records:
            nudge_on_commit(locked.pk)
    return _settled(execution)


def end_pauses() -> int:
    """Do what was to follow the pauses whose time is over; return how many they were. Index execution_open."""
    due = Execution.objects.exclude(status__in=EXECUTION_TERMINAL).filter(**_time_is_over())
    return sum(_end_pause(execution) for execution in due)


def _time_is_over() -> dict[str, Any]:
    return {"pause_until__lte": timezone.now(), "pause_then__in": (RESUME, CANCEL)}


@transaction.atomic
def _end_pause(execution: Execution) -> bool:
    """Resume or cancel as was said; False when somebody was first: the run is over, goes on, or was paused anew."""
    due = Execution.objects.select_for_update(no_key=True).filter(pk=execution.pk, **_time_is_over()).first()
    if due is None or due.status in EXECUTION_TERMINAL:
        return False
    then = cancel if due.pause_then == CANCEL else resume
    try:
        then(due, reason="The time of the pause is over.")
    except NothingPaused:  # every breakpoint was cleared
        Execution.objects.filter(pk=due.pk).update(pause_until=None, pause_then="")
    return True


def _locked(execution: Execution, wanted: str) -> Execution:
    locked = Execution.objects.select_for_update(no_key=True).get(pk=execution.pk)
    if locked.status in EXECUTION_TERMINAL:
        raise InvalidTransition(f"Execution #{locked.number}", locked.status, wanted)
    return locked


def _add_breakpoints(execution: Execution, steps: Collection[str], records: Collection[str]) -> None:
    known = compile_plan(execution.version).steps
    for alias in steps:
        if alias not in known:
            raise StepUnknown(alias, f"Version {execution.version.number or 'draft'}", sorted(known))
    keys = modifications.keys_of(execution, sorted(records)).values()
    _extend(execution, "steps", steps)
    _extend(execution, "records", map(str, keys))


def _extend(execution: Execution, kind: str, more: Any) -> None:
    points = {*execution.breakpoints.get(kind, ()), *more}
    if points:
        execution.breakpoints[kind] = sorted(points)


def _let_go(execution: Execution, keys: set[UUID] | None, *, keep_breakpoints: bool) -> None:
    """Take away what holds the records back; of a run that is paused as a whole only they go on."""
    points = execution.breakpoints
    if keys is None:
        kept = ("changes", "cancelled", *(["steps"] if keep_breakpoints else []))
        execution.breakpoints = {kind: points[kind] for kind in kept if kind in points}
        execution.pause_until, execution.pause_then = None, ""
    else:
        names = {str(key) for key in keys}
        points["records"] = [name for name in points.get("records", ()) if name not in names]
        if execution.control == Control.PAUSE or "only" in points:
            _allow_only(execution, names)
    execution.control = Control.NONE


def _allow_only(execution: Execution, names: set[str]) -> None:
    frames = ExecutionFrame.objects.filter(execution=execution, record__in=[UUID(name) for name in names])
    only = execution.breakpoints.setdefault("only", {})
    for alias in sorted(set(frames.values_list("alias", flat=True))):
        only[alias] = sorted({*only.get(alias, ()), *names})


def _change(execution: Execution, changes: Modifications, user: Any, reason: str) -> None:
    said = modifications.overrides_of(execution, changes)
    if said:
        execution.overrides = overrides.merged(execution.overrides, said)
    # Walkers that began before take it in as news: they stop at their next step boundary and let others go on.
    execution.breakpoints["changes"] = execution.breakpoints.get("changes", 0) + 1
    modifications.apply(execution, changes, user=user, reason=reason)


def _cancel_records(execution: Execution, records: list[str]) -> None:
    keys = list(modifications.keys_of(execution, records).values())
    open_frames = ExecutionFrame.objects.filter(execution=execution, record__in=keys, status__in=FRAME_OPEN)
    if not open_frames.exists():
        raise NothingToCancel(execution.number, records)
    _extend(execution, "cancelled", map(str, keys))
    execution.save(update_fields=["breakpoints"])
    with connection.cursor() as cursor:
        cursor.execute(CANCEL_RECORDS, {"execution": execution.pk, "records": keys})
        ended = Counter(cursor.fetchall())
        for (alias, was), count in sorted(ended.items()):
            cursor.execute(SHIFT, (execution.pk, "frame", alias, "cancelled", count))
            if was == "waiting":
                cursor.execute(SHIFT, (execution.pk, "frame", alias, "waiting", -count))


def _has_paused(execution: Execution) -> bool:
    held = ExecutionFrame.objects.filter(execution=execution, status="waiting", waiting_for="pause")
    return bool(set(execution.breakpoints) & {"steps", "records", "only"}) or held.exists()


def _wake_paused(execution: Execution, keys: set[UUID] | None) -> None:
    records = None if keys is None else list(keys)
    with connection.cursor() as cursor:
        cursor.execute(WAKE_PAUSED, (execution.pk, records, records))
        woken = Counter(alias for (alias,) in cursor.fetchall() if alias)  # the root is no record
        for alias, count in sorted(woken.items()):
            cursor.execute(SHIFT, (execution.pk, "frame", alias, "waiting", -count))


def _told(records: Collection[str], changes: Modifications | None) -> dict[str, Any]:
    told = changes.written() if changes else {}
    return {**told, "only": sorted(records)} if records else told


def _settled(execution: Execution) -> Execution:
    """Bring the run's status in line at once where nothing of it is being walked; after the caller's commit."""
    transaction.on_commit(lambda: _settle(execution))
    return _announced(execution)


def _settle(execution: Execution) -> None:
    with connect(application_name="director control") as session:
        settle.wake(session, execution.pk, compile_plan(execution.version))
        settle.settle(session, execution.pk)


def _announced(execution: Execution) -> Execution:
    transaction.on_commit(lambda: _tell(execution))
    return execution


def _tell(execution: Execution) -> None:
    attention.call(execution.pk)
    execution.refresh_from_db()
    events.execution_changed(execution.number, execution.status)
