"""Everything that a workflow knows: its variables, its records, and what spans both.

data = WorkflowData(workflow, actor=request.user, source=ChangeSource.API, reason="corrected by phone")
data.records.patch("email_022", [set_at(("vars", "category"), "lead")])
data.variables.set("min_confidence", 0.8)
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from records import queries
from records.errors import BucketInvalid
from records.filters import RecordFilter
from records.history import Origin
from records.iterates import PREFIX
from records.models import ChangeSource, WorkflowRecord, WorkflowVariable
from records.patterns import ANY
from records.records import Records
from records.secrets import Secrets, secrets_of_workflow
from records.variables import Variables
from workflows.models import Workflow, WorkflowStep

BUCKETS = ("all", "global", "records")
KINDS = ("all", "variables", "records")
MAX_VARIABLES = 5_000  # given at once
JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


class WorkflowData:
    """The one way to what a workflow knows. actor: the person, None for the system; source: by what way."""

    def __init__(
        self, workflow: Workflow, actor: Any = None, *, source: ChangeSource = ChangeSource.API, reason: str = ""
    ) -> None:
        self.workflow = workflow
        self.origin = Origin(source, actor_id=getattr(actor, "pk", None), reason=reason)
        self.variables = Variables(workflow, self.origin)
        self.records = Records(workflow, self.origin)

    @cached_property
    def secrets(self) -> Secrets:
        """What is not shown of the workflow's data, beside each record's own secrets. One query at most."""
        return secrets_of_workflow(self.workflow)

    def data(
        self, bucket: str = "all", pattern: str = ANY, *, metadata: bool = False, cursor: str = "", size: int = 100
    ) -> dict[str, Any]:
        """Return {"variables": {key: value}, "records": {record id: data}, "next": cursor}, secrets masked.

        bucket: all, global (variables), records, or the id of one record. pattern: of keys and ids. metadata: each
        value is an object with what is known about it (status, type, revision, times, ...). Records come a page at a
        time; `next` is empty after the last. At most 4 queries. Raises BucketInvalid.
        """
        found: dict[str, Any] = {}
        if bucket in ("all", "global") and not cursor:
            rows = self.variables.query(pattern)[:MAX_VARIABLES]
            found["variables"] = {row.key: _variable(row, metadata=metadata) for row in rows}
        if bucket in ("all", "records"):
            narrow = RecordFilter(pattern=pattern)
            page = self.records.query(narrow, order="record_id", cursor=cursor, size=size)
            return {**found, "records": _records(page.rows, self.secrets, metadata=metadata), "next": page.next}
        if bucket != "global":
            found["records"] = _records([self._record(bucket)], self.secrets, metadata=metadata)
        return {**found, "next": ""}

    def stats(self) -> dict[str, Any]:
        """Return how much there is. Three queries.

        {"variables": {"total", "by_type": {"number": 3}, "by_kind": {"node", "iteration", "custom"}, "sensitive"},
         "records": {"total", "by_type": {"email": {"failed": 34, ...}}, "by_status": {"failed": 34}}}
        """
        return {"variables": self._variable_stats(), "records": _record_stats(queries.counts([self.workflow.pk]))}

    def clear(self, kind: str = "all", pattern: str = ANY) -> dict[str, int]:
        """Delete variables, records or both whose key or id fits; return {"variables", "records", "held"}.

        kind: all, variables or records. held: records that a run works on, which stay. At most 5 queries.
        """
        if kind not in KINDS:
            raise BucketInvalid(kind, KINDS)
        variables = self.variables.clear(pattern) if kind != "records" else 0
        records = self.records.clear(pattern) if kind != "variables" else {"deleted": 0, "held": 0}
        return {"variables": variables, "records": records["deleted"], "held": records["held"]}

    def _record(self, bucket: str) -> WorkflowRecord:
        found = self.records.get_many([bucket])
        if not found:
            raise BucketInvalid(bucket, [*BUCKETS, *queries.nearest_ids(self.workflow.pk, bucket)])
        return found[0]

    def _variable_stats(self) -> dict[str, Any]:
        aliases = set(WorkflowStep.objects.filter(version__workflow=self.workflow).values_list("alias", flat=True))
        rows: QuerySet[WorkflowVariable] = self.variables.query()
        by_type: Counter[str] = Counter()
        by_kind = Counter({"node": 0, "iteration": 0, "custom": 0})
        sensitive = 0
        for row in rows:
            by_type[JSON_TYPES.get(type(row.value), "null")] += 1
            by_kind[_kind(row.key, aliases)] += 1
            sensitive += row.is_sensitive
        return {
            "total": by_kind.total(),
            "by_type": dict(by_type),
            "by_kind": dict(by_kind),
            "sensitive": sensitive,
        }


def _kind(key: str, aliases: set[str]) -> str:
    """Return whether a step's own, an iterate's own, or anybody's variable."""
    if key.startswith(PREFIX):
        return "iteration"
    return "node" if key.split(".", 1)[0] in aliases else "custom"


def _variable(row: WorkflowVariable, *, metadata: bool) -> Any:
    if not metadata:
        return row.shown
    return {
        "value": row.shown,
        "schema": row.schema,
        "sensitive": row.is_sensitive,
        "reason": row.reason,
        "revision": row.revision,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _records(rows: list[WorkflowRecord], secrets: Secrets, *, metadata: bool) -> dict[str, Any]:
    return {row.record_id: _record(row, secrets, metadata=metadata) for row in rows}


def _record(row: WorkflowRecord, secrets: Secrets, *, metadata: bool) -> Any:
    data = secrets.shown(row.data)
    if not metadata:
        return data
    return {
        "data": data,
        "type": row.record_type,
        "status": row.status,
        "error_message": row.error_message,
        "retry_count": row.retry_count,
        "revision": row.revision,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "processed_at": row.processed_at,
    }


def _record_stats(counts: list[tuple[str, str, int]]) -> dict[str, Any]:
    by_type: dict[str, dict[str, int]] = {}
    by_status: Counter[str] = Counter()
    for record_type, status, number in counts:
        by_type.setdefault(record_type, {})[status] = number
        by_status[status] += number
    return {"total": by_status.total(), "by_type": by_type, "by_status": dict(by_status)}
