"""Pausing, resuming with changes, breakpoints, cancelling: nothing runs past a boundary, nothing is done twice."""

from datetime import timedelta
from functools import partialmethod
from threading import Thread

import pytest
from django.utils import timezone

from connectors.effects import Effect
from executions import control, modifications
from executions.engine.walk import Parked, Walker
from executions.errors import InvalidTransition
from executions.models import Execution, ExecutionFrame, ExecutionStep
from executions.queries.outcome import outcome
from executions.refusals import ModificationRefused, NothingPaused, RecordNotInRun, StepUnknown
from records.errors import PathInvalid
from records.models import RecordChange, WorkflowRecord, WorkflowVariable
from tests.executions.running import drive, email, journal, outputs, publish, start, statuses, wake_all
from tests.rig.step_types import TestStep, lines
from workflows.definition.compile import compile_plan
from workflows.errors import DefinitionInvalid
from workflows.step_types import registry

pytestmark = pytest.mark.django_db(transaction=True)

PERSON = "Wrong model."


class Calling(TestStep):
    """Calls what a test put here, in a thread of its own as another process would, when `current.number` is `at`."""

    name, label, effect = "test_calling", "Call", Effect.PURE
    called = None

    def run(self, call):
        if call.config.get("number") == call.config["at"] and Calling.called is not None:
            todo, Calling.called = Calling.called, None
            Calling.thread = Thread(target=todo)
            Calling.thread.start()
            if call.config.get("wait"):
                Calling.thread.join()
        return call.config.get("value")


registry.register(Calling())


def body(*steps: str, over: str = "over_records: email") -> str:
    lines = [
        "director: 1",
        "name: Control",
        "steps:",
        "  - alias: each",
        "    type: iterate",
        f"    config: {{{over}}}",
        "    body:",
    ]
    return "\n".join([*lines, *(f"      - {{{step}}}" for step in steps)])


def changes(execution: Execution, **given):
    return modifications.read(given, compile_plan(execution.version), "Version 1")


def emails(workflow, count: int) -> None:
    WorkflowRecord.objects.bulk_create(
        WorkflowRecord(
            workflow=workflow,
            record_id=f"email_{number:04}",
            record_type="email",
            data={"fields": {"number": number}, "vars": {}, "targets": {}},
        )
        for number in range(1, count + 1)
    )


def _calling(todo) -> None:
    def call():
        from django.db import connection

        todo()
        connection.close()

    Calling.called = staticmethod(call)


FIVE = body(
    'alias: first, type: test_calling, config: {at: 1000, wait: true, number: "{{ current.number }}", value: old}',
    "alias: second, type: set, config: {value: old}, store_to_record: true, as: seen",
)


def test_every_record_sees_one_of_two_settings_at_each_step_when_5000_are_paused_and_resumed_with_a_change():
    workflow = publish(FIVE)
    emails(workflow, 5_000)
    execution = start(workflow)
    _calling(lambda: control.pause(execution, reason=PERSON))

    drive(execution)
    assert execution.status == "paused"
    done_before = ExecutionStep.objects.filter(execution=execution, alias="second").count()
    assert 0 < done_before < 5_000
    new = changes(execution, steps={"first": {"output": "new"}, "second": {"input": {"value": "new"}}})
    control.resume(execution, reason=PERSON, changes=new)
    drive(execution)

    assert execution.status == "completed"
    assert execution.records_complete == 5_000
    for alias in ("first", "second"):
        rows = ExecutionStep.objects.filter(execution=execution, alias=alias)
        assert rows.count() == rows.values("frame").distinct().count() == 5_000
        assert set(rows.values_list("output", flat=True)) == {"old", "new"}
    assert ExecutionStep.objects.filter(execution=execution, alias="second", output="old").count() == done_before
    assert workflow.records.filter(data__vars__seen="new").count() == 5_000 - done_before
    assert list(execution.interventions.order_by("id").values_list("kind", "reason")) == [
        ("paused", PERSON),
        ("resumed", PERSON),
    ]
    assert execution.interventions.get(kind="resumed").changes["steps"]["second"] == {
        "all": {"input": {"value": "new"}}
    }


def test_a_change_without_a_pause_is_in_force_from_the_next_boundary_on():
    workflow = publish(FIVE)
    emails(workflow, 5_000)
    execution = start(workflow)
    new = changes(execution, steps={"second": {"input": {"value": "new"}}})
    _calling(lambda: control.change(execution, new, reason=PERSON))

    drive(execution)

    assert execution.status == "completed"
    found = set(ExecutionStep.objects.filter(execution=execution, alias="second").values_list("output", flat=True))
    assert found == {"old", "new"}


