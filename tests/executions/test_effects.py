"""Side effects, retries, time-outs, waiting: what the journal says before, during and after them."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.effects import Effect
from director.errors import DirectorError
from executions.engine.database import connect
from executions.engine.retry import delay_for, is_retryable, next_delay
from executions.models import ExecutionFrame, ExecutionSlice, ExecutionStep
from executions.retry import retry_failed
from records.models import WorkflowRecord
from records.patches import set_at
from records.services import WorkflowData
from tests.executions.running import drive, email, journal, outputs, publish, run, start, statuses, wake_all
from tests.rig.step_types import lines

pytestmark = pytest.mark.django_db(transaction=True)


def body(*steps: str, config: str = "over_records: email") -> str:
    return "\n".join(
        [
            "director: 1",
            "name: Effects",
            "steps:",
            "  - alias: each",
            "    type: iterate",
            f"    config: {{{config}}}",
            "    body:",
            *(f"      - {{{step}}}" for step in steps),
        ]
    )


def interrupt(execution, alias: str) -> None:
    """Leave the step's intent without receipt and its frame taken back, as the death of a worker in the middle does."""
    row = ExecutionStep.objects.get(execution=execution, alias=alias)
    with connect(application_name="test") as session:
        session.execute("ALTER TABLE execution_steps DISABLE TRIGGER journal_is_final")
        session.execute("UPDATE execution_steps SET status = 'running', output = NULL WHERE id = %s", (row.pk,))
        session.execute("ALTER TABLE execution_steps ENABLE TRIGGER journal_is_final")


@pytest.mark.parametrize("effect", [Effect.ONCE, Effect.IDEMPOTENT, Effect.KEYED])
def test_an_effect_has_its_intent_and_its_receipt_in_one_row(effect: Effect, tmp_path):
    workflow = publish(body(f"alias: write, type: test_{effect}, config: {{path: {tmp_path}/ledger}}"))
    email(workflow, 1)

    execution = run(workflow)

    row = ExecutionStep.objects.get(execution=execution, alias="write")
    assert (row.status, row.attempt) == ("complete", 1)
    assert len(row.fingerprint) == 64
    assert lines(tmp_path / "ledger") == [f"{execution.pk}:{row.frame_id}:write 1"]


def _stopped_after_effect(effect: str, tmp_path):
    """A run whose record is parked behind its effect, the effect's receipt then lost."""
    workflow = publish(
        body(
            f"alias: write, type: test_{effect}, config: {{path: {tmp_path}/ledger}}",
            "alias: rest, type: delay, config: {duration: 3600}",
        )
    )
    email(workflow, 1)
    execution = drive(start(workflow))
    assert execution.status == "waiting"
    interrupt(execution, "write")
    wake_all(execution)
    return workflow, execution


@pytest.mark.parametrize("effect", ["idempotent", "keyed"])
def test_an_intent_without_receipt_is_run_again_when_it_may_be(effect: str, tmp_path):
    _, execution = _stopped_after_effect(effect, tmp_path)

    drive(execution)

    first, second = lines(tmp_path / "ledger")
    assert first.split()[0] == second.split()[0]
    assert execution.status == "completed"
    assert ("write", 1, "complete") in journal(execution)


def test_an_intent_without_receipt_is_given_up_for_another_attempt_when_the_input_is_another_by_now(tmp_path):
    workflow = publish(
        body(
            'alias: write, type: test_idempotent, config: {path: "{{ current.path }}"}',
            "alias: rest, type: delay, config: {duration: 3600}",
        )
    )
    email(workflow, 1, path=f"{tmp_path}/first")
    execution = drive(start(workflow))
    interrupt(execution, "write")
    WorkflowData(workflow).records.patch("email_001", [set_at(["fields", "path"], f"{tmp_path}/second")])

    wake_all(execution)
    drive(execution)

    rows = ExecutionStep.objects.filter(execution=execution, alias="write").order_by("attempt")
    assert [(row.status, row.input["path"][-6:]) for row in rows] == [("failed", "/first"), ("complete", "second")]
    assert execution.records_complete == 1


