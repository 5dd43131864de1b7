"""Walking records: what an iterate takes, what it leaves, and what becomes of each record."""

import pytest

from executions.engine import claim
from executions.engine import slice as engine_slice
from executions.engine.claim import Batch
from executions.models import ExecutionFrame
from records.models import WorkflowRecord
from tests.executions.running import drive, email, journal, outputs, publish, run, start, statuses, wake_all

pytestmark = pytest.mark.django_db(transaction=True)

CLASSIFY = """
director: 1
name: Classify
steps:
  - alias: each
    type: iterate
    config: {over_records: "email_*"}
    body:
      - alias: kind
        type: set
        config: {value: "{{ 'invoice' if 'invoice' in current.subject | lower else 'other' }}"}
        store_to_record: true
        as: category
      - alias: check
        type: condition
        branches:
          - if: "{{ current.amount > 100 }}"
            steps:
              - {alias: large, type: set, config: {value: "{{ current.category }} over 100"}}
          - else:
            steps: []
  - alias: summary
    type: set
    config: {value: "{{ each.processed }} done, {{ each.failed }} failed"}
"""


def test_each_record_is_walked_and_carries_its_own_data():
    workflow = publish(CLASSIFY)
    email(workflow, 1, subject="Invoice 7", amount=250)
    email(workflow, 2, amount=3)

    execution = run(workflow)

    assert execution.status == "completed"
    assert statuses(workflow) == {"email_001": "complete", "email_002": "complete"}
    first = workflow.records.get(record_id="email_001")
    assert first.data["vars"] == {"category": "invoice"}
    assert first.frame_id is None
    assert outputs(execution, "large") == ["invoice over 100"]
    assert outputs(execution, "summary") == ["2 done, 0 failed"]


def test_a_failed_record_stops_none_of_the_others_and_says_what_is_missing():
    workflow = publish(CLASSIFY)
    for number in (1, 2, 3):
        email(workflow, number, **({} if number == 2 else {"amount": 3}))

    execution = run(workflow)

    assert execution.status == "completed"
    assert (execution.records_total, execution.records_complete, execution.records_failed) == (3, 2, 1)
    failed = workflow.records.get(status="failed")
    assert failed.record_id == "email_002"
    assert "current.amount" in failed.error_message
    assert outputs(execution, "each")[0]["errors"][0]["record"] == "email_002"
    assert outputs(execution, "summary") == ["2 done, 1 failed"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('over_records: "{{ none }}"', "`over_records` is empty (null)"),
        ("over_records: \"{{ '' }}\"", "`over_records` is empty."),
        ('over_records: "{{ {} }}"', "`over_records` is an object"),
        ('over_records: email, where: "{{ current.amount > 1 }}"', "config.where, for email_002: `current.amount`"),
    ],
)
def test_an_iterate_that_cannot_choose_says_where_and_walks_nothing(config: str, told: str):
    workflow = publish(_iterate(config))
    email(workflow, 1, amount=2)
    email(workflow, 2)

    execution = run(workflow)

    assert execution.status == "failed"
    assert told in execution.error["message"]
    assert set(statuses(workflow).values()) == {"discovered"}


def test_a_second_run_over_the_same_records_processes_nothing():
    workflow = publish(CLASSIFY)
    email(workflow, 1, amount=1)
    run(workflow)

    again = run(workflow)

    assert again.status == "completed"
    assert again.records_total == 0
    assert outputs(again, "summary") == ["0 done, 0 failed"]


def test_journal_rows_of_a_frame_come_in_the_order_of_its_steps():
    workflow = publish(CLASSIFY)
    email(workflow, 1, amount=250)

    execution = run(workflow)

    assert journal(execution) == [
        ("each", 1, "complete"),
        ("summary", 1, "complete"),
        ("kind", 1, "complete"),
        ("check", 1, "complete"),
        ("large", 1, "complete"),
    ]


