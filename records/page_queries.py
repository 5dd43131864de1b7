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

# The first rows of each workflow in the wanted order, merged. The inner order names the whole key of the index, so that
# the planner cannot take another one and read on and on for the few that match.
LIST = """
SELECT r.id, r.workflow_id, r.record_id, r.record_type, {title}, r.status, r.error_message, r.iteration_node_alias,
    r.retry_count, r.updated_at
FROM (
    SELECT l.* FROM unnest(%(workflows)s::uuid[]) AS w (id) CROSS JOIN LATERAL (
        SELECT * FROM workflow_records
        WHERE execution_id IS NULL AND {conditions}
        ORDER BY {inner_order} LIMIT %(limit)s
    ) l ORDER BY {order} LIMIT %(limit)s
) r ORDER BY {order}
"""

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
    """Return the newest failed records of the workflow with one of these messages. Index record_by_status."""
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


@dataclass(frozen=True, slots=True)
class Order:
    """In which order the list is, and what of a row is the key that a page begins after.

    columns: with their directions; the key's columns are the same. range: the condition that keeps to the index; inner:
    the order by its whole key.
    """

    columns: tuple[tuple[str, str], ...]
    kinds: tuple[type, ...]
    range: str
    inner: tuple[tuple[str, str], ...]


# Indexes record_by_update; record_id_unique; record_by_status; record_by_type.
BY_CHANGE = Order(
    (("updated_at", "DESC"), ("id", "ASC")), (str, str), "workflow_id = w.id", (("updated_at", "DESC"), ("id", "ASC"))
)
BY_ID = Order(
    (("record_id", "ASC"), ("id", "ASC")),
    (str, str),
    "workflow_id = w.id AND record_id LIKE %(text)s",
    (("record_id", "ASC"), ("id", "ASC")),
)
BY_STATUS = Order(
    (("id", "DESC"),),
    (str,),
    "(workflow_id, status, id) > (w.id, %(status)s, %(first)s)"
    " AND (workflow_id, status, id) < (w.id, %(status)s, %(last)s)",
    (("workflow_id", "DESC"), ("status", "DESC"), ("id", "DESC")),
)
BY_TYPE = Order(
    (("id", "DESC"),),
    (str,),
    "(workflow_id, record_type, id) > (w.id, %(type)s, %(first)s)"
    " AND (workflow_id, record_type, id) < (w.id, %(type)s, %(last)s)",
    (("workflow_id", "DESC"), ("record_type", "DESC"), ("id", "DESC")),
)
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
TURNED = {"ASC": "DESC", "DESC": "ASC"}


def records_page(narrow: RecordFilter, cursor: str = "", *, total: int | None = None) -> paging.Page[RecordRow]:
    """Return a page of records: by id when an id is looked for, else the newest first; unfiltered by the last change.

    One query, two with a cause.
    """
    order = _order(narrow)
    at = paging.parse(cursor, order.kinds)
    values = _values(narrow, at)
    backwards = bool(at and at.backwards)
    statement = LIST.format(
        title=TITLE_SQL.format(data="r.data"),
        conditions=" AND ".join([order.range, *_conditions(narrow, order), *_beyond(order, at, values)]),
        inner_order=_sorted(order.inner, backwards=backwards),
        order=_sorted(order.columns, backwards=backwards),
    )
    rows = [RecordRow(*row) for row in _fetch(statement, values)]
    return paging.page_of(rows, at, lambda row: _key(row, order), size=PAGE_SIZE, total=total)


def _order(narrow: RecordFilter) -> Order:
    if narrow.text:
        return BY_ID
    if narrow.status or narrow.cause:
        return BY_STATUS
    return BY_TYPE if narrow.type else BY_CHANGE


def _values(narrow: RecordFilter, at: paging.Cursor | None) -> dict[str, Any]:
    return {
        "workflows": list(narrow.workflows),
        "limit": PAGE_SIZE + 1,
        "status": RecordStatus.FAILED if narrow.cause else narrow.status,
        "type": narrow.type,
        "text": f"{_escaped(narrow.text)}%",
        "messages": messages_of(narrow.workflows, narrow.cause) if narrow.cause else [],
        "first": FIRST,
        "last": LAST,
    }


def _conditions(narrow: RecordFilter, order: Order) -> list[str]:
    """What the index's range does not hold already."""
    conditions = []
    if narrow.status and order is not BY_STATUS:
        conditions.append("status = %(status)s")
    if narrow.type and order is not BY_TYPE:
        conditions.append("record_type = %(type)s")
    if narrow.cause:
        conditions.append("left(error_message, 300) = ANY(%(messages)s)")
    return conditions


def _beyond(order: Order, at: paging.Cursor | None, values: dict[str, Any]) -> list[str]:
    """The condition that begins the page after the cursor's key; a range over an index is narrowed instead."""
    if at is None:
        return []
    if order in (BY_STATUS, BY_TYPE):
        values["first" if at.backwards else "last"] = UUID(str(at.key[0]))
        return []
    values["key"], values["key_id"] = at.key
    (column, direction), _ = order.columns
    after, then = (">", ">") if direction == "ASC" else ("<", ">")
    if at.backwards:
        after, then = ("<" if after == ">" else ">"), "<"
    cast = "::timestamptz" if order is BY_CHANGE else ""
    return [f"({column} {after} %(key)s{cast} OR {column} = %(key)s{cast} AND id {then} %(key_id)s::uuid)"]


def _sorted(columns: tuple[tuple[str, str], ...], *, backwards: bool) -> str:
    return ", ".join(f"{column} {TURNED[direction] if backwards else direction}" for column, direction in columns)


def _key(row: RecordRow, order: Order) -> paging.Key:
    values = (getattr(row, column) for column, _ in order.columns)
    return [value.isoformat() if isinstance(value, datetime) else str(value) for value in values]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _fetch(statement: str, values: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
