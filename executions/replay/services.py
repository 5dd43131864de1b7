"""Replaying a run: a new execution that begins with what the original recorded, and leaves the original as it is.

From a step on: outcomes of steps before it, in the order of the document, stand (`reused`); it and what follows are run
again. A step inside iterates is replayed for their records, or for some of them; then the run ends with the iterate.
Iterates that are begun anew go over the records of the original's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from executions import events, modifications
from executions.engine import sql
from executions.engine.iterate import forgetting
from executions.interventions import note
from executions.models import Execution, ExecutionCount, TriggerType
from executions.modifications import Modifications
from executions.nudge import nudge_on_commit
from executions.refusals import ModificationRefused, NothingToReplay, ReplayRefused, StepUnknown
from executions.replay import copying
from executions.replay.copying import Keeping
from executions.states import STEP_SETTLED, FrameStatus
from records.patterns import like
from workflows.definition.compile import compile_plan
from workflows.definition.plan import Plan, StepPlan
from workflows.models import WorkflowVersion

# Frames on the way to the step, from the root down; those below an open one are left to the original.
# Index frame_by_parent.
FIND = f"""
WITH RECURSIVE down AS (
    SELECT f.id, NULL::bigint AS parent, 0 AS depth, f.status,
        %(names)s::text IS NULL AND %(ids)s::text[] IS NULL AS named
    FROM execution_frames f WHERE f.execution_id = %(original)s AND f.parent_id IS NULL
    UNION ALL
    SELECT f.id, d.id, d.depth + 1, f.status, d.named OR coalesce(
        r.record_id LIKE %(names)s OR r.record_id = ANY (%(ids)s), false)
    FROM down d
    CROSS JOIN LATERAL ({sql.BEGUN_IN.format(frame="d.id", alias="(%(path)s::text[])[d.depth + 1]")}) begun
    JOIN execution_frames f ON f.parent_id = begun.id AND f.alias = (%(path)s::text[])[d.depth + 1]
    LEFT JOIN workflow_records r ON r.id = f.record_id
    WHERE (d.depth = 0 OR d.status NOT IN ('ready', 'running', 'waiting')) AND d.depth < %(depth)s
        AND NOT (%(skip_completed)s AND f.status = 'complete' AND d.depth + 1 = %(depth)s)
)
INSERT INTO copied_frames (origin, parent, depth, mode)
SELECT id, parent, depth, CASE
    WHEN depth > 0 AND status IN ('ready', 'running', 'waiting') THEN 'open' ELSE 'walk' END
FROM down WHERE NOT (%(partial)s AND depth = %(depth)s)
    OR (named AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s)))
"""  # noqa: S608 - made of constants
WALKED = """
SELECT EXISTS (SELECT 1 FROM copied_frames WHERE mode = 'walk' AND (NOT %(partial)s OR depth = %(depth)s))
"""
# Frames around records of which none is chosen, from the innermost out.
LEAVE_EMPTY = """
DELETE FROM copied_frames p WHERE depth = %s AND NOT EXISTS (SELECT 1 FROM copied_frames c WHERE c.parent = p.origin)
"""
# Iterates that walked the chosen records, by how deep they are.
ITERATES_OF = """
SELECT DISTINCT f.alias FROM execution_frames f LEFT JOIN workflow_records r ON r.id = f.record_id
WHERE f.execution_id = %(original)s AND f.parent_id IS NOT NULL
    AND (%(statuses)s::text[] IS NULL OR f.status = ANY (%(statuses)s))
    AND ((%(names)s::text IS NULL AND %(ids)s::text[] IS NULL)
        OR r.record_id LIKE %(names)s OR r.record_id = ANY (%(ids)s))
