"""One story of changes and steps: what the record was, and who set each field."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.history import Origin, changes_of, difference
from records.models import ChangeSource, RecordChange
from records.patches import apply, delete_at, set_at
from records.records import Records
from records.timeline import JournalEntry, as_of, blame, moments
from tests.factories import make_user, make_workflow

START = datetime(2026, 11, 20, 9, 14, tzinfo=UTC)


def minutes(number):
    return START + timedelta(minutes=number)


def step(minute, alias, path, value, attempt=1):
    return JournalEntry(minutes(minute), alias, attempt, 1842, 7, path, value)


def change(minute, before, after, kind="edited"):
    patch, undo = difference({"data": before}, {"data": after}), difference({"data": after}, {"data": before})
    return RecordChange(pk=minute, at=minutes(minute), kind=kind, patch=patch, undo=undo, revision=1)


@pytest.fixture
def story():
    """A lead: found, its company extracted, corrected by a person, its segment set, found again with a new subject."""
    born = {"fields": {"subject": "Framework deal", "lines": [1]}, "vars": {}, "targets": {}}
    extracted = apply(born, [set_at(("vars", "lead"), {"company": "Nordwerk", "budget": None})])
    corrected = apply(extracted, [set_at(("vars", "lead", "company"), "Nordwerk Maschinenbau")])
    routed = apply(corrected, [set_at(("vars", "segment"), "enterprise-eu")])
    again = apply(routed, [set_at(("fields", "subject"), "Framework deal, 3 sites")])
    return SimpleNamespace(
        states=[born, extracted, corrected, routed, again],
        changes=[change(10, extracted, corrected), change(30, routed, again, "merged")],
        journal=[
            step(5, "extract", ("vars", "lead"), {"company": "Nordwerk", "budget": None}),
            step(20, "route", ("vars", "segment"), "enterprise-eu"),
        ],
    )


def test_the_record_can_be_seen_as_it_was_at_any_point(story):
    now = story.states[-1]

    for minute, state in zip((0, 5, 10, 29, 30), story.states, strict=True):
        assert as_of(now, START, minutes(minute), story.changes, story.journal) == state
    assert as_of(now, START, minutes(-1), story.changes, story.journal) is None


def test_each_field_is_blamed_on_what_set_it_from_what_and_when(story):
    found = {entry.path: entry for entry in blame(story.states[-1], START, story.changes, story.journal)}

    assert found["fields.lines"].event is None
    assert found["vars.lead.budget"].event.alias == "extract"
    company = found["vars.lead.company"]
    assert (company.event.kind, company.before, company.at) == ("edited", "Nordwerk", minutes(10))
    assert (found["vars.segment"].event.alias, found["vars.segment"].before) == ("route", None)
    assert (found["fields.subject"].event.kind, found["fields.subject"].before) == ("merged", "Framework deal")


def test_a_value_that_a_step_set_twice_goes_back_to_the_first():
    journal = [step(1, "score", ("vars", "score"), 0.4), step(2, "score", ("vars", "score"), 0.7, attempt=2)]
    now = {"fields": {}, "vars": {"score": 0.7}, "targets": {}}

    assert as_of(now, START, minutes(1), [], journal)["vars"] == {"score": 0.4}
    assert as_of(now, START, minutes(0), [], journal)["vars"] == {}


def test_what_the_record_began_with_is_known_where_a_step_wrote_over_it():
    created = change(0, {"vars": {}, "targets": {}}, {"vars": {"priority": 1}, "targets": {}}, "created")
    now = {"fields": {}, "vars": {"priority": 5}, "targets": {}}

    assert as_of(now, START, minutes(0), [created], [step(1, "raise", ("vars", "priority"), 5)])["vars"] == {
        "priority": 1
    }


def test_a_change_that_has_lost_its_place_spoils_nothing_else(story):
    lost = change(12, {"vars": {"gone": {"a": 1}}}, {"vars": {"gone": {"a": 2}}})

    found = as_of(story.states[-1], START, minutes(10), [*story.changes, lost], story.journal)

    assert found["vars"]["lead"]["company"] == "Nordwerk Maschinenbau"


keys = st.sampled_from("abc")
values = st.none() | st.integers(0, 3) | st.dictionaries(keys, st.integers(0, 3), max_size=2)
paths = st.lists(keys, min_size=1, max_size=2).map(lambda rest: ("vars", *rest))
edits = st.tuples(st.sampled_from(["step", "edit", "remove"]), paths, values)


@given(st.lists(edits, max_size=12))
def test_walking_back_gives_every_state_that_there_was(written):
    states, changes, journal = [{"fields": {"x": 1}, "vars": {}, "targets": {}}], [], []
    for minute, (kind, path, value) in enumerate(written, start=1):
        after = apply(states[-1], [delete_at(path) if kind == "remove" else set_at(path, value)])
        if kind == "step":
            journal.append(step(minute, "s", path, value))
        else:
            changes.append(change(minute, states[-1], after))
        states.append(after)

    found = moments(states[-1], changes, journal)

    assert [moment.after for moment in found] == states[1:]
    assert all(moment.before == state for moment, state in zip(found, states, strict=False))


@pytest.mark.django_db
def test_the_story_of_a_record_from_its_rows():
    maya = make_user("maya")
    records = Records(make_workflow(maya), Origin(ChangeSource.PAGE, actor_id=maya.pk, reason="by phone"))
    created = records.create("lead", {"company": "Nordwerk"}, record_id="lead_001").record
    records.set("lead_001", ("fields", "company"), "Nordwerk Maschinenbau")
    record = records.skip("lead_001")

    changes = changes_of(record.pk)

    assert [one.kind for one in changes] == ["moved", "edited", "created"]
    assert {one.actor.username for one in changes} == {"maya"}
    assert as_of(record.data, created.created_at, changes[2].at, changes, []) == created.data
    (company,) = [
        entry for entry in blame(record.data, created.created_at, changes, []) if entry.path == "fields.company"
    ]
    assert (company.event.reason, company.before) == ("by phone", "Nordwerk")


def test_a_change_says_every_value_also_one_that_stands_elsewhere_now():
    before, after = {"data": {"a": 2, "o": {}}}, {"data": {"o": {"b": 2}}}

    assert difference(before, after) == [
        {"op": "remove", "path": "/data/a"},
        {"op": "add", "path": "/data/o/b", "value": 2},
    ]
