"""Retrying failed records of nested iterates: each is walked to the end of its block, whatever iterates are in it."""

import pytest

from executions.models import Execution
from executions.retry import retry_failed
from records.services import WorkflowData
from tests.executions.running import drive, email, outputs, publish, start, wake_all
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)

NESTED = """
director: 1
name: Nested
variables: {most: 2}
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - {alias: rest, type: delay, when: "{{ current.fails == 'never' }}", config: {duration: 1h}}
      - {alias: early, type: fail, when: "{{ current.fails == 'early' and most == 2 }}", config: {message: Too early}}
      - alias: inner
        type: iterate
        config: {over: "{{ current.lines }}", on_error: ON_ERROR}
        body:
          - {alias: check, type: fail, when: "{{ item > most }}", config: {message: "{{ item }} is too much"}}
      - {alias: late, type: fail, when: "{{ current.fails == 'late' and most == 2 }}", config: {message: Too late}}
      - {alias: post, type: set, config: {value: "{{ inner.processed }}"}, store_to_record: true}
  - {alias: after, type: set, config: {value: "{{ each.processed }}"}}
"""


def failed_by(*fails: str, on_error: str) -> tuple[Workflow, Execution]:
    """A run of which one record failed for each word, whose cause is now put right."""
    workflow = publish(NESTED.replace("ON_ERROR", on_error))
    for number, word in enumerate(fails, start=1):
        email(workflow, number, fails=word, lines=[1, 3] if word == "inside" else [1, 2])
    execution = drive(start(workflow))
    WorkflowData(workflow).variables.set("most", 9)
    return workflow, execution


def posts(workflow: Workflow) -> dict[str, int | None]:
    """What the last step of the body gave each record that is complete."""
    rows = workflow.records.filter(execution_id=None, status="complete")
    return dict(rows.order_by("record_id").values_list("record_id", "data__vars__post"))


def test_records_that_failed_before_inside_and_behind_an_iterate_go_on_to_the_end_together():
    workflow, execution = failed_by("inside", "late", "early", on_error="stop")

    retried = retry_failed(execution)

    assert retried.records == 3
    (second,) = retried.executions
    assert drive(second).status == "completed"
    assert posts(workflow) == {"email_001": 2, "email_002": 2, "email_003": 2}


def test_a_record_that_only_had_failed_elements_is_not_walked_again_and_those_that_failed_are():
    workflow, execution = failed_by("inside", "late", "early", on_error="mark_failed_continue")
    assert posts(workflow) == {"email_001": 1}

    (second,) = retry_failed(execution).executions

    assert drive(second).status == "completed"
    assert posts(workflow) == {"email_001": 1, "email_002": 2, "email_003": 2}
    assert outputs(second, "inner") == [{**EMPTY, "total": 1, "processed": 1}, {**EMPTY, "total": 2, "processed": 2}]


def test_an_element_that_stopped_its_iterate_goes_on_with_the_record_around_it():
    workflow, execution = failed_by("inside", on_error="stop")
    element = workflow.records.get(status="failed", record_type="item")

    (second,) = retry_failed(execution, records=[element.pk]).executions

    assert drive(second).status == "completed"
    assert posts(workflow) == {"email_001": 2}


def test_while_the_run_goes_on_it_goes_on_there_and_nowhere_else():
    workflow, execution = failed_by("inside", "never", on_error="stop")
    assert execution.status == "waiting"

    retried = retry_failed(execution)

    assert (retried.records, retried.executions) == (1, (execution,))
    drive(execution)
    wake_all(execution)
    assert drive(execution).status == "completed"
    assert posts(workflow) == {"email_001": 2, "email_002": 2}
    assert Execution.objects.count() == 1


EMPTY = {"total": 0, "processed": 0, "failed": 0, "skipped": 0, "cancelled": 0, "errors": []}
