"""Variables that steps set: by the same rules as those that people set."""

import pytest

from records.history import Origin
from records.masking import MASK
from records.models import ChangeSource, WorkflowVariable
from records.variables import Variables
from tests.executions.running import email, outputs, publish, run, statuses

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
director: 1
name: Totals
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - {alias: note, type: set, config: {value: "{{ current.amount }}", variable: last_amount}}
"""
READING = """
director: 1
name: Reading
steps:
  - {alias: fetch, type: set, config: {value: ["a", "b"], variable: urls}}
  - alias: each_url
    type: iterate
    config: {over: "{{ urls }}"}
    body:
      - {alias: seen, type: set, config: {value: "{{ item }}"}}
"""


def variables_of(workflow) -> Variables:
    return Variables(workflow, Origin(ChangeSource.PAGE, actor_id=workflow.owner_id))


def test_a_value_that_does_not_fit_the_schema_fails_the_record_that_set_it_and_no_other():
    workflow = publish(FLOW)
    variables_of(workflow).set("last_amount", 1, schema={"type": "number", "maximum": 10}, reason="for the report")
    email(workflow, 1, amount=5)
    email(workflow, 2, amount=50)

    execution = run(workflow)

    assert (execution.status, statuses(workflow)) == ("completed", {"email_001": "complete", "email_002": "failed"})
    assert workflow.records.get(record_id="email_002").error_message == (
        'Variable "last_amount" cannot be set: the value: 50 is greater than the maximum of 10'
    )
    row = workflow.variables.get()
    assert (row.value, row.schema, row.reason) == (5, {"type": "number", "maximum": 10}, "for the report")
    assert (row.alias, row.set_in, row.actor, row.revision) == ("note", execution.pk, None, 2)


def test_a_secret_that_a_step_tried_to_set_is_not_quoted():
    workflow = publish(FLOW)
    variables_of(workflow).set("last_amount", "s3cr3t", schema={"type": "string"}, sensitive=True)
    email(workflow, 1, amount=424242)

    run(workflow)

    assert "424242" not in workflow.records.get().error_message
    assert workflow.variables.get().shown == MASK


def test_what_an_iterate_left_behind_is_cleaned_when_a_step_sets_what_it_reads():
    workflow = publish(READING)
    for key in ("@iter:each_url:3", "@iter:each_url", "@iter:each_url2:1"):
        variables_of(workflow).set(key, 1)

    execution = run(workflow)

    assert outputs(execution, "seen") == ["a", "b"]
    assert set(workflow.variables.values_list("key", flat=True)) == {"urls", "@iter:each_url2:1"}


def test_many_records_that_set_one_variable_cost_one_statement_for_each_commit():
    workflow = publish(FLOW)
    for number in range(1, 41):
        email(workflow, number, amount=number)

    run(workflow)

    row = WorkflowVariable.objects.get()
    assert 1 <= row.value <= 40
    assert row.revision < 40
