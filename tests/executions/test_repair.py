"""Putting failed records right: decisions about interrupted steps, edits, alike failures."""

import pytest

from executions import repair
from executions.errors import NothingToRetry
from executions.models import ExecutionStep
from executions.queries import causes_of, record_story, runs_of
from executions.refusals import ModificationRefused, NotInterrupted
from executions.repair import Repair
from executions.retry import retry_failed
from records.models import RecordChange
from records.secrets import NO_SECRETS
from tests.executions.running import drive, email, journal, outputs, publish, run, start, statuses, wake_all
from tests.executions.test_effects import body, interrupt
from tests.rig.step_types import lines

pytestmark = pytest.mark.django_db(transaction=True)


def _interrupted(tmp_path):
    """A run whose record's mail may or may not have been sent."""
    workflow = publish(
        body(
            f"alias: send, type: test_once, config: {{path: {tmp_path}/ledger}}, store_to_record: true",
            "alias: rest, type: delay, config: {duration: 3600}",
            'alias: after, type: set, config: {value: "{{ send.key }}"}',
        )
    )
    email(workflow, 1)
    execution = drive(start(workflow))
    interrupt(execution, "send")
    wake_all(execution)
    drive(execution)
    assert statuses(workflow) == {"email_001": "failed"}
    return workflow, execution


def test_an_interrupted_step_is_looked_up_and_treated_as_done_with_what_a_person_found(tmp_path):
    workflow, execution = _interrupted(tmp_path)

    look = repair.interrupted(execution, "email_001")
    (again,) = repair.decide(execution, "send", "done", records=["email_001"], output={"key": "m-7"}).executions
    drive(again)

    assert look.idempotency_key == lines(tmp_path / "ledger")[0].split()[0]
    assert look.input == {"path": f"{tmp_path}/ledger"}
    assert ("send", 1, "overridden") in journal(again)
    assert outputs(again, "after") == ["m-7"]
    assert workflow.records.get().data["vars"]["send"] == {"key": "m-7"}
    assert len(lines(tmp_path / "ledger")) == 1
    assert again.interventions.get().kind == "decided"


def test_an_interrupted_step_is_done_again_only_when_a_person_says_so(tmp_path):
    workflow, execution = _interrupted(tmp_path)

    (again,) = repair.decide(
        execution, "send", "again", records=["email_001"], reason="It was not in the outbox."
    ).executions
    drive(again)
    wake_all(again)
    drive(again)

    assert len(lines(tmp_path / "ledger")) == 2
    assert statuses(workflow) == {"email_001": "complete"}
    with pytest.raises(NotInterrupted):
        repair.decide(execution, "after", "again", records=["email_001"])
    with pytest.raises(NotInterrupted):
        repair.interrupted(again, "email_001")


SUM = (
    'alias: net, type: set, config: {value: "{{ current.amount }}"}, store_to_record: true',
    "alias: send, type: test_once, config: {path: PATH}",
    'alias: twice, type: set, config: {value: "{{ net * 2 }}"}, store_to_record: true',
    'alias: total, type: set, config: {value: "{{ twice + current.tax }}"}',
)