@pytest.mark.parametrize(
    ("over", "expected"),
    [("email_*", 3), ("email", 3), ("email_002", 1), ("*", 4), ("lead*", 1), ("nothing", 0)],
)
def test_over_records_takes_a_pattern_a_type_an_id_or_all(over: str, expected: int):
    workflow = publish(_iterate(f'over_records: "{over}"'))
    for number in (1, 2, 3):
        email(workflow, number)
    WorkflowRecord.objects.create(workflow=workflow, record_id="lead_1", record_type="lead", data={"fields": {}})

    execution = run(workflow)

    assert execution.records_complete == expected


def test_where_order_and_limit_choose_the_records():
    workflow = publish(
        _iterate('over_records: email, where: "{{ current.rank > 1 }}", order: "-fields.rank", limit: 2')
    )
    for number in (1, 2, 3, 4):
        email(workflow, number, rank=number)

    execution = run(workflow)

    walked = ExecutionFrame.objects.filter(execution=execution, parent__isnull=False).order_by("position")
    assert [frame.record.record_id for frame in walked] == ["email_004", "email_003"]


def test_status_filter_takes_up_complete_records_again():
    workflow = publish(_iterate("over_records: email, status: complete"))
    email(workflow, 1)
    done = email(workflow, 2)
    WorkflowRecord.objects.filter(pk=done.pk).update(status="complete")

    execution = run(workflow)

    assert execution.records_total == 1
    assert statuses(workflow) == {"email_001": "discovered", "email_002": "complete"}


def test_an_array_is_iterated_as_temporary_records_apart_from_real_ones():
    workflow = publish(
        """
director: 1
name: Array
steps:
  - alias: words
    type: set
    config: {value: [alpha, beta]}
  - alias: each
    type: iterate
    config: {over: "{{ words }}"}
    body:
      - {alias: told, type: set, config: {value: "{{ index }} {{ item }} of {{ current.total }}"}}
"""
    )

    execution = run(workflow)

    assert outputs(execution, "told") == ["1 alpha of 2", "2 beta of 2"]
    temporary = workflow.records.filter(execution_id=execution.pk).order_by("id")
    assert [record.record_id for record in temporary] == [
        f"temp:{execution.number}:each:0001",
        f"temp:{execution.number}:each:0002",
    ]
    assert statuses(workflow) == {}


def test_nested_iterates_see_the_record_around_them():
    workflow = publish(
        """
director: 1
name: Nested
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - alias: lines
        type: iterate
        config: {over: "{{ current.lines }}"}
        body:
          - {alias: told, type: set, config: {value: "{{ outer.subject }}: {{ item }}"}}
      - {alias: total, type: set, config: {value: "{{ lines.processed }}"}, store_to_record: true, as: lines_read}
"""
    )
    email(workflow, 1, lines=["a", "b"])
    email(workflow, 2, lines=["c"])
    email(workflow, 3, lines=[])

    execution = run(workflow)

    assert execution.status == "completed"
    assert sorted(outputs(execution, "told")) == ["Message 1: a", "Message 1: b", "Message 2: c"]
    read = dict(workflow.records.filter(execution_id=None).values_list("record_id", "data__vars__lines_read"))
    assert read == {"email_001": 2, "email_002": 1, "email_003": 0}


def test_on_error_stop_fails_the_run_and_gives_back_what_was_not_begun(tmp_path):
    workflow = publish(_iterate("over_records: email, on_error: stop, concurrency: 1", _ledger(tmp_path)))
    email(workflow, 1)
    email(workflow, 2, bad=True)
    for number in range(3, 30):
        email(workflow, number)

    execution = run(workflow)

    assert execution.status == "failed"
    assert execution.records_cancelled == 27
    assert "27 not begun" in execution.error["message"]
    found = statuses(workflow)
    assert (found["email_001"], found["email_002"], found["email_029"]) == ("complete", "failed", "discovered")


def test_on_error_mark_failed_stop_ends_the_iterate_but_not_the_run(tmp_path):
    workflow = publish(_iterate("over_records: email, on_error: mark_failed_stop, concurrency: 1", _ledger(tmp_path)))
    email(workflow, 1, bad=True)
    email(workflow, 2)

    execution = run(workflow)

    assert execution.status == "completed"
    assert outputs(execution, "each")[0]["cancelled"] == 1
    assert statuses(workflow) == {"email_001": "failed", "email_002": "discovered"}


