"""What pages say about replays: what one would do, what became of one, and what belongs to a step in the other run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count

from executions.errors import NoRecording
from executions.models import Execution, ExecutionFrame, ExecutionStep
from executions.replay.services import REPEATED, Preview, StepPreview
from executions.states import StepStatus
from workflows.flow import Flow, FlowStep

COUNTERPARTS_SHOWN = 5
REPLAYS_SHOWN = 5
HOW = {"idempotent": "to the same effect as once", "keyed": "under new keys", "once": ""}


@dataclass(frozen=True, slots=True)
class EffectLine:
    """A step that does something outside. again: how often what has happened would happen once more; more: at most so
    often for the first time. verb: what it does to people ("asks"), records ("makes records") or the world ("runs")."""

    step: FlowStep
    again: int
    more: int
    verb: str
    how: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What a replay would do, in the numbers that the panel shows. records: those walked, without what they contain."""

    records: int
    steps: int
    reused: int
    reused_steps: int
    left_open: int
    dry: bool
    lines: list[EffectLine]

    @property
    def again(self) -> list[EffectLine]:
        return [line for line in self.lines if line.again]

    @property
    def first(self) -> list[EffectLine]:
        return [line for line in self.lines if not line.again]


def effect_of(preview: Preview, flow: Flow) -> Effect:
    """Return a preview as people read it. flow: of the version that would run."""
    kept = [step.reused for step in preview.steps if step.reused]
    lines = [_line(step, flow.steps[step.step]) for step in preview.steps if step.at_most and step.step in flow.steps]
    return Effect(
        records=outermost(preview.records, flow),
        steps=sum(1 for step in preview.steps if step.at_most and not flow.steps[step.step].is_iterate),
        reused=sum(kept),
        reused_steps=len(kept),
        left_open=preview.left_open,
        dry=preview.dry,
        lines=[line for line in lines if line is not None],
    )


def outermost(walked: Mapping[str, int], flow: Flow) -> int:
    """Return how many records are walked, by iterate, without those that are walked within others."""
    return sum(count for alias, count in walked.items() if flow.steps[alias].iterate not in walked)


def _line(said: StepPreview, step: FlowStep) -> EffectLine | None:
    asks = step.family == "human"
    if said.overridden or not (asks or said.makes_records or said.effect in REPEATED):
        return None
    verb = "asks" if asks else "makes records" if said.makes_records else "runs"
    return EffectLine(step, said.again, max(0, said.at_most - said.again), verb, HOW.get(said.effect, ""))


# --- what became of one -----------------------------------------------------------------------------------------------


def replays_of(execution: Execution) -> list[Execution]:
    """Return the newest replays of the execution. One query."""
    return list(
        execution.replays.only("number", "status", "replay_of", "overrides").order_by("-number")[:REPLAYS_SHOWN]
    )


def unrecorded(execution: Execution) -> list[tuple[str, int]]:
    """Return (step, how often) of the calls that a dry replay did not make, for none was recorded. One query."""
    rows = ExecutionStep.objects.filter(
        execution=execution, status=StepStatus.FAILED, error__code=NoRecording.code
    ).order_by("alias")
    return list(rows.values_list("alias").annotate(Count("pk")))


# --- the same step in another run -------------------------------------------------------------------------------------


def counterparts_of(step: ExecutionStep) -> list[ExecutionStep]:
    """Return the step's last rows in the run that this one replays and in its newest replays, without their values.

    At most two queries. Index frame_by_origin.
    """
    frames = list(
        ExecutionFrame.objects.filter(origin_id=step.frame_id)
        .order_by("-pk")
        .values_list("pk", flat=True)[:COUNTERPARTS_SHOWN]
    )
    frames += [step.frame.origin_id] if step.frame.origin_id else []
    rows = ExecutionStep.objects.filter(frame__in=frames, alias=step.alias).order_by("frame_id", "-attempt")
    return list(rows.distinct("frame_id").defer("input", "output").select_related("execution")) if frames else []