def test_a_pause_reaches_a_walker_in_a_long_step_by_signal_and_holds_it_at_the_next_boundary():
    workflow = publish(
        body(
            "alias: call, type: test_calling, config: {at: 1, number: 1}",
            "alias: slow, type: test_slow, config: {seconds: 1}",
            "alias: next, type: test_slow, config: {seconds: 0}",
        )
    )
    email(workflow, 1)
    execution = start(workflow)
    _calling(lambda: control.pause(execution))

    drive(execution)

    assert execution.status == "paused"
    assert [row for row in journal(execution) if row[0] == "next"] == []
    assert ExecutionFrame.objects.get(execution=execution, alias="each").at_step in ("slow", "next")
    control.resume(execution)
    assert drive(execution).status == "completed"


@pytest.mark.parametrize("by", [{}, {"steps": ["note"]}, {"records": ["email_0001"]}])
def test_a_record_that_stops_in_the_moment_in_which_the_run_is_resumed_goes_on(by, monkeypatch, tmp_path):
    workflow = publish(
        body(
            "alias: call, type: test_calling, config: {at: 1, wait: true, number: 1}",
            f"alias: send, type: test_idempotent, config: {{path: {tmp_path}/sent}}",  # its intent brings the news
            "alias: note, type: set, config: {value: 1}",
        )
    )
    emails(workflow, 1)
    execution = start(workflow)
    _calling(lambda: control.pause(execution, **by))
    heed = {name: getattr(Walker, name) for name in ("_heed_control", "_heed_breakpoints")}

    def resume_before_it_is_written(self, name: str, *args, **kwargs):
        try:
            heed[name](self, *args, **kwargs)
        except Parked:
            monkeypatch.undo()
            _in_thread(lambda: control.resume(execution))
            raise

    for name in heed:
        monkeypatch.setattr(Walker, name, partialmethod(resume_before_it_is_written, name))

    drive(execution)

    assert [each.kind for each in execution.interventions.order_by("id")] == ["paused", "resumed"]
    assert execution.status == "completed"


def _in_thread(todo) -> None:
    _calling(todo)
    thread = Thread(target=Calling.called)
    thread.start()
    thread.join()


def test_one_record_is_paused_while_the_others_go_on_and_resumes_with_an_edit_that_its_history_tells_of():
    workflow = publish(body('alias: total, type: set, config: {value: "{{ current.amount * 2 }}"}'))
    for number in (1, 2, 3):
        email(workflow, number, amount=1)
    execution = start(workflow)
    drive_until_frames(execution)

    control.pause(execution, records=["email_002"], reason="Look at it first.")
    drive(execution)

    assert execution.status == "waiting"
    assert statuses(workflow) == {"email_001": "complete", "email_002": "waiting", "email_003": "complete"}
    edit = changes(execution, records={"email_002": {"fields.amount": 21}}, variables={"limit": 10})
    control.resume(execution, records=["email_002"], changes=edit, reason="The supplier called.")
    assert drive(execution).status == "completed"
    assert sorted(outputs(execution, "total")) == [2, 2, 42]
    assert RecordChange.objects.get().reason == "The supplier called."
    assert WorkflowVariable.objects.get().value == 10


def drive_until_frames(execution: Execution) -> None:
    """Walk no further than to where the iterate's frames are made: they are held before the first step."""
    first = next(iter(compile_plan(execution.version).steps["each"].blocks[0].steps)).alias
    control.pause(execution, steps=[first])
    drive(execution)
    control.resume(execution, keep_breakpoints=False)


BREAK = body(
    "alias: before, type: set, config: {value: 1}",
    'alias: risky, type: set, config: {value: "{{ current.number }}"}',
    "alias: after, type: set, config: {value: 1}",
)


def test_a_breakpoint_holds_every_record_before_the_step_once_and_some_may_be_let_past_it():
    workflow = publish(BREAK)
    emails(workflow, 4)
    execution = start(workflow)

    control.pause(execution, steps=["risky"])
    drive(execution)

    assert execution.status == "waiting"
    assert len(outputs(execution, "before")) == 4
    assert outputs(execution, "risky") == []
    held = ExecutionFrame.objects.filter(execution=execution, waiting_for="pause", at_step="risky")
    assert held.count() == 4
    control.resume(execution, records=["email_0001"])
    drive(execution)
    assert outputs(execution, "risky") == [1]
    control.resume(execution)
    assert drive(execution).status == "completed"
    assert sorted(outputs(execution, "risky")) == [1, 2, 3, 4]


def test_of_a_run_that_is_paused_as_a_whole_some_records_may_go_on():
    workflow = publish(FIVE)
    emails(workflow, 4_000)  # more than may be walked before the pause is heard
    execution = start(workflow)
    _calling(lambda: control.pause(execution))
    drive(execution)
    last = "email_4000"

    control.resume(execution, records=[last])
    drive(execution)

    assert execution.status == "waiting"
    assert workflow.records.get(record_id=last).status == "complete"
    before = workflow.records.filter(status="complete").count()
    assert before < 4_000
    control.resume(execution)
    assert drive(execution).status == "completed"


