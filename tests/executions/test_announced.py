"""What the records app leaves to runs: a bulk retry lets each record go on from the step that failed."""

import pytest

from executions.models import Execution, ExecutionStep
from executions.queries import record_story, runs_of
from records import bulk
from records.filters import RecordFilter
from records.models import BulkOutcome
from records.secrets import NO_SECRETS
from tests.executions.running import drive, email, publish, run, statuses
from tests.factories import make_record

pytestmark = pytest.mark.django_db(transaction=True)

WORKFLOW = """
director: 1
name: Bulk retry
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - {alias: first, type: set, config: {value: "{{ current.subject | upper }}"}, store_to_record: true}
      - {alias: broken, type: fail, config: {message: "no segment"}, when: "{{ not current.fixed }}"}
"""


def test_a_bulk_retry_lets_failed_records_go_on_from_the_step_that_failed():
    workflow = publish(WORKFLOW)
    for number in range(3):
        email(workflow, number, fixed=False)
    first = run(workflow)
    never_walked = make_record(workflow, record_id="refused", record_type="lead", status="failed")
    workflow.records.update(data={"fields": {"subject": "x", "fixed": True}, "vars": {}, "targets": {}})

    operation = bulk.start(workflow, "retry", RecordFilter(), actor=workflow.owner, reason="segments are back")
    assert bulk.run(operation.pk) is False

    operation.refresh_from_db()
    assert (operation.status, operation.total, operation.changed) == ("completed", 4, 4)
    (second,) = Execution.objects.exclude(pk=first.pk)
    drive(second)
    assert set(statuses(workflow).values()) == {"complete", "discovered"}
    never_walked.refresh_from_db()
    assert never_walked.status == "discovered"
    assert not ExecutionStep.objects.filter(execution=second, alias="first", status="complete").exists()
    record = workflow.records.get(record_id="email_000")
    (told,) = record_story(record, runs_of(record), NO_SECRETS, "people").entries
    assert (told.what, told.number, told.user, told.reason) == (
        "retried",
        second.number,
        workflow.owner,
        "segments are back",
    )


def test_a_record_whose_step_may_have_happened_is_not_retried_among_others():
    workflow = publish(WORKFLOW)
    record = email(workflow, 1, fixed=False)
    execution = run(workflow)
    execution.frames.filter(record=record).update(error={"code": "step_interrupted", "message": "?"})

    operation = bulk.start(workflow, "retry", RecordFilter())
    bulk.run(operation.pk)

    assert statuses(workflow) == {"email_001": "failed"}
    outcome = BulkOutcome.objects.get(operation=operation)
    assert outcome.outcome == "refused"
    assert "may have happened" in outcome.reason
