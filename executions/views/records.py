"""The page of a record: its data, and the story of what each run's steps did with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from director.htmx import render_page
from executions.models import ExecutionFrame
from executions.queries import record_story, runs_of, setters_of
from records.masking import mask_tree
from records.models import WorkflowRecord
from records.page_queries import get_record_for
from records.states import RecordStatus
from records.titles import title_of
from workflows.flow import Flow, flow_of

STORY_CHOICES = (("", "All"), ("errors", "Errors"), ("data", "Data changes"))
DEPTH_SHOWN = 3  # objects inside objects are opened so far, then shown as JSON in a line

LONG_CHARACTERS = 60  # a longer value is folded to one line
WHOLE_CHARACTERS = 20_000  # shown when it is unfolded; the JSON has the rest


@dataclass(frozen=True, slots=True)
class Entry:
    """A path of the record's data with its value; setter: alias of the step that writes it, if one does."""

    path: str
    value: Any
    setter: str = ""

    @property
    def is_long(self) -> bool:
        return len(str(self.value)) > LONG_CHARACTERS

    @property
    def whole(self) -> str:
        """The value as text, cut where a page becomes slow."""
        text = self.value if isinstance(self.value, str) else json.dumps(self.value, ensure_ascii=False, indent=2)
        return text[:WHOLE_CHARACTERS]


@require_GET
def record_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    record = get_record_for(request.user, pk)
    fragments = {"rec-story": "records/_record_story.html"}
    return render_page(request, "records/record_detail.html", _context(request, record), fragments)


@require_GET
def record_live(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What an event makes the page fetch: status, actions, story and data, each with its id."""
    record = get_record_for(request.user, pk)
    return render(request, "records/_record_live.html", _context(request, record))


@require_GET
def record_raw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The record as JSON, secrets masked."""
    record = get_record_for(request.user, pk)
    response = JsonResponse(raw(record), json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'inline; filename="{record.pk}.json"'
    return response


def raw(record: WorkflowRecord) -> dict[str, Any]:
    """Return the record as people and programs see it."""
    return {
        "id": str(record.pk),
        "record_id": record.record_id,
        "record_type": record.record_type,
        "status": record.status,
        "error_message": record.error_message,
        "retry_count": record.retry_count,
        "revision": record.revision,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "data": mask_tree(record.data),
    }


def _context(request: HttpRequest, record: WorkflowRecord) -> dict[str, Any]:
    runs = runs_of(record)
    last = runs[0] if runs else None
    data, show = mask_tree(record.data), request.GET.get("story", "")
    story = record_story(record, runs, show, request.GET.get("cursor", ""))
    flow = flow_of(last.execution.version) if last else Flow([], {})
    return {
        "record": record,
        "title": title_of(record.data),
        "runs": runs,
        "last": last,
        "story": story,
        "show": show,
        "flow": flow,
        "at_step": _at_step(record, last),
        "tab": request.GET.get("tab", "fields"),
        "story_choices": STORY_CHOICES,
        "raw": raw(record),
        **_data(data, setters_of(record, flow)),
    }


def _at_step(record: WorkflowRecord, last: ExecutionFrame | None) -> str:
    """Where it is, for as long as that says something."""
    telling = record.status in (RecordStatus.FAILED, RecordStatus.WAITING)
    return last.at_step if last and telling else ""


def _data(data: Mapping[str, Any], setters: Mapping[str, str]) -> dict[str, list[Entry]]:
    return {part: list(_entries(data.get(part) or {}, part, setters)) for part in ("fields", "vars", "targets")}


def _entries(
    value: Mapping[str, Any], part: str, setters: Mapping[str, str], prefix: str = "", depth: int = 1
) -> Iterator[Entry]:
    """Leaves in the order of the document; what is nested is named by its path ("lead.company")."""
    for key, item in value.items():
        path = f"{prefix}{key}"
        if isinstance(item, Mapping) and item and depth < DEPTH_SHOWN:
            yield from _entries(item, part, setters, f"{path}.", depth + 1)
        else:
            yield Entry(path, item, _setter(f"{part}.{path}", setters))


def _setter(path: str, setters: Mapping[str, str]) -> str:
    """The step that stores at this path or around it; the longest path counts."""
    around = [stored for stored in setters if path == stored or path.startswith((f"{stored}.", f"{stored}["))]
    return setters[max(around, key=len)] if around else ""