@pytest.mark.parametrize("is_over", [True, False])
def test_editing_a_field_or_the_output_of_a_step_goes_on_from_there_and_repeats_no_effect(tmp_path, is_over: bool):
    steps = [step.replace("PATH", f"{tmp_path}/ledger") for step in SUM]
    workflow = publish(
        body(*steps, 'alias: rest, type: delay, when: "{{ current.slow | default(false) }}", config: {duration: 60}')
    )
    for number in (1, 2, 3):
        email(workflow, number, amount=number, slow=False)
    if not is_over:
        email(workflow, 4, amount=1, tax=1, slow=True)
    execution = drive(start(workflow))
    assert execution.status == ("completed" if is_over else "waiting")

    field = repair.repair(execution, ["email_001"], Repair(edit={"fields.tax": 1}), reason="As on the invoice.")
    step = repair.repair(
        execution,
        ["email_002"],
        Repair(edit={"fields.tax": 1}, steps={"net": {"output": 100}}),
        reason="Net was wrong.",
    )
    runs = {each.pk: each for each in (*field.executions, *step.executions)}.values()
    for each in runs:
        drive(each)

    assert ({each.pk for each in runs} == {execution.pk}) is not is_over
    totals = ExecutionStep.objects.filter(
        alias="total", status="complete", record__record_id__in=["email_001", "email_002"]
    )
    assert sorted(totals.values_list("output", flat=True)) == [3, 201]
    assert workflow.records.get(record_id="email_002").data["vars"] == {"net": 100, "twice": 200}
    assert len(lines(tmp_path / "ledger")) == (3 if is_over else 4)
    assert set(RecordChange.objects.values_list("reason", flat=True)) == {"As on the invoice.", "Net was wrong."}
    with pytest.raises(ModificationRefused):
        repair.repair(execution, ["email_003"], Repair(steps={"net": {"result": 1}}))


def test_alike_failures_are_found_by_one_of_them_put_right_together_and_retried_five_first():
    workflow = publish(
        body(
            'alias: total, type: set, config: {value: "{{ current.amount + 1 }}"}',
            'alias: rest, type: fail, when: "{{ current.bad | default(false) }}", config: {message: no}',
        )
    )
    for number in range(1, 10):
        email(workflow, number)
    email(workflow, 10, amount=1, bad=True)
    execution = run(workflow)
    group = next(cause for cause in causes_of(execution) if cause.step == "total")

    alike = repair.alike(execution, "email_003")
    first = repair.retry_group(execution, group.key, first=5, reason="See whether it helps.")
    for each in first.retried.executions:
        drive(each)

    assert alike == [f"email_{number:03}" for number in range(1, 10)]
    assert (first.retried.records, first.remaining) == (5, 4)
    (kept,) = [intervention for run in first.retried.executions for intervention in run.interventions.all()]
    assert (kept.kind, kept.reason, kept.changes) == (
        "retried",
        "See whether it helps.",
        {"count": 5, "records": alike[:5], "cause": group.key},
    )
    tried = next(cause for cause in causes_of(execution) if cause.key == group.key)
    assert (tried.left, tried.wants_first, tried.tried.counts) == (9, False, [("failed", 5)])
    repaired = repair.repair(execution, alike, Repair(edit={"fields.amount": 1}))
    for each in repaired.executions:
        drive(each)
    assert repaired.records == 9
    assert list(statuses(workflow).values()).count("complete") == 9
    with pytest.raises(NothingToRetry):
        repair.retry_group(execution, group.key)


def test_the_story_of_each_record_that_was_retried_among_all_says_so():
    workflow = publish(
        body(
            'alias: rest, type: delay, when: "{{ current.people > 0 }}", config: {duration: 3600}',
            'alias: share, type: set, config: {value: "{{ 10 / current.people }}"}',
        )
    )
    records = [email(workflow, number, people=people) for number, people in ((1, 1), (2, 0), (3, 0))]
    execution = drive(start(workflow))

    for reason in ("while it goes on", "and once more"):
        retry_failed(execution, user=workflow.owner, reason=reason)
        drive(execution)
    wake_all(execution)
    (later,) = retry_failed(drive(execution), reason="when it is over").executions

    def told(record) -> list:
        story = record_story(record, runs_of(record), NO_SECRETS, "people")
        return [(one.what, one.number, one.user, one.reason) for one in story.entries]

    expected = [
        ("retried", later.number, None, "when it is over"),
        ("retried", execution.number, workflow.owner, "and once more"),
        ("retried", execution.number, workflow.owner, "while it goes on"),
    ]
    assert [told(record) for record in records] == [[], expected, expected]
