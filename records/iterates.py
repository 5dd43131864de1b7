"""Which iterates of a workflow read a variable, and the variables that an iterate leaves behind.

What an iterate keeps for itself lies under `@iter:<alias>:`; once a variable that it reads is set anew, that is stale.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q

from records.models import WorkflowVariable
from workflows.errors import ExpressionInvalid
from workflows.expressions import compile_template
from workflows.models import VersionStatus, WorkflowStep, WorkflowVersion

PREFIX = "@iter:"
READING = ("over", "over_records", "where", "limit")  # keys of an iterate's config that decide what it goes over


def clean_stale(workflow_id: UUID, key: str) -> int:
    """Delete what the iterates that read the variable keep for themselves; return how much. At most two queries."""
    aliases = [] if key.startswith(PREFIX) else iterates_reading(workflow_id, key)
    if not aliases:
        return 0
    stale = Q()
    for alias in aliases:
        stale |= Q(key=f"{PREFIX}{alias}") | Q(key__startswith=f"{PREFIX}{alias}:")
    return WorkflowVariable.objects.filter(stale, workflow_id=workflow_id).delete()[0]


def iterates_reading(workflow_id: UUID, key: str) -> list[str]:
    """Return the aliases of the iterates, in the draft and in the newest published version, that read the variable."""
    versions = WorkflowVersion.objects.filter(workflow_id=workflow_id)
    newest = versions.filter(status=VersionStatus.PUBLISHED).order_by("-number").values("pk")[:1]
    steps = WorkflowStep.objects.filter(type="iterate", version__workflow_id=workflow_id).filter(
        Q(version__status=VersionStatus.DRAFT) | Q(version__in=newest)
    )
    return sorted({alias for alias, config in steps.values_list("alias", "config") if key in names_read(config)})


def names_read(config: dict[str, Any]) -> set[str]:
    """Return the names that decide what an iterate goes over; none of a template that cannot be read."""
    names: set[str] = set()
    for place in READING:
        try:
            names |= compile_template(config.get(place), place).names
        except ExpressionInvalid:
            continue
    return names
