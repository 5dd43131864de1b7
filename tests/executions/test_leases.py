"""Frames of inline bodies are leased: what changed under a walk makes it be walked again, and nothing counts twice (I12)."""

from __future__ import annotations

from contextlib import contextmanager

import psycopg
import pytest

from executions import control
from executions.engine import slice as engine_slice
from executions.engine import sweep
from executions.engine.claim import Claimer
from executions.engine.context import Contexts
from executions.engine.database import connect
from executions.engine.journal import Commit
from executions.models import ExecutionFrame, ExecutionSlice, ExecutionStep
from records.patches import parse_path, set_at
from records.services import WorkflowData
from tests.executions.running import drive, email, journal, outputs, publish, start
from tests.executions.test_control import _calling, body
from tests.executions.test_iterate import _begin_iterate
from tests.rig.waiting import wait_for
from workflows.definition.compile import compile_plan

pytestmark = pytest.mark.django_db(transaction=True)

# The first record's walk calls what the test says, between the reading of all three records and the commit of their walks.
THREE = body(
    "alias: meanwhile, type: test_calling, config: {at: 1, wait: true, number: '{{ current.at }}'}",
    "alias: shout, type: set, config: {value: '{{ current.subject | upper }}'}, store_to_record: true, as: shouted",
)


@pytest.fixture
def three(db):
    workflow = publish(THREE)
    for place in (1, 2, 3):
        email(workflow, place, at=place, subject=f"hello {place}")
    return workflow


def test_a_record_that_a_person_edits_under_its_walk_is_walked_again_with_what_was_edited(three):
    execution = start(three)
    _calling(lambda: WorkflowData(three).records.patch("email_002", [set_at(parse_path("fields.subject"), "edited")]))

    drive(execution)

    assert execution.status == "completed"
    assert execution.records_complete == 3
    assert sorted(outputs(execution, "shout")) == ["EDITED", "HELLO 1", "HELLO 3"]
    assert three.records.get(record_id="email_002").data["vars"] == {"shouted": "EDITED"}
    assert len([row for row in journal(execution) if row[0] == "shout"]) == 3


def test_a_record_that_is_deleted_under_its_walk_is_skipped(three):
    execution = start(three)
    _calling(lambda: WorkflowData(three).records.delete("email_002"))

    drive(execution)

    assert (execution.status, execution.records_complete, execution.records_skipped) == ("completed", 2, 1)
    assert sorted(outputs(execution, "shout")) == ["HELLO 1", "HELLO 3"]


def test_frames_that_are_cancelled_under_their_walk_keep_nothing_of_it(three):
    execution = start(three)
    key = three.records.get(record_id="email_003").pk
    _calling(lambda: control.cancel(execution, records=["email_003"]))

    drive(execution)

    assert (execution.records_complete, execution.records_cancelled) == (2, 1)
    assert three.records.get(pk=key).status == "discovered"
    assert not ExecutionStep.objects.filter(execution=execution, record_id=key).exists()


def test_a_commit_that_met_a_deadlock_is_made_again(three, monkeypatch):
    real, met = Commit.write, []

    def write(self, **options):
        real(self, **options)
        if len(met) < 2 and len(self.entries) == 3:
            met.append(True)
            raise psycopg.errors.DeadlockDetected

    monkeypatch.setattr(Commit, "write", write)

    execution = drive(start(three))

    assert len(met) == 2
    assert (execution.status, execution.records_complete) == ("completed", 3)
    assert len(journal(execution)) == 7  # two steps of each record, and the iterate


def test_two_slices_lease_different_frames_and_the_frames_of_a_lost_one_are_suspects(three):
    execution = start(three)
    _begin_iterate(execution)
    with _leasing(execution, 2) as first, _leasing(execution, 2) as second:
        assert [len(first), len(second)] == [2, 1]
        assert not {frame.id for frame in first} & {frame.id for frame in second}

    with connect(application_name="sweep") as session:  # until PostgreSQL has seen both sessions end
        wait_for(lambda: sweep.take_back_lost(session) >= 0 and not ExecutionSlice.objects.exists())
    assert set(ExecutionFrame.objects.filter(execution=execution, alias="each").values_list("crashes", flat=True)) == {
        1
    }
    assert drive(execution).records_complete == 3


@contextmanager
def _leasing(execution, limit):
    """A slice with what it claimed first; it is lost when the block ends."""
    with connect(application_name="leasing") as session:
        slice_id = engine_slice._open(session, execution.pk)
        plan = compile_plan(execution.version)
        contexts = Contexts(plan, engine_slice.run_context(execution))
        batch = Claimer(session, plan, contexts, slice_id, replays=False).claim(limit)
        yield [frame for frame, _ in batch.frames]
