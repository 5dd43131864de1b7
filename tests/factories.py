"""Rows for tests: `make_user()`, `make_workflow()`, `make_record()`; say what matters, the rest is sensible."""

from typing import Any
from uuid import uuid4

from django.contrib.auth import get_user_model

from records.models import WorkflowRecord
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
    record.refresh_from_db()
    return record
