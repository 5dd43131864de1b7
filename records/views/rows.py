"""The rows of the list of records: each record with its cells, as they may be shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from records.asked import Asked, Column
from records.models import RecordSearch, WorkflowRecord
from records.places import Place, runs
from records.secrets import Secrets, secrets_of_records
from records.states import RecordStatus
from records.titles import shown_title

# With another status the step of the newest run says nothing more: a person has moved the record since.
PLACED = (RecordStatus.FAILED, RecordStatus.WAITING, RecordStatus.PROCESSING)


@dataclass(frozen=True, slots=True)
class Made:
    """Who or what made a record (the alias of a step, or api, page, import), and the number of the run it was made in."""

    by: str
    run: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """A record in the list, its title and the cells beside it, one for each column, as they may be shown."""

    record: WorkflowRecord
    title: str
    cells: list[tuple[Column, Any]]


@dataclass(frozen=True, slots=True)
class _Beside:
    """What columns show that is not in the records themselves."""

    places: Mapping[UUID, Place] = field(default_factory=dict)
    made: Mapping[UUID, Made] = field(default_factory=dict)


def rows_of(records: Sequence[WorkflowRecord], asked: Asked) -> list[Row]:
    """Return the rows of a page. One query, three more where columns need them, none without records."""
    names = {column.name for column in asked.columns}
    keys = [record.pk for record in records]
    beside = _Beside(
        runs().places(keys) if keys and "at_step" in names else {},
        _made(asked.ids, keys) if keys and "created_by" in names else {},
    )
    secrets = secrets_of_records(records)
    return [_row(record, asked, beside, secrets[record.pk]) for record in records]


def _row(record: WorkflowRecord, asked: Asked, beside: _Beside, secrets: Secrets) -> Row:
    return Row(record, shown_title(record.title, secrets), list(_cells(record, asked, beside, secrets)))


def _cells(record: WorkflowRecord, asked: Asked, beside: _Beside, secrets: Secrets) -> Iterator[tuple[Column, Any]]:
    picked = iter(record.picked)
    for column in asked.columns:
        if column.path:
            yield column, secrets.hide_at(column.path, next(picked))
        elif column.name == "at_step":
            yield column, beside.places.get(record.pk) if record.status in PLACED else None
        elif column.name == "created_by":
            yield column, beside.made.get(record.pk)
        elif column.name == "workflow":  # asking the record for its workflow would be a query for each
            yield column, asked.workflows.get(record.workflow_id)
        else:
            yield column, getattr(record, column.name)


def _made(workflows: Sequence[UUID], records: Sequence[UUID]) -> Mapping[UUID, Made]:
    rows = RecordSearch.objects.filter(workflow__in=workflows, record__in=records)
    found = list(rows.values_list("record_id", "created_by", "created_in"))
    numbers = runs().numbers({run for _, _, run in found if run})
    return {record: Made(by, numbers.get(run) if run else None) for record, by, run in found}