def test_pause_when_holds_the_records_for_which_it_is_true():
    workflow = publish(
        body('alias: pay, type: set, pause_when: "{{ current.number > 2 }}", config: {value: "{{ current.number }}"}')
    )
    emails(workflow, 4)

    execution = drive(start(workflow))

    assert sorted(outputs(execution, "pay")) == [1, 2]
    assert ExecutionFrame.objects.filter(execution=execution, waiting_for="pause", at_step="pay").count() == 2
    control.resume(execution)
    assert drive(execution).status == "completed"


def test_a_pause_when_that_cannot_be_evaluated_fails_the_record_and_one_that_names_nothing_is_refused_beforehand():
    workflow = publish(body('alias: pay, type: set, pause_when: "{{ current.nothing > 2 }}", config: {value: 1}'))
    emails(workflow, 1)

    execution = drive(start(workflow))

    assert execution.status == "completed"
    assert "current.nothing" in workflow.records.get().error_message
    with pytest.raises(DefinitionInvalid) as refused:
        publish(body('alias: pay, type: set, pause_when: "{{ curent.x }}", config: {value: 1}'))
    assert "pause_when" in refused.value.problems[0].path


@pytest.mark.parametrize(("then", "expected"), [("resume", "completed"), ("cancel", "cancelled"), ("stay", "paused")])
def test_a_pause_with_a_time_limit_ends_as_was_said(then: str, expected: str):
    workflow = publish(BREAK)
    emails(workflow, 2)
    execution = start(workflow)
    control.pause(execution, lasting=timedelta(hours=1), then=then)
    drive(execution)
    assert control.end_pauses() == 0

    Execution.objects.filter(pk=execution.pk).update(pause_until=timezone.now())
    control.end_pauses()
    drive(execution)

    assert execution.status == expected
    assert execution.interventions.count() == (1 if then == "stay" else 2)


def test_a_pause_that_a_person_set_anew_in_the_moment_in_which_its_time_was_over_is_kept(monkeypatch):
    workflow = publish(BREAK)
    emails(workflow, 2)
    execution = start(workflow)
    control.pause(execution, lasting=timedelta(microseconds=1), then="resume")
    end = control._end_pause

    def a_person_is_first(due: Execution) -> bool:
        control.resume(due)
        control.pause(due, steps=["risky"], lasting=timedelta(hours=1), then="cancel")
        return end(due)

    monkeypatch.setattr(control, "_end_pause", a_person_is_first)

    assert control.end_pauses() == 0

    execution.refresh_from_db()
    assert (execution.breakpoints, execution.pause_then) == ({"steps": ["risky"]}, "cancel")
    assert drive(execution).status == "waiting"


def test_cancel_leaves_every_record_in_a_named_state_and_tells_what_was_done(tmp_path):
    workflow = publish(
        body(
            f"alias: send, type: test_once, config: {{path: {tmp_path}/ledger}}",
            "alias: rest, type: delay, config: {duration: 3600}",
            "alias: after, type: set, config: {value: 1}",
        )
    )
    emails(workflow, 5)
    execution = drive(start(workflow))
    assert execution.status == "waiting"

    control.cancel(execution, reason="Enough.")

    assert execution.status == "cancelled"
    assert set(statuses(workflow).values()) == {"discovered"}
    told = outcome(execution)
    assert (told.records, told.midway) == ({"cancelled": 5}, 5)
    assert [(each.step, each.happened, each.uncertain) for each in told.effects] == [("send", 5, 0)]
    assert "Done and not undone: send x 5." in told.sentence
    assert len(lines(tmp_path / "ledger")) == 5
    with pytest.raises(InvalidTransition):
        control.resume(execution)


def test_one_record_is_cancelled_and_the_run_completes_without_it():
    workflow = publish(body("alias: rest, type: delay, config: {duration: 3600}"))
    emails(workflow, 3)
    execution = drive(start(workflow))

    control.cancel(execution, records=["email_0002"])
    wake_all(execution)
    drive(execution)

    assert execution.status == "completed"
    assert (execution.records_complete, execution.records_cancelled) == (2, 1)
    assert statuses(workflow)["email_0002"] == "discovered"


def test_what_cannot_be_meant_is_refused_with_what_was_near():
    workflow = publish(BREAK)
    emails(workflow, 1)
    execution = start(workflow)

    with pytest.raises(NothingPaused):
        control.resume(execution)
    with pytest.raises(StepUnknown, match='Did you mean "risky"'):
        control.pause(execution, steps=["riski"])
    with pytest.raises(RecordNotInRun):
        control.pause(execution, records=["email_0009"])
    for given, error in (
        ({"steps": {"riski": {"output": 1}}}, StepUnknown),
        ({"steps": {"risky": {"output": 1, "input": {}}}}, ModificationRefused),
        ({"steps": {"risky": {"input": 3}}}, ModificationRefused),
        ({"steps": {"each": {"output": 3}}}, ModificationRefused),
        ({"records": {"email_0001": {"amount": 3}}}, PathInvalid),
        ({"variable": {}}, ModificationRefused),
    ):
        with pytest.raises(error):
            changes(execution, **given)
    assert not execution.interventions.exists()
