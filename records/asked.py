"""What the address of the records list asks for: which records, in which order, which columns.

workflow (slug), type, status, q (words, or a pattern such as email_0*), cause, at_step, created_by, since (1h, 24h,
7d, 30d), where ("vars.budget ge 1000", several), pattern, pk (records that were selected, several; unless all=1),
order, columns (several), rows (on a page), cursor. The same query string names the same records to the list, to bulk
actions and to exports, so thousands of ids are never sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import QueryDict
from django.utils import timezone

from director.chips import Chip, without
from director.errors import DirectorError
from records.errors import FilterInvalid
from records.filters import COMPARISONS, MAX_VALUES, RecordFilter, read_filter, value_of
from records.listing import ORDERS
from records.page_queries import WORKFLOWS_LIMIT, chosen_records, messages_of
from records.patches import Path, parse_path
from records.patterns import ANY
from records.places import LOOKED_AT, runs
from records.queries import PAGE_SIZE
from records.states import RecordStatus
from workflows.models import Workflow

TEST = re.compile(rf"(?P<path>\S.*?)\s+(?P<comparison>{'|'.join(COMPARISONS)})(?:\s+(?P<value>.*))?", re.DOTALL)
SINCE = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
NEWEST_CHANGE = "-updated_at"
# Columns beside the record's own, which is always there: name in the address, heading.
COLUMNS = {
    "status": "Status",
    "error_message": "Error",
    "workflow": "Workflow",
    "record_type": "Type",
    "at_step": "At step",
    "iteration_node_alias": "Loop",
    "created_by": "Created by",
    "retry_count": "Retries",
    "created_at": "Found",
    "updated_at": "Updated",
}
USUAL = ("status", "error_message", "workflow", "at_step", "created_by", "retry_count", "updated_at")
MAX_COLUMNS = 30
MAX_CHOSEN = 1_000
ROWS = (25, 50, 100)
# What of the address says which records are meant; and what says how they are shown.
NARROWING = ("status", "workflow", "type", "q", "cause", "at_step", "created_by", "since", "where", "pattern")
SHOWING = ("order", "columns", "rows")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: one of COLUMNS, or a path into the data."""

    name: str
    heading: str
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """The address, read. refused: what of it says nothing; that part is left out of the filter."""

    given: QueryDict
    workflows: Mapping[UUID, Workflow]
    workflow: Workflow | None
    narrow: RecordFilter
    order: str
    size: int
    columns: tuple[Column, ...]
    chips: tuple[Chip, ...]
    refused: list[DirectorError] = field(default_factory=list)

    @property
    def ids(self) -> list[UUID]:
        return [self.workflow.pk] if self.workflow else list(self.workflows)

    @property
    def status(self) -> str:
        return self.narrow.status[0] if self.narrow.status else ""

    @property
    def cause(self) -> str:
        return self.given.get("cause", "")

    @property
    def paths(self) -> list[Path]:
        return [column.path for column in self.columns if column.path]

    @property
    def is_narrowed(self) -> bool:
        return any(self.given.get(name) for name in NARROWING if name != "workflow")

    @property
    def query(self) -> str:
        """The address's query string, from the first page on."""
        return kept_of(self.given).urlencode()

    def the_workflow(self) -> Workflow:
        """Return the one workflow it is about, with a filter that is read in full; raises FilterInvalid."""
        for error in self.refused:
            raise error
        if self.workflow is None:
            raise FilterInvalid("workflow", "must be chosen: what is done to records is done in one workflow at a time")
        return self.workflow


def read_address(given: QueryDict, user: Any) -> Asked:
    """Return what the query string asks for among the workflows the user may see. At most four queries."""
    workflows = {one.pk: one for one in Workflow.objects.all().visible_to(user)[:WORKFLOWS_LIMIT]}
    chosen = next((one for one in workflows.values() if one.slug == given.get("workflow")), None)
    if chosen is None and len(workflows) == 1:
        chosen = next(iter(workflows.values()))
    refused: list[DirectorError] = []
    narrow = _filter(given, [chosen.pk] if chosen else list(workflows), refused)
    if "pk" in given and given.get("all") != "1":
        chosen, narrow = _picked(given.getlist("pk"), workflows, narrow, refused)
    if narrow.fields and chosen is None:
        refused.append(FilterInvalid("fields", "can be tested in one workflow at a time; choose one"))
        narrow = replace(narrow, fields=())
    order, size = given.get("order", NEWEST_CHANGE), given.get("rows", "")
    return Asked(
        given,
        workflows,
        chosen,
        narrow,
        order if order in ORDERS else NEWEST_CHANGE,
        next((number for number in ROWS if str(number) == size), PAGE_SIZE),
        _columns(given, chosen, refused),
        tuple(_chips(given)),
        refused,
    )


