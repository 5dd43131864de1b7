"""What people do to runs while they go on, kept: who, when, why, and what exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.postgres.functions import TransactionNow

from executions.models import Execution, ExecutionIntervention


def note(execution: Execution, user: Any, kind: str, reason: str, changes: Mapping[str, Any]) -> None:
    """Keep who did what to the run, and why; its time is that of the transaction, by which frames refer to it."""
    ExecutionIntervention.objects.create(
        execution=execution, user=user, kind=kind, reason=reason, changes=dict(changes), at=TransactionNow()
    )
