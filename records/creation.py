"""The one place where records are made: by steps, API, pages and imports alike.

Items are taken in batches, each its own transaction, so memory stays flat and an interruption loses at most a batch;
meeting the items again does no harm, since every item has an identity (`records.identity`). Batches of one type take
turns, so that numbers have no gaps and two sources never make the same record twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection

from records.creator import Batch, Creator
from records.history import Origin
from records.identity import NewRecord
from records.models import ChangeSource
from workflows.definition.plan import CreateRecords
from workflows.readers.items import Item, Position, Problem

BATCH = 1_000
MAX_PROBLEMS = 100  # told by position; the rest is only counted
OUTCOMES = ("created", "merged", "unchanged", "skipped", "failed")
STATISTICS_FROM = 16_000  # records made in one go: here the planner is told of them, and at four times as many, ...
ANALYZE = "ANALYZE workflow_records (workflow_id, record_id, record_type, source_key, status, execution_id, updated_at)"


@dataclass(slots=True)
class Tally:
    """What became of all items so far; of those that failed, the first `limit` are told by position and reason."""

    type: str
    limit: int = MAX_PROBLEMS
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[dict[str, str]] = field(default_factory=list)

    def add(self, position: Position | str, outcome: str, reason: str = "") -> None:
        self.counts[outcome] += 1
        if reason and len(self.problems) < self.limit:
            self.problems.append({"position": str(position), "reason": reason})

    def result(self) -> dict[str, Any]:
        """Return {created, merged, unchanged, skipped, failed, problems: [{position, reason}], type}."""
        counts = {outcome: self.counts[outcome] for outcome in OUTCOMES}
        return {**counts, "problems": self.problems, "type": self.type}


def create_records(
    workflow_id: UUID,
    items: Iterable[Item | Problem | NewRecord],
    spec: CreateRecords,
    *,
    execution_id: UUID | None = None,
    alias: str = "",
    origin: Origin | None = None,
) -> dict[str, Any]:
    """Make a record of each item and return {created, merged, unchanged, skipped, failed, problems, type}.

    An item whose record is there already is merged into it (its fields; `merged` counts those that changed something),
    skipped or failed, as `spec.on_existing` says. A new item that breaks the schema becomes a failed record or is
    refused, as `spec.on_invalid` says; a Problem, a bad id and a value that cannot be stored are refused. What is
    refused counts as failed, with its position and reason in `problems` (at most 100).
    """
    creator = Creator(workflow_id, spec, origin or Origin(ChangeSource.STEP, alias=alias, execution_id=execution_id))
    tally, source = Tally(spec.type), iter(items)
    for batch in _ahead(lambda: creator.read(islice(source, BATCH))):
        for position, reason in batch.refused:
            tally.add(position, "failed", reason)
        before = tally.counts["created"]
        for written in creator.write(batch.records):
            tally.add(written.record.position, written.outcome, written.reason)
        _refresh_statistics(before, tally.counts["created"])
    return tally.result()


def _ahead(read: Callable[[], Batch]) -> Iterator[Batch]:
    """Yield batches until an empty one; from the second on, each is read and checked while the one before is written.

    Within a transaction of the caller's nothing is read ahead: what reads may need to see it, and a thread would not.
    """
    batch = read()
    if batch.size < BATCH or connection.in_atomic_block:
        while batch:
            yield batch
            batch = read()
        return
    with ThreadPoolExecutor(1, thread_name_prefix="records") as thread:
        try:
            while batch:
                reading = thread.submit(read)
                yield batch
                batch = reading.result()
        finally:
            thread.submit(connection.close)  # its own, where the items come from the database


def items_of(values: Iterable[Any], source: str) -> Iterator[Item]:
    """Yield plain values as items: an object as it is, anything else as its field `value`. source: for positions."""
    for index, value in enumerate(values, start=1):
        yield Item(Position(index, "item", source), value if isinstance(value, dict) else {"value": value})


def _refresh_statistics(before: int, created: int) -> None:
    """Tell the planner of many new records now: until autovacuum does, it thinks that the workflow has hardly any."""
    if _magnitude(created) > _magnitude(before) and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(ANALYZE)


def _magnitude(created: int) -> int:
    """Return 0 below STATISTICS_FROM, and one more with each fourfold from there."""
    return ((created // STATISTICS_FROM).bit_length() + 1) // 2
