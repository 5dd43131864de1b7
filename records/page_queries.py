"""Read models of the record pages; quick with a million records: nothing here counts or sorts all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet, Sum
from django.http import Http404

from records.causes import Cause, cause_key, grouped
from records.models import RecordCount, WorkflowRecord
from records.states import RecordStatus
from workflows.models import Workflow

CAUSES_LIMIT = 2_000  # newest failures that are looked at for their causes
WORKFLOWS_LIMIT = 200  # a list over all workflows reads the first of each and merges them

# The newest failures of each workflow. Index record_by_status.
CAUSES = """
SELECT l.workflow_id, l.iteration_node_alias, l.error_message, count(*), max(l.updated_at)
FROM unnest(%(workflows)s::uuid[]) AS w (id) CROSS JOIN LATERAL (
    SELECT workflow_id, iteration_node_alias, left(error_message, 300) AS error_message, updated_at
    FROM workflow_records
    WHERE workflow_id = w.id AND status = 'failed' AND execution_id IS NULL ORDER BY id DESC LIMIT %(limit)s
) l GROUP BY 1, 2, 3
"""


def workflow_ids(user: Any) -> list[UUID]:
    """Return the workflows the user may see, up to WORKFLOWS_LIMIT. One query."""
    return list(Workflow.objects.all().visible_to(user).values_list("pk", flat=True)[:WORKFLOWS_LIMIT])


def get_record_for(user: Any, pk: UUID) -> WorkflowRecord:
    """Return the record the user may see, with its workflow; raises Http404, also for a stranger's."""
    records = WorkflowRecord.objects.select_related("workflow")
    record = records.filter(workflow__in=Workflow.objects.all().visible_to(user).values("pk"), pk=pk).first()
    if record is None:
        raise Http404("There is no such record, or you may not see it.")
    return record


def failed_records(user: Any) -> QuerySet[Any, Any]:
    """Return a row with how many records need the user, for a query of several counts; no row when none was ever."""
    visible = Workflow.objects.all().visible_to(user).values("pk")
    counts = RecordCount.objects.filter(workflow__in=visible, status=RecordStatus.FAILED)
    return counts.order_by().values("status").annotate(failed=Sum("count")).values("failed")


def failed_of_each(workflows: Sequence[UUID]) -> dict[UUID, int]:
    """Return the failed records of each workflow that has any. One query."""
    counts = RecordCount.objects.filter(workflow__in=workflows, status=RecordStatus.FAILED)
    sums = counts.values_list("workflow_id").annotate(Sum("count"))
    return {workflow: failed for workflow, failed in sums if failed}


def counts_by_type(workflows: Sequence[UUID]) -> dict[str, dict[str, int]]:
    """Return the records by type and status. One query."""
    counts = RecordCount.objects.filter(workflow__in=workflows)
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for record_type, status, count in counts.values_list("record_type", "status").annotate(Sum("count")):
        if count:
            found[record_type][status] = count
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class WorkflowCause:
    """Records of one workflow that failed alike."""

    workflow_id: UUID
    cause: Cause


def failure_causes(workflows: Sequence[UUID], limit: int | None = None) -> list[WorkflowCause]:
    """Return why records failed, by workflow and cause, the largest group first. One query."""
    failures = defaultdict(list)
    for workflow, *failure in _failures(workflows):
        failures[workflow].append(failure)
    causes = [WorkflowCause(workflow, cause) for workflow, rows in failures.items() for cause in grouped(_coded(rows))]
    return sorted(causes, key=lambda one: -one.cause.count)[:limit]


def messages_of(workflows: Sequence[UUID], key: str) -> list[str]:
    """Return the messages, word for word, of the failures whose cause has this key. One query."""
    rows = _coded(row[1:] for row in _failures(workflows))
    return [message for step, code, message, *_ in rows if cause_key(step, code, message) == key]


def records_failed_with(workflow: UUID, messages: Sequence[str]) -> list[UUID]:
    """Return the newest failed records of the workflow with one of these messages. Index record_by_status."""
    statement = """
    SELECT id FROM workflow_records
    WHERE workflow_id = %(workflow)s AND status = 'failed' AND left(error_message, 300) = ANY(%(messages)s)
        AND execution_id IS NULL ORDER BY id DESC LIMIT %(limit)s
    """
    values = {"workflow": workflow, "messages": list(messages), "limit": CAUSES_LIMIT}
    return [row[0] for row in _fetch(statement, values)]


def chosen_records(workflows: Sequence[UUID], keys: Sequence[str]) -> dict[UUID, list[str]]:
    """Return the ids of the records with these primary keys, by workflow; what is no key is left out. One query."""
    rows = WorkflowRecord.objects.filter(workflow__in=workflows, pk__in=[key for key in keys if _is_key(key)])
    found: dict[UUID, list[str]] = defaultdict(list)
    for workflow, record_id in rows.values_list("workflow_id", "record_id"):
        found[workflow].append(record_id)
    return dict(found)


def _is_key(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _failures(workflows: Sequence[UUID]) -> list[Any]:
    return _fetch(CAUSES, {"workflows": list(workflows), "limit": CAUSES_LIMIT})


def _coded(rows: Any) -> Any:
    """A record keeps no code with its message; the grouping wants the place for one."""
    return ((step, "", message, count, latest) for step, message, count, latest in rows)


def _fetch(statement: str, values: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
