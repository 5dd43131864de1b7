"""Words for asking about workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet

if TYPE_CHECKING:
    from workflows.models import Workflow  # noqa: F401 - named in quotes below


class WorkflowQuerySet(QuerySet["Workflow"]):
    def visible_to(self, user: Any) -> WorkflowQuerySet:
        """Workflows the user owns or shares; a superuser sees all, an anonymous user none."""
        if not user.is_authenticated:
            return self.none()
        if user.is_superuser:
            return self
        shared = self.model.collaborators.through.objects.filter(user=user).values("workflow")
        return self.filter(Q(owner=user) | Q(pk__in=shared))
