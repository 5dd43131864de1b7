"""Changes of variables by people and by the API, kept with what was before and after; secrets are kept masked.

What steps set is in their journal (`executions.queries.variables` shows both as one story).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from director.jsontools import loads
from records.history import Origin
from records.masking import MASK
from records.models import ChangeKind, VariableChange, WorkflowVariable


def change_of(
    kind: ChangeKind,
    after: WorkflowVariable | None,
    before: WorkflowVariable | None,
    origin: Origin,
    reason: str | None = None,
) -> VariableChange:
    """Return the change, to be saved. after None: the variable is gone; before None: it is new."""
    row = after or before
    assert row is not None
    secret = any(one is not None and one.is_sensitive for one in (after, before))
    return VariableChange(
        workflow_id=row.workflow_id,
        execution_id=row.execution_id,
        key=row.key,
        kind=kind,
        source=origin.source,
        actor_id=origin.actor_id,
        reason=reason or origin.reason,
        before=_kept(before, secret=secret),
        after=_kept(after, secret=secret),
    )


def with_value(row: WorkflowVariable, value: Any) -> WorkflowVariable:
    """Return the variable as it was when it had this value."""
    return WorkflowVariable(key=row.key, value=value, sensitive=row.sensitive)


def before_growing(row: WorkflowVariable, by: Any) -> WorkflowVariable | None:
    """Return the variable as it was before something was added to it; None when it is new."""
    value: Any = row.value
    if row.revision == 1:
        return None
    if isinstance(value, list):
        return with_value(row, value[:-1])
    return with_value(row, loads(str(Decimal(str(value)) - Decimal(str(by)))))


def _kept(row: WorkflowVariable | None, *, secret: bool) -> Any:
    if row is None:
        return None
    return MASK if secret else row.shown
