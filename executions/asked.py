"""What the address of the list of executions asks for: the same query string names the same executions to bulk actions.

status, workflow (slug), label ("client=acme" or "client", several), trigger, by (user name), from and to (days), replays
(yes, no), q, cursor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date

from director.chips import Chip, without
from director.errors import DirectorError
from executions.filters import ExecutionFilter, read_filter
from executions.models import TriggerType
from executions.refusals import ExecutionFilterInvalid
from workflows.models import Workflow

TRIGGERS = {
    TriggerType.MANUAL: "by hand",
    TriggerType.API: "by the API",
    TriggerType.COMMAND: "by command",
    TriggerType.RETRY: "as a retry",
    TriggerType.REPLAY: "as a replay",
}
REPLAYS = {"yes": "Only replays and retries", "no": "No replays or retries"}
PLAIN = {
    "status": "status",
    "workflow": "workflow",
    "trigger": "trigger",
    "by": "by",
    "q": "text",
}  # of the address: part


@dataclass(frozen=True, slots=True)
class Asked:
    """The address, read. parts: as `executions.filters` writes them. refused: what says nothing and is left out."""

    given: QueryDict
    parts: dict[str, Any]
    narrow: ExecutionFilter
    chips: list[Chip]
    refused: list[DirectorError] = field(default_factory=list)

    @property
    def query(self) -> str:
        """The address's query string, from the first page on."""
        rest = self.given.copy()
        for name in ("cursor", "numbers", "rows", "seen"):
            rest.pop(name, None)
        return rest.urlencode()


def read_address(given: QueryDict, user: Any, workflow: Workflow | None = None) -> Asked:
    """Return what the query string asks for. workflow: the one whose list it is. One query at most."""
    refused: list[DirectorError] = []
    parts: dict[str, Any] = {}
    narrow = ExecutionFilter()
    for part, value in _parts(given, refused):
        if workflow and part == "workflow":
            continue
        try:
            read = read_filter(user, {part: value})
        except DirectorError as error:
            refused.append(error)
        else:
            parts[part] = value
            narrow = replace(narrow, **{part: getattr(read, part)})
    if workflow:
        parts["workflow"], narrow = workflow.slug, replace(narrow, workflow=workflow.pk)
    return Asked(given, parts, narrow, list(_chips(given)), refused)


def _parts(given: QueryDict, refused: list[DirectorError]) -> Iterator[tuple[str, Any]]:
    said = ((part, str(given.get(name, "")).strip()) for name, part in PLAIN.items())
    yield from ((part, text) for part, text in said if text)
    if labels := [_label(text) for text in given.getlist("label") if text.strip()]:
        yield "labels", dict(labels)
    for name, part, days in (("from", "started_after", 0), ("to", "started_before", 1)):
        if text := given.get(name):
            if day := _day(text):
                yield part, _begin(day + timedelta(days=days)).isoformat()
            else:
                refused.append(
                    ExecutionFilterInvalid(name, f'is "{text[:20]}", which is no day; write it like 2026-11-21')
                )
    if given.get("replays") in REPLAYS:
        yield "replays", given["replays"] == "yes"


def _label(text: str) -> tuple[str, str | None]:
    name, says_value, value = text.strip().partition("=")
    return name.strip(), value.strip() if says_value else None


def _day(text: str) -> date | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day and 1970 <= day.year < 9999 else None


def _begin(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _chips(given: QueryDict) -> Iterator[Chip]:
    """What is on beside the tabs of the status, the workflow and the search."""
    if trigger := TRIGGERS.get(given.get("trigger")):  # type: ignore[call-overload]  # an enum's members are its texts
        yield Chip(f"Started {trigger}", without(given, "trigger"))
    if given.get("by"):
        yield Chip(f"By {given['by']}", without(given, "by"))
    if given.get("from"):
        yield Chip(f"From {given['from']}", without(given, "from"))
    if given.get("to"):
        yield Chip(f"To {given['to']}", without(given, "to"))
    if words := REPLAYS.get(given.get("replays", "")):
        yield Chip(words, without(given, "replays"))
    labels = [text for text in given.getlist("label") if text.strip()]
    for text in dict.fromkeys(labels):
        yield Chip(text, without(given, "label", [other for other in labels if other != text]))