def test_after_a_failure_that_stops_the_iterate_no_record_of_the_same_batch_is_walked():
    refuse = "{alias: refuse, type: fail, when: '{{ current.bad | default(false) }}', config: {message: bad}}"
    workflow = publish(_iterate("over_records: email, on_error: mark_failed_stop", refuse))
    for number in range(1, 6):
        email(workflow, number, bad=number == 2)

    execution = run(workflow)

    assert (execution.records_complete, execution.records_failed, execution.records_cancelled) == (1, 1, 3)
    assert list(statuses(workflow).values()) == ["complete", "failed", "discovered", "discovered", "discovered"]


def test_on_error_retry_walks_the_record_again_up_to_max_retries(tmp_path):
    body = f"{{alias: flaky, type: test_flaky, config: {{path: {tmp_path}/tries, failures: 2}}}}"
    workflow = publish(_iterate("over_records: email, on_error: retry, max_retries: 3", body))
    email(workflow, 1)

    execution = _drive_through(start(workflow))

    assert execution.status == "completed"
    assert statuses(workflow) == {"email_001": "complete"}
    assert [row for row in journal(execution) if row[0] == "flaky"] == [
        ("flaky", 1, "failed"),
        ("flaky", 2, "failed"),
        ("flaky", 3, "complete"),
    ]
    assert workflow.records.get().retry_count == 2


def test_retries_of_a_record_leave_each_step_the_attempts_of_its_own_policy(tmp_path):
    policy = "retry: {maximum_attempts: 2}"
    body = f"""{{alias: first, type: test_flaky, config: {{path: {tmp_path}/first, failures: 3}}, {policy}}}
      - {{alias: second, type: test_flaky, config: {{path: {tmp_path}/second, failures: 1}}, {policy}}}"""
    workflow = publish(_iterate("over_records: email, on_error: retry, max_retries: 1", body))
    email(workflow, 1)

    execution = _drive_through(start(workflow))

    assert execution.status == "completed"
    assert statuses(workflow) == {"email_001": "complete"}
    assert [(attempt, status) for alias, attempt, status in journal(execution) if alias == "first"] == [
        (1, "failed"),
        (2, "failed"),
        (3, "failed"),  # walked again by the iterate, once, with two attempts more
        (4, "complete"),
    ]
    assert [status for alias, _, status in journal(execution) if alias == "second"] == ["failed", "complete"]


def test_two_runs_over_the_same_records_never_walk_one_twice():
    workflow = publish(_iterate("over_records: email"))
    for number in range(1, 21):
        email(workflow, number)
    first, second = start(workflow), start(workflow)
    # Both have made their frames before either walks them.
    for execution in (first, second):
        _begin_iterate(execution)

    drive(first)
    drive(second)

    assert first.records_complete == 20
    assert second.records_skipped == 20
    skipped = ExecutionFrame.objects.filter(execution=second, status="skipped").first()
    assert "Another run" in skipped.error["message"]


def _drive_through(execution):
    """Drive it to its end, however often it waits for a timer."""
    while drive(execution).status == "waiting":
        wake_all(execution)
    return execution


def _begin_iterate(execution):
    limit, claim.Claimer.claim = claim.Claimer.claim, _only_root(claim.Claimer.claim)
    try:
        engine_slice.run(execution.pk)
    finally:
        claim.Claimer.claim = limit


def _only_root(real):
    def claim(self, room, *, drained=False):
        first = not hasattr(self, "claimed_root")
        self.claimed_root = True
        return real(self, room, drained=drained) if first else Batch([])

    return claim


def _iterate(config: str, body: str = "{alias: touch, type: set, config: {value: 1}}") -> str:
    return f"""
director: 1
name: Iterate
steps:
  - alias: each
    type: iterate
    config: {{{config}}}
    body:
      - {body}
"""


def _ledger(tmp_path) -> str:
    """Fails for records with `bad`; the write keeps the body from being inline, so that `concurrency` counts."""
    return f"""{{alias: refuse, type: fail, when: "{{{{ current.bad | default(false) }}}}", config: {{message: bad}}}}
      - {{alias: write, type: test_idempotent, config: {{path: {tmp_path}/ledger}}}}"""