"""
# How often each step happened in frames that would be walked again, without what stands.
# Index journal_one_row_per_attempt.
WOULD_HAPPEN = f"""
WITH RECURSIVE scope AS (
    SELECT c.origin AS id, f.alias, c.mode, c.at_step FROM copied_frames c JOIN execution_frames f ON f.id = c.origin
    WHERE c.mode = 'walk' OR (c.mode = 'wait' AND NOT %(partial)s)
    UNION ALL
    SELECT f.id, f.alias, 'below', '' FROM scope s
    JOIN unnest(%(insides)s::text[], %(iterates)s::text[]) AS i (inside, alias) ON i.inside = s.alias
    CROSS JOIN LATERAL ({sql.BEGUN_IN.format(frame="s.id", alias="i.alias")}) begun
    JOIN execution_frames f ON f.parent_id = begun.id AND f.alias = i.alias
    WHERE s.mode <> 'wait' AND NOT (%(skip_completed)s AND f.status = 'complete') AND i.alias <> ALL (
        CASE s.mode WHEN 'walk' THEN %(kept)s::text[] ELSE '{{}}' END)
), happened AS (
    SELECT j.alias, count(DISTINCT j.frame_id) AS times FROM scope s JOIN execution_steps j ON j.frame_id = s.id
    WHERE j.status IN ('complete', 'reused', 'overridden', 'interrupted') AND j.alias <> s.at_step
        AND (s.mode = 'below' OR j.alias <> ALL (
            CASE s.mode WHEN 'walk' THEN %(kept)s::text[] ELSE %(kept_around)s::text[] END))
    GROUP BY j.alias
)
SELECT 'step', alias, times FROM happened
UNION ALL
SELECT 'frame', alias, count(*) FROM scope GROUP BY alias
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records of the original: ids, a pattern of ids (`email_*`), how they ended there. Empty: the whole run."""

    records: Sequence[str] = ()
    pattern: str = ""
    statuses: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.records or self.pattern or self.statuses)

    def parameters(self) -> dict[str, Any]:
        return {
            "ids": list(self.records) or None,
            "names": like(self.pattern) if self.pattern else None,
            "statuses": list(self.statuses) or None,
        }


FAILED = Choice(statuses=(FrameStatus.FAILED,))


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be replayed. step: from which one; "" from the beginning. version: another than the original's.

    skip_completed: records that the original completed are left out. dry: effects are answered from its recordings.
    """

    step: str = ""
    chosen: Choice = field(default_factory=Choice)
    skip_completed: bool = False
    version: WorkflowVersion | None = None
    changes: Modifications = field(default_factory=Modifications)
    dry: bool = False


@dataclass(frozen=True, slots=True)
class StepPreview:
    """What a replay means for a step.

    reused: outcomes that stand. again: how often it happened before and would once more. at_most: how often it may run.
    effect: the side-effect class; `makes_records`: it would make or merge records. overridden: its output is given.
    """

    step: str
    reused: int
    again: int
    at_most: int
    effect: str
    makes_records: bool
    overridden: bool

    @property
    def repeats_effect(self) -> bool:
        return bool(self.again) and not self.overridden and (self.effect in REPEATED or self.makes_records)


REPEATED = ("idempotent", "keyed", "once")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a replay would do, as numbers. records: frames walked again, by iterate. left_open: the original is not done
    with them. effects_again: how often an outside effect would happen that happened before; none in a dry one."""

    version: int | None
    records: Mapping[str, int]
    left_open: int
    steps: list[StepPreview]
    dry: bool

    @property
    def effects_again(self) -> int:
        return 0 if self.dry else sum(step.again for step in self.steps if step.repeats_effect)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where the replay begins: the iterates around it, outermost first, and what stands before it."""

    plan: Plan
    path: tuple[str, ...]
    keeping: Keeping
    partial: bool


def preview(original: Execution, request: Request) -> Preview:
    """Return what the replay would reuse, run, and do again; nothing is written. Raises what `replay` raises."""
    with transaction.atomic():
        request, cut = _prepared(original, request)
        with connection.cursor() as cursor:
            kept, frames = copying.counted(cursor, cut.keeping)
            cursor.execute(WOULD_HAPPEN, _parameters(original, request, cut) | cut.keeping.parameters)
            counts = {(kind, alias): count for kind, alias, count in cursor.fetchall()}
        transaction.set_rollback(True)
    steps = [_step_preview(step, cut.plan, kept, counts, request) for step in cut.plan.steps.values()]
    walked = {alias: count for (kind, alias), count in counts.items() if kind == "frame" and alias}
    left_open = sum(count for (mode, _), count in frames.items() if mode == "open")
    version = (request.version or original.version).number
    return Preview(version, walked, left_open, [step for step in steps if step.reused or step.at_most], request.dry)


