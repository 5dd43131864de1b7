"""Running workflows in a test: publish a definition, make records, walk the execution to its rest in this process."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model

import tests.rig.step_types  # noqa: F401 - registers the test suite's step types
from executions.engine import slice as engine_slice
from executions.engine import sweep
from executions.engine.database import connect
from executions.models import Execution, ExecutionStep, TriggerType
from executions.services import start_execution
from executions.states import EXECUTION_TERMINAL
from records.models import WorkflowRecord
from workflows.models import Workflow
from workflows.services import import_workflow

MAX_ROUNDS = 200


def publish(definition: str) -> Workflow:
    owner, _ = get_user_model().objects.get_or_create(username="owner")
    return import_workflow(definition, owner=owner).workflow


def email(workflow: Workflow, number: int, **fields: Any) -> WorkflowRecord:
    data = {"fields": {"subject": f"Message {number}", **fields}, "vars": {}, "targets": {}}
    return WorkflowRecord.objects.create(
        workflow=workflow, record_id=f"email_{number:03}", record_type="email", data=data
    )


def start(workflow: Workflow, **options: Any) -> Execution:
    return start_execution(workflow, trigger_type=TriggerType.MANUAL, **options).execution


def drive(execution: Execution, *, until: frozenset[str] = EXECUTION_TERMINAL) -> Execution:
    """Walk slices as workers would until the execution is over or nothing moves any more."""
    for _ in range(MAX_ROUNDS):
        outcome = engine_slice.run(execution.pk)
        execution.refresh_from_db()
        if execution.status in until:
            return execution
        if not outcome.walked and execution.status in ("waiting", "paused"):
            return execution
    pytest.fail(f"{execution} is still {execution.status} after {MAX_ROUNDS} slices")


def run(definition: str | Workflow, **options: Any) -> Execution:
    workflow = definition if isinstance(definition, Workflow) else publish(definition)
    return drive(start(workflow, **options))


def wake_all(execution: Execution) -> None:
    """Let the time of every timer of the execution come."""
    execution.frames.filter(wake_at__isnull=False).update(wake_at="2020-01-01T00:00:00Z")
    with connect(application_name="test") as session:
        sweep.wake_timers(session)


def statuses(workflow: Workflow) -> dict[str, str]:
    return dict(workflow.records.filter(execution_id=None).order_by("record_id").values_list("record_id", "status"))


def outputs(execution: Execution, alias: str) -> list[Any]:
    rows = ExecutionStep.objects.filter(execution=execution, alias=alias, status="complete")
    return list(rows.order_by("frame_id").values_list("output", flat=True))


def journal(execution: Execution) -> list[tuple[str, int, str]]:
    rows = ExecutionStep.objects.filter(execution=execution).order_by("frame_id", "id")
    return list(rows.values_list("alias", "attempt", "status"))
