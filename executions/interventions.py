"""What people do to runs while they go on, kept: who, when, why, and what exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Func
from django.db.models.functions import Now

from executions.models import Execution, ExecutionIntervention

NOW = Now()


def note(
    execution: Execution, user: Any, kind: str, reason: str, changes: Mapping[str, Any], *, at: Func = NOW
) -> None:
    """Keep who did what to the run, and why. at: TransactionNow() for what frames refer to by that time."""
    ExecutionIntervention.objects.create(
        execution=execution, user=user, kind=kind, reason=reason, changes=dict(changes), at=at
    )
