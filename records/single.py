"""Making one record: one statement looks for it, locks it or takes its number, and tells its type; another writes it."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from director.jsontools import loads
from records.changes import Changes, Row
from records.creator import Creator, Written
from records.identity import NewRecord
from records.patches import BUCKETS, set_at
from workflows.definition.plan import OnInvalid

MEET = """
WITH known AS MATERIALIZED (
    SELECT r.* FROM director_find_records(%(workflow)s, %(type)s, %(ids)s, %(keys)s, %(alone)s) f
    JOIN workflow_records r ON r.id = f.id FOR NO KEY UPDATE OF r
)
SELECT t.schema, t.on_invalid,
    CASE WHEN known.id IS NULL AND %(alone)s
        THEN director_take_number(%(workflow)s, %(prefix)s, %(suffix)s, %(least)s) END,
    known.record_type, known.id, known.record_id, known.status, known.data, known.error_message, known.revision
FROM (SELECT) AS one LEFT JOIN known ON true
LEFT JOIN record_types t ON t.workflow_id = %(workflow)s AND t.name = %(type)s
"""


class Overtaken(Exception):
    """Another has made the record since it was looked for."""


class SingleCreator(Creator):
    """Makes single records of one `spec` that has no id pattern."""

    def make(self, record: NewRecord) -> Written:
        """Make or meet the record. Two queries; more when another makes the same one at the same moment.

        Raises what `checked` and `Changes.patch` raise.
        """
        item = Written(self.naming.identify(record))
        try:
            with transaction.atomic():
                self._make(item)
        except Overtaken:
            (item,) = self.write([self.checked(record)])
        return item

    def _make(self, item: Written) -> None:
        record_type, row = self._look(item)
        self.checked(item.record)
        if row is None:
            if item.record.refused:
                raise item.record.refused
            self._insert([item])
            if not item.outcome:
                raise Overtaken
            return
        item.id, item.name = row.id, row.record_id
        self._settle(item, record_type)
        if not item.outcome:
            self._merge_into(row, item)

    def _look(self, item: Written) -> tuple[str, Row | None]:
        """Return the record's type and the record, locked, if it is there; else the item has its number."""
        record = item.record
        form = self.naming.numbered(record)
        values: dict[str, Any] = {
            "workflow": self.workflow_id,
            "type": self.spec.type,
            "ids": [record.record_id] if record.record_id is not None else [],
            "keys": [record.source_key] if record.record_id is None else [],
            "alone": record.record_id is None,
            "prefix": form.prefix,
            "suffix": form.suffix,
            "least": form.least,
        }
        with connection.cursor() as cursor:
            cursor.execute(MEET, values)
            schema, on_invalid, number, record_type, pk, *about = cursor.fetchone()
        self.schemas = [] if schema is None else [(loads(schema), OnInvalid(on_invalid))]
        if pk is None:
            item.name = form(number) if number is not None else str(record.record_id)
            return "", None
        name, status, data, error, revision = about
        return record_type, Row(pk, name, status, loads(data), error, revision, schema, on_invalid)

    def _merge_into(self, row: Row, item: Written) -> None:
        data = item.record.data()
        if item.record.invalid and row.on_invalid != OnInvalid.REFUSE:
            broken = self.broken({**row.data.get("fields", {}), **data["fields"]})
            if broken:
                item.settle("failed", broken)
                return
        operations = [set_at((bucket, key), value) for bucket in BUCKETS for key, value in data[bucket].items()]
        outcome = Changes(self.workflow_id, self.origin).merge(row, operations)
        item.row = outcome.record
        item.settle("merged" if outcome.outcome == "changed" else "unchanged")
