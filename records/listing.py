"""A page of records in an order, read from the index of that order: quick whatever the records' types and statuses are.

The planner takes it that records of a type and a status lie evenly in every order. They do not (what failed is old, what
was found is new), and it would look through most of a million records for a page. So it is not asked: each type and
status of a workflow is a stretch of an index, and a page is merged from the beginnings of these. Whatever else is asked
for is either so rare that all that pass are sorted, or so frequent that the page is soon found in the order; of records
that do not pass, SCAN at most are looked at for a page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connection

from director import paging
from director.jsontools import loads
from records.errors import FilterInvalid
from records.filters import RecordFilter, conditions, searched
from records.models import WorkflowRecord
from records.patterns import ANY, beginning

LOOK = 1_000  # records among which a page is mostly found
SCAN = 20_000  # records that are looked at for one page
FEW = 10_000  # records that are sorted in about 50 ms
HIGHEST = "\U0010ffff"  # behind every character


@dataclass(frozen=True, slots=True)
class Order:
    """An order of records: by columns of these SQL types, all in one direction, as an index has them behind KIND."""

    columns: tuple[str, ...]
    casts: tuple[str, ...]
    descends: bool = False

    def key(self, record: WorkflowRecord) -> paging.Key:
        return [_text(getattr(record, column)) for column in self.columns]


_UPDATED = Order(("updated_at", "id"), ("timestamptz", "uuid"))
_NAMED = Order(("record_id", "id"), ("text", "uuid"))
# Indexes: record_by_type_status, record_by_type_status_update, record_by_type_status_name.
ORDERS = {
    "id": Order(("id",), ("uuid",)),
    "-id": Order(("id",), ("uuid",), descends=True),
    "updated_at": _UPDATED,
    "-updated_at": replace(_UPDATED, descends=True),
    "record_id": _NAMED,
    "-record_id": replace(_NAMED, descends=True),
}
WORKFLOWS = "unnest(%(workflows)s::uuid[]) AS w (id)"
# A type and a status, as an index begins with them; which of them there are is known from the counts that are kept.
KIND = ("workflow_id", "record_type", "status")
GROUP = "w.id, g.record_type, g.status"
OF_TYPE, OF_STATUS = "{}.record_type = %(type)s", "{}.status = ANY (%(status)s)"


class Listing:
    """The query of one page of so many records (`size`), after or before the cursor (`at`).

    matching: returns how many records have the type and the status of the filter; asked only where it matters.
    """

    def __init__(
        self,
        workflows: Sequence[UUID],
        narrow: RecordFilter,
        order: Order,
        at: paging.Cursor | None,
        size: int,
        matching: Callable[[], int],
    ) -> None:
        self.narrow, self.order, self.at, self.size = narrow, order, at, size
        self.backwards = at is not None and at.backwards
        self.quick, self.slow, self.values = conditions(replace(narrow, type="", status=()))
        if self.slow and len(workflows) != 1:
            raise FilterInvalid("fields", "can be tested in one workflow at a time; choose one")
        self.values |= {f"key{place}": value for place, value in enumerate(at.key if at else ())}
        self.values |= {"workflows": list(workflows), "type": narrow.type, "status": list(narrow.status)}
        self.from_, self.to = self._range()
        self.matching, self.workflows = matching, len(workflows)
        self.last = ""  # the statement for the last record that was looked at, when some were not

    def rows(self, columns: str, values: dict[str, Any]) -> list[WorkflowRecord]:
        """Up to size + 1 records from the cursor on, in the direction of reading. At most three queries."""
        rows: list[WorkflowRecord] = []
        for found in self._sources():
            statement = f"""SELECT {columns} FROM ({found}) AS r
                LEFT JOIN record_types t ON t.workflow_id = r.workflow_id AND t.name = r.record_type
                ORDER BY {self._order("r")}"""  # noqa: S608 - made of constants
            rows = list(WorkflowRecord.objects.raw(statement, {**self.values, **values}))
            if len(rows) > self.size:
                break
        for row in rows:
            row.picked = loads(getattr(row, "picked", "[]"))
            row.maybe_secret = loads(getattr(row, "maybe_secret", None) or "null")
        return rows

    def going_on(self, page: paging.Page[WorkflowRecord]) -> paging.Page[WorkflowRecord]:
        """Give the page a neighbour where only SCAN records were looked at."""
        if not self.last or (page.previous if self.backwards else page.next):
            return page
        last = next(iter(WorkflowRecord.objects.raw(self.last, self.values)), None)
        if last is None:
            return page
        if self.backwards:
            return replace(page, previous=str(paging.Cursor(self.order.key(last), backwards=True)))
        return replace(page, next=str(paging.Cursor(self.order.key(last), page.offset + len(page.rows))))

    # --- where the rows come from -----------------------------------------------------------------------------------

    def _sources(self) -> Iterator[str]:
        """Statements for the rows; the next one where the page was not filled by the one before."""
        others = self._others()
        tested = [*others, *self.slow]
        if not tested:
            yield self._merged([], self.size + 1)
        elif not others and self.matching() <= FEW:
            yield self._sorted()
        else:
            yield self._merged(tested, self._share(LOOK))
            many = not others or self._are_many(others)
            yield self._merged(tested, self._share(SCAN)) if many else self._planned()

    def _merged(self, tested: Sequence[str], looked_at: int) -> str:
        """From a stretch of the order's index for each type and status; so many records in all, which are tested."""
        within = [*self._bounds(), *(condition for condition in self.quick if condition not in tested)]
        keys = f"""SELECT k.* FROM {self._groups()} CROSS JOIN LATERAL (
                SELECT {_columns(self.order.columns)} FROM workflow_records r {_where(within)}
                ORDER BY {self._order("r", KIND)} LIMIT {looked_at}
            ) AS k ORDER BY {self._order("k")}"""  # noqa: S608 - made of constants
        if tested:
            self.last = f"""SELECT r.* FROM ({keys} OFFSET {looked_at - 1} LIMIT 1) AS k
                JOIN workflow_records r ON r.id = k.id"""  # noqa: S608
        return f"""SELECT r.* FROM ({keys} LIMIT {looked_at}) AS k
            CROSS JOIN LATERAL (SELECT * FROM workflow_records r WHERE r.id = k.id OFFSET 0) AS r
            {_where(tested)} ORDER BY {self._order("k")} LIMIT {self.size + 1}"""  # noqa: S608

    def _sorted(self) -> str:
        """All records of the types and statuses, which are few, tested and sorted."""
        return f"""SELECT r.* FROM {self._groups()} CROSS JOIN LATERAL (
                SELECT * FROM workflow_records r WHERE ({_columns(KIND)}) = ({GROUP}) OFFSET 0
            ) AS r {_where([*self.quick, *self.slow, *self._beyond()])}
            ORDER BY {self._order("r")} LIMIT {self.size + 1}"""  # noqa: S608 - made of constants

    def _planned(self) -> str:
        """All that pass, which are few, by what the planner finds for the filter, sorted."""
        self.last = ""
        quick = ["r.workflow_id = w.id", *self._kinds("r"), *self.quick]
        return f"""SELECT r.* FROM {WORKFLOWS} CROSS JOIN LATERAL (
                SELECT r.* FROM workflow_records r {_where(quick)} OFFSET 0
            ) AS r {_where([*self.slow, *self._beyond()])}
            ORDER BY {self._order("r")} LIMIT {self.size + 1}"""  # noqa: S608 - made of constants

    def _are_many(self, others: Sequence[str]) -> bool:
        """Whether more than FEW pass; of a search, whatever their type and status. One query."""
        passing = searched(self.narrow, self.values)
        if passing:
            found = f"record_search s {_where(['s.workflow_id = ANY (%(workflows)s)', *passing])}"
        else:
            own = _where(["r.workflow_id = w.id", *others, *self._kinds("r")])
            found = f"{WORKFLOWS} JOIN workflow_records r ON true {own}"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM (SELECT 1 FROM {found} LIMIT {FEW + 1}) AS few", self.values)  # noqa: S608
            return bool(cursor.fetchone()[0] > FEW)

    # --- their parts ------------------------------------------------------------------------------------------------

    def _others(self) -> list[str]:
        """The quick conditions beside type and status that are no range of the order."""
        narrow = replace(self.narrow, type="", status=())
        if self.order.columns[0] == "updated_at":
            narrow = replace(narrow, updated_after=None, updated_before=None)
        elif self.from_:
            narrow = replace(narrow, pattern=ANY)
        always = conditions(RecordFilter())[0]
        return [condition for condition in conditions(narrow)[0] if condition not in always]

    def _range(self) -> tuple[str, str]:
        """The names of the values from which and below which the first column of the order must be; empty: any."""
        prefix = beginning(self.narrow.pattern)
        if self.order.columns[0] == "record_id" and prefix:
            self.values |= {"prefix": prefix, "behind": prefix + HIGHEST}
            return "prefix", "behind"
        if self.order.columns[0] == "updated_at":
            return ("updated_after" if self.narrow.updated_after else ""), (
                "updated_before" if self.narrow.updated_before else ""
            )
        return "", ""

    def _kinds(self, table: str) -> list[str]:
        """The conditions for the types and statuses that are asked for."""
        parts = ((self.narrow.type, OF_TYPE), (self.narrow.status, OF_STATUS))
        return [condition.format(table) for asked, condition in parts if asked]

    def _groups(self) -> str:
        """The workflows (w), and the types and statuses (g) which they have and which are asked for."""
        counted = _where(["c.workflow_id = w.id", *self._kinds("c")])
        kinds = f"SELECT DISTINCT c.record_type, c.status FROM record_counts c {counted}"  # noqa: S608
        return f"{WORKFLOWS} CROSS JOIN LATERAL ({kinds}) AS g"

    def _bounds(self) -> tuple[str, str]:
        """The conditions for the beginning and the end of a stretch.

        They compare whole keys, and the stretch is read in the order of whole keys, so that no other index will do.
        """
        kind, first = _columns(KIND), f"r.{self.order.columns[0]}"
        low = f"({kind}, {first}) >= ({GROUP}, %({self.from_})s)" if self.from_ else f"({kind}) >= ({GROUP})"
        high = f"({kind}, {first}) < ({GROUP}, %({self.to})s)" if self.to else f"({kind}) <= ({GROUP})"
        if self.at is None:
            return low, high
        beyond = f"({kind}, {_columns(self.order.columns)}) {self._sign} ({GROUP}, {self._key})"
        return (beyond, high) if self._sign == ">" else (low, beyond)

    def _beyond(self) -> list[str]:
        """The condition for what is beyond the cursor."""
        return [f"({_columns(self.order.columns)}) {self._sign} ({self._key})"] if self.at else []

    @property
    def _sign(self) -> str:
        return "<" if self.order.descends != self.backwards else ">"

    @property
    def _key(self) -> str:
        return ", ".join(f"%(key{place})s::{cast}" for place, cast in enumerate(self.order.casts))

    def _share(self, looked_at: int) -> int:
        """How many are looked at of so many workflows, so that it is not so many of each."""
        return max(looked_at // max(self.workflows, 1), min(looked_at, self.size + 1))

    def _order(self, table: str, before: Sequence[str] = ()) -> str:
        way = "DESC" if self.order.descends != self.backwards else "ASC"
        return ", ".join(f"{table}.{column} {way}" for column in (*before, *self.order.columns))


def _columns(names: Sequence[str]) -> str:
    return ", ".join(f"r.{name}" for name in names)


def _where(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else str(value)