def kept_of(given: QueryDict) -> QueryDict:
    """Return what of the query string says which records are meant and how they are shown."""
    kept = QueryDict(mutable=True)
    for name, values in given.lists():
        if name in (*NARROWING, *SHOWING):
            kept.setlist(name, values)
    return kept


def _picked(
    keys: Sequence[str], workflows: Mapping[UUID, Workflow], narrow: RecordFilter, refused: list[DirectorError]
) -> tuple[Workflow | None, RecordFilter]:
    """Return the one workflow whose records were chosen, and the filter narrowed to them."""
    found = chosen_records(list(workflows), keys[:MAX_CHOSEN])
    if len(found) != 1:
        none = "are not there any more; look at the list again" if any(keys) else "are none; select at least one"
        rule = "are of several workflows; select those of one at a time" if found else none
        refused.append(FilterInvalid("The selected records", rule))
        return None, replace(narrow, ids=("",))
    [(workflow, ids)] = found.items()
    return workflows[workflow], replace(narrow, ids=tuple(ids))


def _filter(given: QueryDict, workflows: Sequence[UUID], refused: list[DirectorError]) -> RecordFilter:
    """Every part by itself, so that a part that says nothing does not take the others along."""
    text = given.get("q", "").strip()
    is_pattern = ANY in text and " " not in text
    parts: dict[str, Any] = {
        "text": "" if is_pattern else text,
        "pattern": given.get("pattern", "") or (text if is_pattern else ""),
        "type": given.get("type", ""),
        "created_by": given.get("created_by", ""),
    }
    if given.get("status") in RecordStatus.values:
        parts["status"] = [given["status"]]
    if since := SINCE.get(given.get("since", "")):
        parts["updated_after"] = timezone.now() - since
    if cause := given.get("cause"):
        parts["errors"] = messages_of(workflows, cause) or [f"no record failed with cause {cause}"]
    if step := given.get("at_step"):
        parts["ids"] = runs().at_step(workflows, step, LOOKED_AT)[:MAX_VALUES] or [""]
    parts["fields"] = [test for text in given.getlist("where") if (test := _test(text, refused))]
    try:
        return read_filter(parts)
    except DirectorError as error:
        refused.append(error)
        return RecordFilter()


def _test(text: str, refused: list[DirectorError]) -> dict[str, Any] | None:
    found = TEST.fullmatch(text.strip())
    try:
        if found is None:
            raise FilterInvalid(text[:80], 'is no test of a field; write it like "vars.budget ge 1000"')
        parse_path(found["path"])
    except DirectorError as error:
        refused.append(error)
        return None
    value = value_of(found["value"] or "", found["comparison"])
    return {"path": found["path"], "is": found["comparison"], "value": value}


def _columns(given: QueryDict, workflow: Workflow | None, refused: list[DirectorError]) -> tuple[Column, ...]:
    names = list(dict.fromkeys(name.strip() for name in given.getlist("columns") if name.strip()))[:MAX_COLUMNS]
    found = []
    for name in names or USUAL:
        if name in COLUMNS:
            if names or name != "workflow" or workflow is None:
                found.append(Column(name, COLUMNS[name]))
            continue
        try:
            found.append(Column(name, name, parse_path(name)))
        except DirectorError as error:
            refused.append(error)
    return tuple(found)


def _chips(given: QueryDict) -> list[Chip]:
    words = {
        "type": "Type {}",
        "at_step": "At step {}",
        "created_by": "Created by {}",
        "since": "Updated in the last {}",
        "pattern": "Id {}",
    }
    chips = [Chip(text.format(given[name]), without(given, name)) for name, text in words.items() if given.get(name)]
    tests = dict.fromkeys(text for text in given.getlist("where") if text.strip())
    return chips + [Chip(text, without(given, "where", [other for other in tests if other != text])) for text in tests]
