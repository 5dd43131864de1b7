"""A record's story, page by page."""

import pytest
from django.db.models import JSONField, Value

from executions.interventions import note
from executions.models import ExecutionFrame
from executions.queries import Story, record_story, runs_of, story_pages, walks
from records.models import ChangeKind, ChangeSource, RecordChange, WorkflowRecord
from records.secrets import NO_SECRETS
from tests.factories import make_execution, make_frame, make_journal_row, make_record, make_user
from tests.rig.queries import statements
from workflows.models import Workflow
from workflows.services import import_workflow

pytestmark = pytest.mark.django_db

TRIAGE = """
director: 1
name: Triage
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - {alias: check, type: set, config: {value: 1}}
      - {alias: route, type: set, config: {value: 2}, store_to_record: true}
"""


@pytest.fixture
def workflow() -> Workflow:
    return import_workflow(TRIAGE, owner=make_user()).workflow


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story_pages, "SIZE", 4)
    for module, name in ((walks, "WALKS"), (walks, "RUNS_SHOWN"), (story_pages, "RUNS_SHOWN")):
        monkeypatch.setattr(module, name, 3)


def walk(workflow: Workflow, record: WorkflowRecord) -> ExecutionFrame:
    execution = make_execution(workflow, status="completed")
    return make_frame(execution, record, alias="each")


def edit(workflow: Workflow, record: WorkflowRecord, reason: str) -> None:
    told = {"kind": ChangeKind.EDITED, "source": ChangeSource.PAGE, "revision": 2, "reason": reason}
    RecordChange.objects.create(workflow=workflow, record=record, name=record.record_id, **told)


def pages(record: WorkflowRecord, show: str = "") -> list[list[str]]:
    """The aliases and reasons on each page of the story, without what no page can be without."""
    found, cursor = [], ""
    while not found or cursor:
        story = record_story(record, runs_of(record), NO_SECRETS, show, cursor)
        found.append(said(story))
        cursor = story.next
        assert len(found) < 20
    return found


def said(story: Story) -> list[str]:
    said = {"step": lambda one: f"{one.last.alias} {one.last.attempt}", "change": lambda one: one.change.reason}
    return [said[entry.kind](entry) for entry in story.entries if entry.kind in said]


def test_a_walk_that_was_retried_in_place_tells_its_newest_step_before_newer_walks(workflow, few_at_once):
    record = make_record(workflow)
    first, second = walk(workflow, record), walk(workflow, record)
    make_journal_row(first, "check", attempt=1, status="failed")
    make_journal_row(second, "check", attempt=2)
    make_journal_row(second, "route", attempt=3)
    make_journal_row(first, "check", attempt=4)
    make_journal_row(first, "route", attempt=5)

    assert pages(record) == [["route 5", "check 4", "route 3", "check 2"], ["check 1"]]


def test_a_story_of_more_walks_than_are_read_at_once_is_told_whole_and_in_order(workflow, few_at_once):
    record, other = make_record(workflow), make_record(workflow)
    for number in range(1, 8):
        make_journal_row(walk(workflow, record), "check", attempt=number)
        edit(workflow, record, f"edit {number}")
    make_journal_row(walk(workflow, other), "check")

    told = [entry for page in pages(record) for entry in page]

    assert told == [text for number in range(7, 0, -1) for text in (f"edit {number}", f"check {number}")]
    assert [entry for page in pages(record, "data") for entry in page] == [f"edit {n}" for n in range(7, 0, -1)]


@pytest.mark.parametrize("show", ["", "errors", "people", "data"])
def test_a_story_is_read_by_three_queries_however_long_it_is(workflow, show):
    record = make_record(workflow)
    for number in range(30):
        frame = walk(workflow, record)
        make_journal_row(frame, "check", status="failed")
        make_journal_row(frame, "route", attempt=2)
        edit(workflow, record, f"edit {number}")
        note(frame.execution, workflow.owner, "retried", "Again.", {"records": [record.record_id]})

    with statements() as asked:
        story = record_story(record, runs_of(record), NO_SECRETS, show)

    assert len(asked) <= 3
    assert len(story.entries) >= 20


def test_a_page_of_errors_goes_on_past_walks_without_any(workflow, few_at_once):
    record = make_record(workflow)
    make_journal_row(walk(workflow, record), "check", status="failed")
    for _ in range(4):
        make_journal_row(walk(workflow, record), "check")

    assert [entry for page in pages(record, "errors") for entry in page] == ["check 1"]


def test_a_story_shows_that_null_was_stored_and_links_only_what_is_large(workflow):
    record = make_record(workflow)
    frame = walk(workflow, record)
    make_journal_row(frame, "route", output=Value(None, JSONField()))
    make_journal_row(frame, "check", output=[hex(number) for number in range(5_000)])

    steps = {
        entry.last.alias: entry
        for entry in record_story(record, runs_of(record), NO_SECRETS).entries
        if entry.kind == "step"
    }

    assert steps["route"].preview == [("vars.route", None)]
    assert not steps["route"].is_large
    assert steps["check"].is_large
