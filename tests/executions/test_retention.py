"""What goes in time, and what stays."""

from datetime import timedelta

import pytest

from executions.retention import remove_expired
from records.models import WorkflowVariable
from tests.executions.running import drive, email, publish, run, start

pytestmark = pytest.mark.django_db(transaction=True)

ARRAY = """
director: 1
name: Array
steps:
  - alias: each
    type: iterate
    config: {over: [1, 2, 3]}
    body:
      - {alias: told, type: set, config: {value: "{{ item }}"}}
"""


def test_temporary_records_and_variables_go_with_their_run_and_all_else_stays():
    workflow = publish(ARRAY)
    email(workflow, 1)
    execution = run(workflow)
    WorkflowVariable.objects.create(workflow=workflow, execution_id=execution.pk, key="mine", value=1)
    WorkflowVariable.objects.create(workflow=workflow, key="kept", value=1)

    kept = remove_expired(keep=timedelta(days=1))
    removed = remove_expired(keep=timedelta(0))

    assert kept == {"records": 0, "variables": 0}
    assert removed == {"records": 3, "variables": 1}
    assert list(workflow.records.values_list("record_id", flat=True)) == ["email_001"]
    assert list(workflow.variables.values_list("key", flat=True)) == ["kept"]
    assert execution.steps.filter(alias="told").count() == 3


def test_what_a_run_still_works_on_is_not_removed():
    workflow = publish(ARRAY.replace('type: set, config: {value: "{{ item }}"}', "type: delay, config: {duration: 1h}"))

    execution = drive(start(workflow))

    assert execution.status == "waiting"
    assert remove_expired(keep=timedelta(0)) == {"records": 0, "variables": 0}
