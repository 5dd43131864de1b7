"""Why records failed, alike failures together, and what became of those of a group that were retried first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from director import jsontools
from executions.errors import StepInterrupted
from executions.models import Execution
from executions.queries import sql
from records.causes import Cause, cause_key, grouped
from records.models import WorkflowRecord
from records.states import RecordStatus

LIMIT = 2_000  # newest failures that are looked at
FIRST = 5  # so many of a group are retried to see whether it helps
UNDER_WAY = (RecordStatus.DISCOVERED, RecordStatus.PROCESSING)


@dataclass(frozen=True, slots=True)
class Tried:
    """Records of a group that were retried first, as they are now: (key, record id, status)."""

    records: list[tuple[UUID, str, str]]

    @property
    def is_seen(self) -> bool:
        """Whether it is known what became of each."""
        return not any(status in UNDER_WAY for _, _, status in self.records)

    @property
    def counts(self) -> list[tuple[str, int]]:
        return Counter(status for _, _, status in self.records).most_common()


@dataclass(slots=True)
class FailureGroup(Cause):
    """Records of a run that failed alike. left: how many are failed still. sample: key and id of the first of these."""

    left: int = 0
    sample: tuple[UUID, str] | None = None
    tried: Tried | None = None

    @property
    def is_interrupted(self) -> bool:
        """Its step may have happened, so a person decides about it instead of retrying."""
        return self.code == StepInterrupted.code

    @property
    def wants_first(self) -> bool:
        """Whether it is worth while to try a few first."""
        return self.left > FIRST and self.tried is None


def causes_of(execution: Execution) -> list[FailureGroup]:
    """Return the failures of the run's records by cause, the largest group first. One query, three once one was retried."""
    with connection.cursor() as cursor:
        cursor.execute(sql.CAUSES, {"execution": execution.pk, "limit": LIMIT})
        rows = cursor.fetchall()
    groups = [FailureGroup(**asdict(cause)) for cause in grouped(row[:5] for row in rows)]
    by_key = {group.key: group for group in groups}
    for step, code, message, _, _, left, key, name in rows:
        group = by_key[cause_key(step, code or "", message or "")]
        group.left += left
        if group.sample is None and key is not None:
            group.sample = key, name
    parameters = {"execution": execution.pk, "causes": list(by_key)}
    for cause, tried in _tried(
        Q(execution_id=None) | Q(execution_id=execution.pk), execution.workflow_id, sql.TRIED, parameters
    ).items():
        by_key[cause].tried = tried
    return groups


def tried_of_workflow(workflow: UUID, cause: str) -> Tried | None:
    """Return what became of those of a workflow's group (`records.page_queries.failure_causes`) that were retried last."""
    return _tried(Q(execution_id=None), workflow, sql.TRIED_IN_WORKFLOW, {"workflow": workflow, "causes": [cause]}).get(
        cause
    )


def _tried(whose: Q, workflow: UUID, statement: str, parameters: Mapping[str, Any]) -> dict[str, Tried]:
    """By group, where what was retried last was few enough to be named. Two queries."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        named = {cause: jsontools.loads(names) for cause, names in cursor.fetchall() if names}
    if not named:
        return {}
    ids = {name for names in named.values() for name in names}
    rows = WorkflowRecord.objects.filter(whose, workflow=workflow, record_id__in=ids)
    found = {name: (key, name, status) for key, name, status in rows.values_list("pk", "record_id", "status")}
    return {cause: Tried([found[name] for name in names if name in found]) for cause, names in named.items()}
