"""Read models of the record pages; quick with a million records: nothing here counts or sorts all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Sum
from django.http import Http404

from director import paging
from records.causes import Cause, cause_key, grouped
from records.models import RecordCount, WorkflowRecord
from records.states import RecordStatus
from records.titles import TITLE_SQL
from workflows.models import Workflow

PAGE_SIZE = 50
CAUSES_LIMIT = 2_000  # newest failures that are looked at for their causes
WORKFLOWS_LIMIT = 200  # a list over all workflows reads the first of each and merges them

# Newest first in each workflow, merged. Indexes record_by_update, record_by_status, record_by_type, and of record ids.
LIST = """
SELECT r.id, r.workflow_id, r.record_id, r.record_type, {title}, r.status, r.error_message, r.iteration_node_alias,
    r.retry_count, r.updated_at
FROM (
    SELECT l.* FROM unnest(%(workflows)s::uuid[]) AS w (id) CROSS JOIN LATERAL (
        SELECT * FROM workflow_records
        WHERE workflow_id = w.id AND execution_id IS NULL {conditions}
        ORDER BY {order} LIMIT %(limit)s
    ) l ORDER BY {order} LIMIT %(limit)s
) r ORDER BY {order}
"""

# The newest failures of each workflow. Index record_by_status.
CAUSES = """
SELECT l.workflow_id, l.iteration_node_alias, l.error_message, count(*), max(l.updated_at)
FROM unnest(%(workflows)s::uuid[]) AS w (id) CROSS JOIN LATERAL (
    SELECT workflow_id, iteration_node_alias, left(error_message, 300) AS error_message, updated_at FROM workflow_records
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


def failed_records(user: Any) -> int:
    """Return how many records need the user. One query."""
    visible = Workflow.objects.all().visible_to(user).values("pk")
    counts = RecordCount.objects.filter(workflow__in=visible, status=RecordStatus.FAILED)
    return counts.aggregate(failed=Sum("count"))["failed"] or 0


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
    """Return the newest failed records of the workflow with one of these messages. One query, on index record_by_status."""
    statement = """
    SELECT id FROM workflow_records
    WHERE workflow_id = %(workflow)s AND status = 'failed' AND left(error_message, 300) = ANY(%(messages)s)
        AND execution_id IS NULL ORDER BY id DESC LIMIT %(limit)s
    """
    values = {"workflow": workflow, "messages": list(messages), "limit": CAUSES_LIMIT}
    return [row[0] for row in _fetch(statement, values)]


def _failures(workflows: Sequence[UUID]) -> list[Any]:
    return _fetch(CAUSES, {"workflows": list(workflows), "limit": CAUSES_LIMIT})


def _coded(rows: Any) -> Any:
    """A record keeps no code with its message; the grouping wants the place for one."""
    return ((step, "", message, count, latest) for step, message, count, latest in rows)


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """What the list is narrowed to. text: the beginning of a record id. cause: the key of a cause."""

    workflows: Sequence[UUID]
    status: str = ""
    type: str = ""
    text: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class RecordRow:
    id: UUID
    workflow_id: UUID
    record_id: str
    record_type: str
    title: str
    status: str
    error_message: str
    iterate: str
    retry_count: int
    updated_at: datetime


def records_page(narrow: RecordFilter, cursor: str = "", *, total: int | None = None) -> paging.Page[RecordRow]:
    """Return a page of records. Unfiltered by the last change, else in the order of discovery; newest first.

    One query, two with a cause.
    """
    by_change = not (narrow.status or narrow.type or narrow.text or narrow.cause)
    at = paging.parse(cursor, (str, str) if by_change else (str,))
    backwards = bool(at and at.backwards)
    values: dict[str, Any] = {"workflows": list(narrow.workflows), "limit": PAGE_SIZE + 1}
    conditions = _conditions(narrow, values) + _beyond(at, values, by_change=by_change)
    directions = ("ASC", "DESC") if backwards else ("DESC", "ASC")
    order = f"updated_at {directions[0]}, id {directions[1]}" if by_change else f"id {directions[0]}"
    statement = LIST.format(title=TITLE_SQL.format(data="r.data"), conditions=conditions, order=order)
    rows = [RecordRow(*row) for row in _fetch(statement, values)]
    return paging.page_of(rows, at, lambda row: _key(row, by_change=by_change), size=PAGE_SIZE, total=total)


def _conditions(narrow: RecordFilter, values: dict[str, Any]) -> str:
    conditions = ""
    if narrow.status:
        values["status"], conditions = narrow.status, conditions + " AND status = %(status)s"
    if narrow.type:
        values["type"], conditions = narrow.type, conditions + " AND record_type = %(type)s"
    if narrow.text:
        values["text"], conditions = f"{_escaped(narrow.text)}%", conditions + " AND record_id LIKE %(text)s"
    if narrow.cause:
        values["messages"] = messages_of(narrow.workflows, narrow.cause)
        conditions += " AND status = 'failed' AND left(error_message, 300) = ANY(%(messages)s)"
    return conditions


def _beyond(at: paging.Cursor | None, values: dict[str, Any], *, by_change: bool) -> str:
    """The condition that begins the page at the cursor."""
    if at is None:
        return ""
    newer, later = (">", "<") if at.backwards else ("<", ">")
    if not by_change:
        values["key"] = at.key[0]
        return f" AND id {newer} %(key)s::uuid"
    values["at"], values["key"] = at.key
    return f" AND (updated_at {newer} %(at)s::timestamptz OR updated_at = %(at)s::timestamptz AND id {later} %(key)s::uuid)"


def _key(row: RecordRow, *, by_change: bool) -> paging.Key:
    return [row.updated_at.isoformat(), str(row.id)] if by_change else [str(row.id)]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _fetch(statement: str, values: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