def test_an_intent_without_receipt_of_a_once_only_effect_is_interrupted_and_not_repeated(tmp_path):
    workflow, execution = _stopped_after_effect("once", tmp_path)

    drive(execution)

    assert len(lines(tmp_path / "ledger")) == 1
    assert statuses(workflow) == {"email_001": "failed"}
    assert "may have happened" in workflow.records.get().error_message
    assert ("write", 1, "interrupted") in journal(execution)


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ('type: set, config: {value: "{{ 1 / 0 }}"}', "expression_failed"),
        ("type: code, config: {source: 'def main(): return \"x\" * 1100000'}", "value_too_large"),
        ('type: stop, config: {skip: "{{ current.subject }}"}', "config_invalid"),
    ],
)
def test_what_would_fail_again_in_the_same_way_is_not_tried_again(step: str, code: str):
    workflow = publish(body(f"alias: doomed, {step}, retry: {{maximum_attempts: 3}}"))
    email(workflow, 1)

    execution = run(workflow)

    assert [row.error["code"] for row in execution.steps.filter(alias="doomed")] == [code]
    assert statuses(workflow) == {"email_001": "failed"}


def test_a_step_is_tried_again_as_its_retry_policy_says_and_holds_nothing_meanwhile(tmp_path):
    workflow = publish(
        body(
            f"alias: flaky, type: test_flaky, retry: {{maximum_attempts: 3}}, config: {{path: {tmp_path}/tries, failures: 2}}"
        )
    )
    email(workflow, 1)

    execution = drive(start(workflow))

    assert execution.status == "waiting"
    frame = ExecutionFrame.objects.get(execution=execution, alias="each")
    assert (frame.status, frame.waiting_for, frame.slice_id) == ("waiting", "retry", None)
    assert workflow.records.get().status == "waiting"
    while execution.status == "waiting":
        wake_all(execution)
        drive(execution)
    assert outputs(execution, "flaky") == ["at last"]


def test_a_step_that_takes_longer_than_its_timeout_fails():
    workflow = publish(body("alias: slow, type: test_slow, timeout: 0.05, config: {seconds: 30}"))
    email(workflow, 1)

    run(workflow)

    assert "did not finish within its time-out of 0.05 s" in workflow.records.get().error_message


def test_a_delay_parks_the_record_and_goes_on_when_its_time_comes():
    workflow = publish(
        body("alias: rest, type: delay, config: {duration: 2h}", "alias: after, type: set, config: {value: done}")
    )
    email(workflow, 1)

    execution = drive(start(workflow))

    frame = ExecutionFrame.objects.get(execution=execution, alias="each")
    assert frame.waiting_for == "timer"
    assert timedelta(hours=1.9) < frame.wake_at - datetime.now(UTC) < timedelta(hours=2.1)
    assert not ExecutionSlice.objects.exists()
    wake_all(execution)
    assert drive(execution).status == "completed"
    assert outputs(execution, "after") == ["done"]


def test_when_skips_a_step_unless_it_is_true():
    workflow = publish(body('alias: big, type: set, when: "{{ current.amount > 10 }}", config: {value: big}'))
    email(workflow, 1, amount=5)
    email(workflow, 2, amount=50)

    execution = run(workflow)

    assert sorted(status for _, _, status in journal(execution) if _ == 1 and status == "skipped") == ["skipped"]
    assert outputs(execution, "big") == ["big"]


def test_stop_ends_a_records_walk_and_may_skip_it():
    workflow = publish(
        body(
            'alias: enough, type: stop, when: "{{ current.spam }}", config: {skip: true}',
            "alias: after, type: set, config: {value: 1}",
        )
    )
    email(workflow, 1, spam=True)
    email(workflow, 2, spam=False)

    execution = run(workflow)

    assert statuses(workflow) == {"email_001": "skipped", "email_002": "complete"}
    assert outputs(execution, "after") == [1]
    assert execution.records_skipped == 1


