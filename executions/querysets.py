"""Words for asking about executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from executions.states import EXECUTION_TERMINAL
from workflows.models import Workflow

if TYPE_CHECKING:
    from executions.models import Execution  # noqa: F401 - named in the base class


class ExecutionQuerySet(QuerySet["Execution"]):
    def visible_to(self, user: Any) -> ExecutionQuerySet:
        """Executions of the workflows the user may see."""
        return self.filter(workflow__in=Workflow.objects.all().visible_to(user).values("pk"))

    def unfinished(self) -> ExecutionQuerySet:
        return self.exclude(status__in=EXECUTION_TERMINAL)
