"""Making records of items, a batch at a time or a single one: identified, checked, met or inserted.

Batches of one type take turns, so that numbers have no gaps and two sources never make the same record twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from director.errors import DirectorError
from director.ids import uuid7
from director.jsontools import dumps, loads
from records import history, schemas, search
from records.errors import RecordInvalid, RecordTooLarge
from records.history import Origin, told
from records.identity import Naming, NewRecord, name_records, record_of
from records.masking import MASK, hides_at, masked_paths
from records.models import ChangeKind, OnInvalid, RecordType, WorkflowRecord
from records.patches import BUCKETS, mask_refused
from records.search import FOUND
from records.states import RecordStatus
from workflows.definition.plan import CreateRecords, OnExisting
from workflows.readers.items import MAX_FIELD_BYTES, Item, Position, Problem, checked

MASKED = MASK.encode()
MAX_ROUNDS = 5  # in which others may take the ids of a batch before its items are given up

# The lock is taken before the records are looked for (`records/sql/director_find_records.sql`).
FIND = "SELECT id, record_id, source_key, record_type FROM director_find_records(%s, %s, %s, %s, %s)"
# Ids given by hand may be higher than what was counted (`raised`).
INSERT = f"""
WITH given AS (
    SELECT * FROM json_to_recordset(%(records)s::json)
        AS g (id uuid, record_id text, source_key text, data jsonb, status text, error text, words text)
), created AS (
    INSERT INTO workflow_records (id, workflow_id, record_id, record_type, source_key, data, status, error_message,
        processed_at)
    SELECT id, %(workflow)s, record_id, %(type)s, source_key, data, status, error,
        CASE WHEN status IN ('complete', 'failed') THEN now() END
    FROM given ON CONFLICT DO NOTHING RETURNING {{returning}}
), indexed AS (
    INSERT INTO record_search (workflow_id, record_id, created_by, created_in, document)
    SELECT %(workflow)s, id, %(created_by)s, %(execution)s, words::tsvector
    FROM created JOIN given USING (id)
), {told("JOIN created ON created.id = g.record")}, raised AS (
    UPDATE record_counters c SET last = seen.highest FROM (
        SELECT k.prefix, k.suffix, max(director_number_in(created.record_id, k.prefix, k.suffix)) AS highest
        FROM record_counters k, created WHERE k.workflow_id = %(workflow)s AND %(named)s GROUP BY 1, 2
    ) AS seen
    WHERE c.workflow_id = %(workflow)s AND c.prefix = seen.prefix AND c.suffix = seen.suffix AND seen.highest > c.last
)
SELECT {{returning}} FROM created
"""  # noqa: S608 - made of constants
INSERT_MANY, INSERT_ONE = INSERT.format(returning="id, record_id"), INSERT.format(returning="*")
# Rows are locked in the order of their ids, as everywhere; what would change nothing is not written.
MERGE = """
WITH given AS (
    SELECT * FROM json_to_recordset(%(records)s::json) AS g (id uuid, data jsonb, valid bool)
), before AS MATERIALIZED (
    SELECT id, data FROM workflow_records WHERE id IN (SELECT id FROM given) ORDER BY id FOR NO KEY UPDATE
), merged AS MATERIALIZED (
    SELECT id, before.data AS old, valid, before.data
        || jsonb_build_object('fields', coalesce(before.data -> 'fields', '{}') || (given.data -> 'fields'))
        || CASE WHEN %(all)s THEN jsonb_build_object(
            'vars', coalesce(before.data -> 'vars', '{}') || (given.data -> 'vars'),
            'targets', coalesce(before.data -> 'targets', '{}') || (given.data -> 'targets')) ELSE '{}' END AS new
    FROM before JOIN given USING (id)
), written AS (
    UPDATE workflow_records r SET data = m.new, updated_at = now(), revision = r.revision + 1
    FROM merged m WHERE r.id = m.id AND m.valid AND m.new <> m.old RETURNING r.id, r.record_id, r.revision
)
SELECT id, record_id, m.old, m.new, revision FROM merged m LEFT JOIN written USING (id) WHERE m.new <> m.old
"""
# Only what queries narrow by: reading the data of a sample would take much longer.
TELL_MERGED = f"WITH {told()}, {FOUND} SELECT"


@dataclass(slots=True)
class Written:
    """What became of one item. outcome: created, merged, unchanged, skipped or failed (with the reason)."""

    record: NewRecord
    outcome: str = ""
    id: UUID | None = None
    name: str = ""
    reason: str = ""
    first: Written | None = None  # the item of the same batch whose record this one was merged into
    row: WorkflowRecord | None = None  # the record, when it was created as the only one

    def settle(self, outcome: str, reason: str = "") -> None:
        self.outcome, self.reason = outcome, reason


@dataclass(slots=True)
class Batch:
    """Items as they were read: those that can be records, and positions and reasons of those that cannot."""

    records: list[NewRecord] = field(default_factory=list)
    refused: list[tuple[Position | str, str]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.records) + len(self.refused)

    def __bool__(self) -> bool:
        return self.size > 0


class Creator:
    """Makes records of one `spec`, a batch at a time."""

    def __init__(self, workflow_id: UUID, spec: CreateRecords, origin: Origin) -> None:
        self.workflow_id, self.spec, self.origin = workflow_id, spec, origin
        self.naming = Naming(spec)

    @cached_property
    def schemas(self) -> list[tuple[Any, str]]:
        """What the fields are checked against, and what is done with those that break it. One query."""
        return list(_schemas(self.workflow_id, self.spec))

    def read(self, items: Iterable[Item | Problem | NewRecord]) -> Batch:
        """Return the items that can be records, and the others with their reasons."""
        batch = Batch()
        for item in items:
            try:
                if isinstance(item, Problem):
                    batch.refused.append((item.position, item.reason))
                else:
                    batch.records.append(self.checked(item))
            except DirectorError as error:
                batch.refused.append((item.position, error.message))
        return batch

    def checked(self, item: Item | NewRecord) -> NewRecord:
        """Return the item as a record that can be stored, marked as failed where a schema asks for that.

        Where a schema refuses it, the record says so (`refused`): merged into one that is there it may fit. Raises
        RecordIdInvalid, ExpressionFailed (id pattern), ValueInvalid, RecordTooLarge.
        """
        record = self.naming.identify(record_of(item) if isinstance(item, Item) else item)
        written = dumps(record.data())
        if MASKED in written:
            _leave_masked(record, by_person=self.origin.by_person)
        if len(written) > MAX_FIELD_BYTES:
            fits = checked(Position(0, "", ""), {**record.fields, **record.vars, **record.targets}, MAX_FIELD_BYTES)
            if isinstance(fits, Problem):
                raise RecordTooLarge(fits.reason)
        for schema, on_invalid in self.schemas:
            found = schemas.problems(schema, record.fields, "fields")
            if found and not record.invalid:
                record.status, record.error, record.invalid = RecordStatus.FAILED, schemas.in_words(found), True
            if found and on_invalid == OnInvalid.REFUSE:
                record.refused = record.refused or RecordInvalid(record.record_id or "the record", found)
        record.words = search.document_of(record.fields)
        return record

    def write(self, records: list[NewRecord]) -> list[Written]:
        """Write a batch in one transaction and return what became of each record, in order.

        3 queries when all are new or all are met again, 5 when there are both.
        """
        written = [Written(record) for record in records]
        open_items = _fold(written, self.spec.on_existing, BUCKETS if self.origin.by_person else ("fields",))
        with transaction.atomic():
            for _ in range(MAX_ROUNDS):
                self._meet(open_items)
                self._insert([item for item in open_items if not item.outcome])
                open_items = [item for item in open_items if not item.outcome]
                if not open_items:
                    break
        for item in open_items:
            item.settle("failed", "its id or its source key belongs to another record")
        _settle_followers(written)
        return written

    def _meet(self, items: list[Written]) -> None:
        """Settle the items whose records are there already."""
        known = self._find(items) if items else {}
        for item in items:
            found = known.get(_identity(item.record))
            if found is not None:
                item.id, item.name, record_type = found
                self._settle(item, record_type)
        met = [item for item in items if item.id is not None and not item.outcome]
        if met:
            self._merge(met)

    def _settle(self, item: Written, record_type: str) -> None:
        """Give the item its outcome where merging is out of the question."""
        if record_type != self.spec.type:
            item.settle("failed", f"{item.name} is already there as a record of type {record_type}")
        elif self.spec.on_existing == OnExisting.SKIP:
            item.settle("skipped")
        elif self.spec.on_existing == OnExisting.FAIL:
            item.settle("failed", f"{item.name} is already there")

    def _find(self, items: list[Written]) -> dict[tuple[str, str], tuple[UUID, str, str]]:
        identities = [_identity(item.record) for item in items]
        ids = [value for kind, value in identities if kind == "id"]
        keys = [value for kind, value in identities if kind == "key"]
        known = {}
        with connection.cursor() as cursor:
            cursor.execute(FIND, [self.workflow_id, self.spec.type, ids, keys, bool(keys)])
            for pk, record_id, key, record_type in cursor.fetchall():
                known["id", record_id] = (pk, record_id, record_type)
                if key is not None and record_type == self.spec.type:
                    known["key", key] = (pk, record_id, record_type)
        return known

    def _merge(self, items: list[Written]) -> None:
        """Merge the fields into the records; vars and targets too where a person gives them."""
        rows = [{"id": item.id, "data": item.record.data(), "valid": not item.record.invalid} for item in items]
        values: dict[str, Any] = {"records": dumps(rows).decode(), "all": self.origin.by_person}
        with connection.cursor() as cursor:
            cursor.execute(MERGE, values)
            changed = {pk: (pk, name, loads(old), loads(new), rev) for pk, name, old, new, rev in cursor.fetchall()}
        fitting = []
        for item in items:
            if item.id not in changed:
                item.settle("unchanged")
            elif not item.record.invalid:
                item.settle("merged")
            elif broken := self.broken(changed[item.id][3].get("fields")):
                item.settle("failed", broken)
            else:  # it fits by what is there already
                item.record.invalid = False
                fitting.append(item)
        self._log_merged([changed[item.id] for item in items if item.id and item.outcome == "merged"])
        if fitting:
            self._merge(fitting)

    def broken(self, fields: Any) -> str:
        """Return how the fields break a schema, in words; empty when they fit."""
        return schemas.in_words(
            [problem for schema, _ in self.schemas for problem in schemas.problems(schema, fields, "fields")]
        )

    def _log_merged(self, rows: list[tuple[UUID, str, Any, Any, int]]) -> None:
        if not rows:
            return
        changes = [history.Change(pk, name, {"data": old}, {"data": new}, rev) for pk, name, old, new, rev in rows]
        told_of = history.telling(self.workflow_id, self.origin, ChangeKind.MERGED, changes)
        words = search.wording({pk: (name, new["fields"]) for pk, name, _, new, _ in rows})
        with connection.cursor() as cursor:
            cursor.execute(TELL_MERGED, {**told_of, **words})

    def _insert(self, items: list[Written]) -> None:
        """Insert what is not there yet; what others were quicker with stays open, what was refused fails."""
        for item in items:
            if item.record.refused:
                item.settle("failed", item.record.refused.message)
        items = [item for item in items if not item.outcome]
        if not items:
            return
        self._name([item for item in items if not item.name])
        for item in items:
            item.id = uuid7()
        by_id = {item.id: item for item in items}
        values: dict[str, Any] = {
            **history.telling(self.workflow_id, self.origin, ChangeKind.CREATED, self._beginnings(items)),
            "records": dumps([_row(item) for item in items]).decode(),
            "type": self.spec.type,
            "created_by": self.origin.created_by,
            "named": any(item.record.record_id is not None for item in items),
        }
        if len(items) == 1:
            for row in WorkflowRecord.objects.raw(INSERT_ONE, values):
                items[0].row = row
                items[0].settle("created")
            return
        with connection.cursor() as cursor:
            cursor.execute(INSERT_MANY, values)
            for pk, _ in cursor.fetchall():
                by_id[pk].settle("created")

    def _name(self, items: list[Written]) -> None:
        """Give each item an id."""
        counted = []
        for item in items:
            item.name = item.record.record_id or (str(uuid7()) if self.naming.unique else "")
            if item.record.form is not None:
                counted.append((item, item.record.form))
        if counted:
            names = name_records(self.workflow_id, [form for _, form in counted])
            for (item, _), name in zip(counted, names, strict=True):
                item.name = name

    def _beginnings(self, items: list[Written]) -> list[history.Change]:
        """Tell who made the records, and what of vars and targets they began with: steps may overwrite it."""
        empty: dict[str, Any] = {"data": {"vars": {}, "targets": {}}}
        return [
            history.Change(item.id, item.name, empty, _beginning(item.record), 1)
            for item in items
            if item.id and (self.origin.by_person or item.record.vars or item.record.targets)
        ]


def _schemas(workflow_id: UUID, spec: CreateRecords) -> Iterator[tuple[Any, str]]:
    if spec.initial_schema is not None:
        yield spec.initial_schema, spec.on_invalid
    record_type = RecordType.objects.filter(workflow_id=workflow_id, name=spec.type).first()
    if record_type is not None and record_type.schema is not None:
        yield record_type.schema, record_type.on_invalid


def _leave_masked(record: NewRecord, *, by_person: bool) -> None:
    """Take masks out, so that a masked export met again leaves what they stand for as it is.

    What a source says may have such dots of its own: there only what stands under a secret's name is taken for a mask.
    Raises ValueInvalid for a mask further inside, where leaving it out would lose the secret.
    """
    for name in BUCKETS:
        bucket: dict[str, Any] = getattr(record, name)
        found = [path for path in masked_paths(bucket, (name,)) if by_person or hides_at(path, MASK)]
        for path in found:
            if len(path) > 2:
                raise mask_refused(path)
            record.refused = mask_refused(path) if by_person else None
        left = {path[1] for path in found}
        setattr(record, name, {key: value for key, value in bucket.items() if key not in left})


def _identity(record: NewRecord) -> tuple[str, str]:
    return ("id", record.record_id) if record.record_id is not None else ("key", record.source_key or "")


def _beginning(record: NewRecord) -> dict[str, Any]:
    return {"data": {"vars": record.vars, "targets": record.targets}}


def _row(item: Written) -> dict[str, Any]:
    record = item.record
    return {
        "id": item.id,
        "record_id": item.name,
        "source_key": record.source_key,
        "data": record.data(),
        "status": record.status,
        "error": record.error,
        "words": f"{search.document_of(item.name)} {record.words}",
    }


def _fold(written: list[Written], on_existing: OnExisting, buckets: Sequence[str]) -> list[Written]:
    """Return the first item of each identity; what comes again in the batch follows it, its buckets merged into it."""
    firsts: dict[tuple[str, str], Written] = {}
    for item in written:
        first = firsts.setdefault(_identity(item.record), item)
        if first is not item:
            item.first = first
            _follow(item, first, on_existing, buckets)
    return list(firsts.values())


def _follow(item: Written, first: Written, on_existing: OnExisting, buckets: Sequence[str]) -> None:
    if on_existing == OnExisting.SKIP:
        item.settle("skipped")
    elif on_existing == OnExisting.FAIL:
        item.settle("failed", f"the same record as {first.record.position}")
    elif item.record.invalid and not first.record.invalid:
        item.settle("failed", item.record.error)
    else:
        item.settle("unchanged")
        for bucket in buckets:
            standing = getattr(first.record, bucket)
            merged = {**standing, **getattr(item.record, bucket)}
            if merged != standing:
                setattr(first.record, bucket, merged)
                item.settle("merged")
        first.record.words = search.document_of(first.record.fields)


def _settle_followers(written: list[Written]) -> None:
    for item in written:
        if item.first is not None:
            item.id, item.name = item.first.id, item.first.name
            if item.first.outcome == "failed" and item.outcome != "skipped":
                item.settle("failed", item.first.reason)
            elif item.first.outcome == "unchanged":  # what all of them say together is there already
                item.settle("unchanged")
