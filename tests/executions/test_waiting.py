"""Why something does not run, in one sentence."""

import pytest

from executions import control
from executions.models import ExecutionFrame
from executions.waiting import why_execution, why_frame, why_record
from tests.executions.prompting import person
from tests.executions.running import drive, email, publish, start
from tests.executions.test_effects import body

pytestmark = pytest.mark.django_db(transaction=True)

ASK = "alias: ask, type: human_prompt, config: {title: 'Pay {{ current.record_id }}', assignees: {users: [anna]}}"


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ("alias: rest, type: delay, config: {duration: 3600}", "Rests in step rest until "),
        (
            "alias: hold, type: set, pause_when: true, config: {value: 1}",
            "Paused by the workflow itself before step hold.",
        ),
        (
            "alias: flaky, type: fail, retry: {maximum_attempts: 3, initial_interval: 600}, config: {message: not yet}",
            "Step flaky is tried again at ",
        ),
        (ASK, "Waits for anna to answer “Pay email_001” until "),
    ],
)
def test_a_waiting_record_its_frame_and_its_run_say_for_what(step: str, sentence: str):
    person("anna")
    workflow = publish(body(step))
    email(workflow, 1)
    execution = drive(start(workflow))

    record = workflow.records.get()

    assert why_record(record).startswith(sentence)
    assert why_execution(execution).startswith(f"email_001: {sentence.rstrip('.')}")
    root = ExecutionFrame.objects.get(execution=execution, parent=None)
    assert why_frame(root) == "Waits for the records of each: 0 of 1 are done."


def test_paused_queued_and_finished_runs_say_by_whom_and_what_is_missing():
    anna = person("anna")
    workflow = publish(body("alias: rest, type: delay, config: {duration: 3600}"))
    for number in (1, 2):
        email(workflow, number)
    execution = start(workflow)
    assert why_execution(execution).startswith("Ready: about to be taken up")

    drive(execution)
    assert why_execution(execution).startswith("2 records rest in a delay, the first until ")
    control.pause(execution, user=anna, reason="Look at it first.")
    assert why_execution(execution) == "Paused by anna: Look at it first."
    control.cancel(execution)
    assert why_execution(execution) == ""
    assert why_record(workflow.records.first()).startswith("No run works on it")


def test_a_record_held_by_pause_when_or_by_one_of_two_people_names_nobody_else():
    anna, ben = person("anna"), person("ben")
    workflow = publish(body("alias: hold, type: set, pause_when: true, config: {value: 1}"))
    for number in (1, 2):
        email(workflow, number)
    execution = drive(start(workflow))

    control.pause(execution, user=anna, records=["email_002"], reason="Ask the customer.")
    control.pause(execution, user=ben, steps=["each"], reason="Not today.")

    first, second = workflow.records.order_by("record_id")
    assert why_record(first) == "Paused by the workflow itself before step hold."
    assert why_record(second) == "Paused by anna before step hold: Ask the customer."
    assert why_execution(execution) == "2 records are held: Paused by the workflow itself before step hold."
