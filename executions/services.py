"""Starting executions: the one place in which they are created."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from director import jsontools
from director.given import number_in
from executions.errors import ExecutionNotFound, IdempotencyConflict, NotPublished
from executions.models import Execution, ExecutionFrame
from executions.nudge import nudge_on_commit
from workflows.models import VersionStatus, Workflow, WorkflowVersion


@dataclass(frozen=True, slots=True)
class StartResult:
    """`created` is False when the idempotency key had started this execution before."""

    execution: Execution
    created: bool


def start_execution(
    workflow: Workflow,
    *,
    trigger_type: str,
    version: WorkflowVersion | None = None,
    trigger_data: Any = None,
    labels: dict[str, Any] | None = None,
    user: Any = None,
    idempotency_key: str | None = None,
) -> StartResult:
    """Create an execution with its root frame and tell the workers.

    version: the latest published one when None. trigger_data: any JSON object, `{{ trigger }}` in templates. labels:
    names to strings, for filtering. idempotency_key: per user and workflow; the same key with the same request gives
    the first execution again.
    Raises NotPublished, IdempotencyConflict (same key, other request), ValueInvalid (not storable as JSON).
    """
    # Of what was asked: a request that is repeated after a new version was published is still the same request.
    fingerprint = _fingerprint(version, trigger_data or {}, labels or {})
    version = version or latest_version(workflow)
    fields = {"version": version, "trigger_data": trigger_data or {}, "labels": labels or {}}
    try:
        with transaction.atomic():
            execution = _create(
                workflow,
                trigger_type=trigger_type,
                started_by=user,
                idempotency_key=idempotency_key,
                request_fingerprint=fingerprint,
                **fields,
            )
    except IntegrityError as error:
        before = _started_before(workflow, user, idempotency_key)
        if idempotency_key is None or before is None:
            raise
        if before.request_fingerprint != fingerprint:
            raise IdempotencyConflict(idempotency_key) from error
        return StartResult(before, created=False)
    return StartResult(execution, created=True)


def latest_version(workflow: Workflow) -> WorkflowVersion:
    """Return the published version with the highest number; raises NotPublished."""
    found = workflow.versions.filter(status=VersionStatus.PUBLISHED).order_by("-number").first()
    if found is None:
        raise NotPublished(workflow.name)
    return found


def get_execution_for(user: Any, reference: str | int) -> Execution:
    """Return the execution by number or id if the user may see it; raises ExecutionNotFound."""
    text = str(reference).lstrip("#")
    visible = Execution.objects.all().visible_to(user).select_related("workflow", "version", "started_by")
    number = number_in(text)
    found = visible.filter(pk=_uuid(text)).first() if number is None else visible.filter(number=number).first()
    if found is None:
        raise ExecutionNotFound(reference)
    return found


def _create(workflow: Workflow, **fields: Any) -> Execution:
    execution = Execution.objects.create(workflow=workflow, **fields)
    execution.refresh_from_db(fields=["number", "created_at"])
    ExecutionFrame.objects.create(execution=execution)
    nudge_on_commit(execution.pk)
    return execution


def _fingerprint(version: WorkflowVersion | None, trigger_data: Any, labels: Any) -> str:
    request = {"version": version and version.pk, "trigger": trigger_data, "labels": labels}
    return hashlib.sha256(jsontools.canonical(request)).hexdigest()


def _started_before(workflow: Workflow, user: Any, key: str | None) -> Execution | None:
    return Execution.objects.filter(workflow=workflow, started_by=user, idempotency_key=key).first()


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ExecutionNotFound(text) from None