def test_a_failed_record_is_retried_in_the_same_run_while_others_still_wait(tmp_path):
    workflow = publish(
        body(
            "alias: first, type: set, config: {value: kept}",
            'alias: check, type: set, config: {value: "{{ current.amount + 1 }}"}',
            "alias: rest, type: delay, config: {duration: 3600}",
        )
    )
    email(workflow, 1, amount=1)
    broken = email(workflow, 2)
    execution = drive(start(workflow))
    assert statuses(workflow) == {"email_001": "waiting", "email_002": "failed"}
    broken.data["fields"]["amount"] = 41
    WorkflowRecord.objects.filter(pk=broken.pk).update(data=broken.data)

    retried = retry_failed(execution)

    assert [run.pk for run in retried.executions] == [execution.pk]
    drive(execution)
    wake_all(execution)
    drive(execution)
    assert execution.status == "completed"
    assert (execution.records_complete, execution.records_failed) == (2, 0)
    assert outputs(execution, "first") == ["kept", "kept"]
    assert 42 in outputs(execution, "check")


def test_a_failed_record_of_a_finished_run_goes_on_in_a_new_one_that_repeats_nothing(tmp_path):
    workflow = publish(
        body(
            f"alias: write, type: test_once, config: {{path: {tmp_path}/ledger}}",
            'alias: check, type: set, config: {value: "{{ current.amount + 1 }}"}, store_to_record: true, as: amount_next',
        )
        + "\n  - {alias: summary, type: test_once, config: {path: "
        + f"{tmp_path}/summary"
        + "}}"
    )
    email(workflow, 1, amount=1)
    broken = email(workflow, 2)
    execution = run(workflow)
    broken.data["fields"]["amount"] = 41
    WorkflowRecord.objects.filter(pk=broken.pk).update(data=broken.data)

    (again,) = retry_failed(execution).executions

    drive(again)
    assert again.status == "completed"
    assert again.replay_of_id == execution.pk
    assert statuses(workflow) == {"email_001": "complete", "email_002": "complete"}
    assert workflow.records.get(record_id="email_002").data["vars"]["amount_next"] == 42
    assert len(lines(tmp_path / "ledger")) == 2
    assert len(lines(tmp_path / "summary")) == 1
    assert ("write", 1, "reused") in journal(again)
    execution.refresh_from_db()
    assert (execution.status, execution.records_failed) == ("completed", 1)


class TestBackOff:
    """Pure decisions; no database."""

    class Ceiling:
        def uniform(self, low: float, high: float) -> float:
            return high

    @pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (9, 60), (2000, 60)])
    def test_the_pause_grows_up_to_its_maximum(self, attempt: int, seconds: float):
        from workflows.definition.plan import RetryPolicy

        policy = RetryPolicy(5, initial_interval=1, backoff_coefficient=2, maximum_interval=60)

        assert next_delay(policy, attempt, random=self.Ceiling()) == timedelta(seconds=seconds)

    def test_a_longer_retry_after_of_the_service_is_honoured(self):
        from workflows.definition.plan import RetryPolicy

        error = DirectorError()
        error.retry_after = 90

        assert delay_for(RetryPolicy(5), 1, error, random=self.Ceiling()) == timedelta(seconds=90)

    def test_what_says_it_is_not_retryable_is_not_tried_again(self):
        from workflows.definition.plan import RetryPolicy

        refused, other = DirectorError(), DirectorError()
        refused.retryable = False

        assert not is_retryable(RetryPolicy(5), 1, refused)
        assert is_retryable(RetryPolicy(5), 1, other)
        assert not is_retryable(RetryPolicy(5), 5, other)
        assert not is_retryable(None, 1, other)
