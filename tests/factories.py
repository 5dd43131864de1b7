"""Rows for tests: `make_user()`, `make_workflow()`, `make_record()`; say what matters, the rest is sensible."""

from collections import Counter
from typing import Any
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.utils import timezone

from executions.models import Execution, ExecutionCount, ExecutionFrame, ExecutionStep, TriggerType
from executions.states import EXECUTION_TERMINAL, FRAME_TERMINAL, ExecutionStatus
from records import search
from records.models import RecordSearch, WorkflowRecord
from workflows.models import Workflow


def make_user(name: str | None = None, **over: Any) -> Any:
    """Return a user; without a password (hashing one takes its time) unless given."""
    name = name or f"user{uuid4().hex[:12]}"
    return get_user_model().objects.create_user(**{"username": name, "email": f"{name}@example.com", **over})


def make_workflow(owner: Any = None, **over: Any) -> Workflow:
    """Return a workflow without versions; its owner is a new user unless given."""
    key = uuid4().hex[:12]
    values = {"name": f"Inbox triage {key}", "slug": f"inbox-triage-{key}", **over}
    return Workflow.objects.create(owner=owner or make_user(), **values)


def make_record(
    workflow: Workflow | None = None, *, fields: Any = None, vars: Any = None, **over: Any
) -> WorkflowRecord:
    """Return a record as a row, without the service: for tests that need one in a certain state."""
    key = uuid4().hex[:12]
    values = {
        "record_id": f"email_{key}",
        "record_type": "email",
        "data": {"fields": fields or {"subject": f"Subject {key}"}, "vars": vars or {}, "targets": {}},
        **over,
    }
    record = WorkflowRecord.objects.create(workflow=workflow or make_workflow(), **values)
    words = search.document_of(record.record_id, record.data["fields"])
    RecordSearch.objects.create(workflow_id=record.workflow_id, record=record, created_by="api", document=words)
    record.refresh_from_db()
    return record


def make_execution(workflow: Workflow, **over: Any) -> Execution:
    """Return an execution of the workflow's newest version, with the frame of its top level; running unless said."""
    now = timezone.now()
    values = {
        "version": workflow.versions.first(),
        "trigger_type": TriggerType.MANUAL,
        "status": ExecutionStatus.RUNNING,
        "started_at": now,
        **over,
    }
    values.setdefault("finished_at", now if values["status"] in EXECUTION_TERMINAL else None)
    execution = Execution.objects.create(workflow=workflow, **values)
    execution.refresh_from_db()
    make_frame(execution, status="waiting", waiting_for="children")
    return execution


def make_frame(execution: Execution, record: WorkflowRecord | None = None, **over: Any) -> ExecutionFrame:
    """Return a frame: of the top level without a record, else of the record in `alias`, below the execution's first."""
    root = execution.frames.order_by("pk").first()
    status = over.get("status", "complete")
    now = timezone.now()
    values = {
        "parent": root,
        "record": record,
        "status": status,
        "started_at": None if status == "ready" else now,
        "finished_at": now if status in FRAME_TERMINAL else None,
        "walked": status != "ready",
        "slice_id": 1 if status == "running" else None,
        **over,
    }
    return ExecutionFrame.objects.create(execution=execution, **values)


def make_journal_row(frame: ExecutionFrame, alias: str, **over: Any) -> ExecutionStep:
    """Return the journal row of a step in the frame: complete and quick unless said."""
    values = {"status": "complete", "output": "done", "started_at": timezone.now(), "duration_ms": 1.5, **over}
    return ExecutionStep.objects.create(
        execution=frame.execution, frame=frame, record=frame.record, alias=alias, **values
    )


def keep_counts(execution: Execution) -> None:
    """Write the execution's counts as its journal would have kept them."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for alias, status in execution.frames.exclude(alias="").values_list("alias", "status"):
        counts["frame", alias, "total"] += 1
        if status in FRAME_TERMINAL or status == "waiting":
            counts["frame", alias, status] += 1
    counts.update(("step", alias, status) for alias, status in execution.steps.values_list("alias", "status"))
    ExecutionCount.objects.filter(execution=execution).delete()
    ExecutionCount.objects.bulk_create(
        ExecutionCount(
            execution=execution, kind=kind, alias=alias, status=status, shard=0, count=count, duration_ms=count
        )
        for (kind, alias, status), count in counts.items()
    )