def replay(original: Execution, request: Request, *, user: Any = None, reason: str = "") -> Execution:
    """Start the replay and return the new execution.

    Raises StepUnknown, NothingToReplay, ModificationRefused, RecordNotInRun, and ReplayRefused with every reason:
    another version lost the step, or one before it whose outcome is reused.
    """
    with transaction.atomic():
        request, cut = _prepared(original, request)
        execution = _create(original, request, cut, user)
        modifications.apply(execution, request.changes, user=user, reason=reason)
        copying.copy(execution, cut.keeping, copy_temporary=True)
        note(execution, user, "replayed", reason, _written(request))
        nudge_on_commit(execution.pk)
    events.execution_changed(original.number)
    return execution


def steps_before(plan: Plan, alias: str) -> list[str]:
    """Return the steps that come before one in the document, without the iterates around it."""
    around = set(path_to(plan, alias))
    before: list[str] = []
    for step in plan.steps:
        if step == alias:
            break
        if step not in around:
            before.append(step)
    return before


def path_to(plan: Plan, alias: str) -> tuple[str, ...]:
    """Return the iterates around a step, outermost first."""
    around: list[str] = []
    parent = plan.steps[alias].parent_alias
    while parent is not None:
        step = plan.steps[parent]
        around = [parent, *around] if step.iterate is not None else around
        parent = step.parent_alias
    return tuple(around)


def _prepared(original: Execution, request: Request) -> tuple[Request, _Cut]:
    """Check what is asked and choose the frames, into the table of the transaction."""
    request = _completed(original, request)
    cut = _cut(original, request)
    with connection.cursor() as cursor:
        copying.begin(cursor)
        cursor.execute(FIND, _parameters(original, request, cut))
        for depth in range(len(cut.path) - 1, 0, -1) if cut.partial else ():
            cursor.execute(LEAVE_EMPTY, (depth,))
        cursor.execute(WALKED, _parameters(original, request, cut))
        if not cursor.fetchone()[0]:
            raise NothingToReplay(original.number, "none of its records is meant, or it is still working on them")
    return request, cut


def _completed(original: Execution, request: Request) -> Request:
    """What was dry stays dry, for its records are copies; and a dry replay changes inputs and outputs alone."""
    dry = request.dry or bool(original.overrides.get("dry"))
    if dry and (request.changes.records or request.changes.variables):
        raise ModificationRefused("records", "a dry replay works on copies; change inputs and outputs of steps instead")
    return Request(request.step, request.chosen, request.skip_completed, request.version, request.changes, dry)


def _cut(original: Execution, request: Request) -> _Cut:
    before, plan = compile_plan(original.version), compile_plan(request.version or original.version)
    step, path = request.step, tuple[str, ...]()
    if not step and request.chosen:
        iterate = _iterate_of(original, request.chosen, before)
        step = before.steps[iterate].blocks[0].steps[0].alias
    if step:
        if step not in before.steps:
            raise StepUnknown(step, f"The version of execution #{original.number}", sorted(before.steps))
        path = path_to(before, step)
        _check_version(original, before, plan, step, path)
        if request.chosen and not path:
            reason = f"step {step} runs once for the whole run, so no records can be chosen for it"
            raise ReplayRefused(original.number, [reason])
    kept = [alias for alias in steps_before(before, step) if alias in plan.steps] if step else []
    if step and request.version:
        later = set(plan.steps) - set(steps_before(plan, step))
        kept = [alias for alias in kept if alias not in later]
    partial = bool(request.chosen)
    forget = {alias: forgetting(each.blocks[0], kept) for alias, each in plan.steps.items() if each.iterate is not None}
    return _Cut(plan, path, Keeping(kept, list(plan.steps) if partial else kept, forget, request.dry), partial)


def _iterate_of(original: Execution, chosen: Choice, plan: Plan) -> str:
    """The outermost iterate that walked the chosen records; raises when there is none, or several side by side."""
    with connection.cursor() as cursor:
        cursor.execute(ITERATES_OF, {"original": original.pk, **chosen.parameters()})
        found = [alias for (alias,) in cursor.fetchall()]
    if not found:
        raise NothingToReplay(original.number, "none of its records is meant")
    depths: dict[str, int] = {alias: len(path_to(plan, alias)) for alias in found}
    outermost = [alias for alias in sorted(depths) if depths[alias] == min(depths.values())]
    if len(outermost) > 1:
        told = " and ".join(outermost)
        raise ReplayRefused(original.number, [f"its records were walked by {told}; say from which step"])
    return outermost[0]


