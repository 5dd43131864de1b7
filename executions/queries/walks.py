"""The walks of one record, and what the journal has of them: rows are found by the frames that walked the record."""

from __future__ import annotations

from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject

from executions.models import Execution, ExecutionFrame, ExecutionStep
from executions.queries.actions import with_actions
from executions.queries.secrets import with_outside
from executions.refusals import NotWalked
from executions.states import EXECUTION_TERMINAL, FRAME_OPEN
from records.models import WorkflowRecord
from workflows.models import WorkflowStep

LAST = 2**62  # behind every key
RUNS_SHOWN = 20
WALKS = 500  # whose rows are read at once


def runs_of(record: WorkflowRecord) -> list[ExecutionFrame]:
    """Return the newest walks of the record with their executions and what people did about the record in these.

    One query, on index frame_by_record.
    """
    frames = ExecutionFrame.objects.filter(record=record).select_related("execution", "execution__version")
    return list(with_outside(with_actions(frames, record)).order_by("-pk")[:RUNS_SHOWN])


def walking(record: WorkflowRecord) -> ExecutionFrame:
    """Return the open walk of the record in a run that is not over, with its execution; raises NotWalked. One query."""
    frames = ExecutionFrame.objects.filter(record=record, status__in=FRAME_OPEN)
    open_runs = frames.exclude(execution__status__in=EXECUTION_TERMINAL).select_related("execution__workflow")
    found = open_runs.order_by("-pk").first()
    if found is None:
        raise NotWalked(record.record_id)
    return found


def journal_of(record: WorkflowRecord, before: int = LAST) -> QuerySet[ExecutionStep]:
    """Return the journal of the record's newest WALKS walks with frames below `before`, newest row first.

    By the key of the rows, not of the frames: an older walk may have newer rows, as it was retried in place. The order
    is by an expression, as the planner would else walk the primary key of the whole journal. Indexes frame_by_record,
    journal_one_row_per_attempt.
    Each row has its `execution`; `defined` {"name", "type", "options"}, its step in the version that was run, None when
    there is none; and `older`: see `older_walks`.
    """
    frames = _frames(record, before)
    steps = WorkflowStep.objects.filter(version=OuterRef("execution__version"), alias=OuterRef("alias"))
    defined = Subquery(steps.order_by().values(said=JSONObject(name="name", type="type", options="options")))
    rows = ExecutionStep.objects.filter(frame__in=frames[:WALKS]).select_related("execution")
    rows = rows.annotate(place=F("pk") + 0, older=Subquery(frames[WALKS - 1 : WALKS]), defined=defined)
    return rows.order_by("-place")


def storing(record: WorkflowRecord) -> QuerySet[WorkflowStep, str]:
    """Return the aliases of steps, of any version of the workflow, that store their output on records; for a filter."""
    steps = WorkflowStep.objects.filter(version__workflow=record.workflow_id, options__store_to_record=True)
    return steps.values_list("alias", flat=True)


def of_record(execution: Execution, record_id: str) -> dict[str, Any]:
    """Return what rows of the execution's journal are narrowed to one record by. Index frame_by_record."""
    walked = {"frame__record__workflow": execution.workflow_id, "frame__record__record_id": record_id}
    return {"frame__execution": execution, **walked}


def older_walks(record: WorkflowRecord, before: int = LAST) -> int | None:
    """Return the frame below which there may be walks that `journal_of` leaves out; None: it has them all. One query."""
    return next(iter(_frames(record, before)[WALKS - 1 : WALKS]), None)


def _frames(record: WorkflowRecord, before: int) -> QuerySet[ExecutionFrame, int]:
    return ExecutionFrame.objects.filter(record=record, pk__lt=before).order_by("-pk").values_list("pk", flat=True)