def _check_version(original: Execution, before: Plan, plan: Plan, step: str, path: tuple[str, ...]) -> None:
    if plan is before:
        return
    reasons = []
    if step not in plan.steps:
        reasons.append(f"the other version has lost step {step}")
    elif path_to(plan, step) != path:
        there = " in ".join(reversed(path_to(plan, step))) or "the top level"
        reasons.append(
            f"step {step} is inside {' in '.join(reversed(path)) or 'the top level'}, in the other version {there}"
        )
    reused = _ran(original) & set(steps_before(before, step))
    reasons += [reason for alias in before.steps if alias in reused for reason in _lost(before.steps[alias], plan)]
    if reasons:
        raise ReplayRefused(original.number, reasons)


def _lost(step: StepPlan, plan: Plan) -> list[str]:
    """Why the step's outcomes could not be reused in the other version."""
    other = plan.steps.get(step.alias)
    if other is None:
        return [f"the other version has lost step {step.alias}, whose outcome is reused"]
    if other.type.name != step.type.name:
        return [f"step {step.alias}, whose outcome is reused, is of type {other.type.name} in the other version"]
    if missing := {block.key for block in step.blocks} - {block.key for block in other.blocks}:
        return [f"step {step.alias}, whose outcome is reused, has lost its branch {', '.join(sorted(missing))}"]
    return []


def _ran(original: Execution) -> set[str]:
    rows = ExecutionCount.objects.filter(execution=original, kind="step", status__in=STEP_SETTLED, count__gt=0)
    return set(rows.values_list("alias", flat=True))


def _create(original: Execution, request: Request, cut: _Cut, user: Any) -> Execution:
    said = _said(original, request.changes)
    stop_after = [cut.path[-1]] if cut.partial else original.overrides.get("stop_after", [])
    overrides: dict[str, Any] = {**said, "again": {"skip_completed": request.skip_completed}}
    if stop_after:
        overrides["stop_after"] = list(stop_after)
    if request.dry:
        overrides["dry"] = True
    execution = Execution.objects.create(
        workflow_id=original.workflow_id,
        version=request.version or original.version,
        trigger_type=TriggerType.REPLAY,
        trigger_data=original.trigger_data,
        labels=original.labels,
        replay_of=original,
        started_by=user,
        overrides=overrides,
    )
    execution.refresh_from_db(fields=["number", "created_at"])
    return execution


def _said(original: Execution, changes: Modifications) -> dict[str, Any]:
    """What is said of steps; records by their ids, for copies have other keys. Raises RecordNotInRun."""
    named = {record_id for said in changes.steps.values() for record_id in said.get("records", {})}
    if named:
        modifications.keys_of(original, sorted(named))
    return {"steps": {alias: dict(said) for alias, said in changes.steps.items()}} if changes.steps else {}


def _parameters(original: Execution, request: Request, cut: _Cut) -> dict[str, Any]:
    iterates = [step.alias for step in cut.plan.steps.values() if step.iterate is not None]
    return {
        "insides": [(path_to(cut.plan, alias) or ("",))[-1] for alias in iterates],
        "iterates": iterates,
        "original": original.pk,
        "path": list(cut.path),
        "depth": len(cut.path),
        "partial": cut.partial,
        "skip_completed": request.skip_completed,
        **request.chosen.parameters(),
    }


def _written(request: Request) -> dict[str, Any]:
    """What was asked for, as the intervention keeps it."""
    chosen = {"records": request.chosen.records, "pattern": request.chosen.pattern, "statuses": request.chosen.statuses}
    asked = {"step": request.step, "dry": request.dry, "skip_completed": request.skip_completed}
    narrowed = {
        key: value if isinstance(value, str) else list(map(str, value)) for key, value in chosen.items() if value
    }
    return {**{key: value for key, value in asked.items() if value}, **narrowed, "changes": request.changes.written()}


def _step_preview(
    step: StepPlan, plan: Plan, kept: Mapping[str, int], counts: Mapping[tuple[str, str], int], request: Request
) -> StepPreview:
    around = path_to(plan, step.alias)
    frames = counts.get(("frame", around[-1] if around else ""), 0)
    reused = kept.get(step.alias, 0)
    return StepPreview(
        step=step.alias,
        reused=reused,
        again=counts.get(("step", step.alias), 0),
        at_most=max(0, frames - reused),
        effect=str(step.type.effect),
        makes_records=step.create is not None,
        overridden="output" in request.changes.steps.get(step.alias, {}).get("all", {}),
    )
