"""Records that steps make, and that they are found by what steps write into their fields."""

import pytest

from records.filters import read_filter
from records.services import WorkflowData
from tests.executions.running import outputs, publish, run
from workflows.errors import DefinitionInvalid

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
director: 1
name: Sorted
steps:
  - alias: make
    type: set
    config: {value: [{subject: One}, {subject: Two}]}
    create_records: {type: email}
  - alias: each
    type: iterate
    config: {over_records: "email_*"}
    body:
      - {alias: desk, type: set, config: {value: "desk {{ current.subject }}"}, store_to_record: true, as: fields.desk}
      - {alias: code, type: set, config: {value: "hunter2{{ current.subject }}"}, store_to_record: true, as: fields.password}
      - {alias: note, type: set, config: {value: "aside"}, store_to_record: true}
"""
NAMING = f"""{FLOW}
  - alias: both
    type: code
    config:
      source: |
        def main(records):
            first, second = records["email_001"], records.get("email_002")
            return [first["fields"]["subject"], second["fields"]["desk"], records.get("nobody")]
"""

MAKE = """
director: 1
name: Made
steps:
  - {alias: make, type: set, config: {value: VALUE}, create_records: lead}
"""


def test_what_a_step_writes_into_fields_is_found_and_a_secret_or_what_it_works_out_is_not():
    workflow = publish(FLOW)

    run(workflow)

    def found(text):
        return [row.record_id for row in WorkflowData(workflow).records.query(read_filter({"text": text})).rows]

    assert found("desk two") == ["email_002"]
    assert found("one") == ["email_001"]
    assert found("hunter2") == found("aside") == []


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ('["a", {"b": 1}, null]', {"lead_001": {"value": "a"}, "lead_002": {"b": 1}, "lead_003": {"value": None}}),
        ('{"b": 1}', {"lead_001": {"b": 1}}),
        ("[]", {}),
    ],
)
def test_each_element_of_a_list_becomes_a_record(value, made):
    workflow = publish(MAKE.replace("VALUE", value))

    execution = run(workflow)

    assert execution.status == "completed"
    assert {one.record_id: one.data["fields"] for one in workflow.records.all()} == made


@pytest.mark.parametrize("value", ["text", "7", "null"])
def test_what_is_neither_a_list_nor_an_object_makes_no_record(value):
    workflow = publish(MAKE.replace("VALUE", value))

    execution = run(workflow)

    assert execution.status == "failed"
    assert execution.error["code"] == "no_items"
    assert "Step make is to make records" in execution.error["message"]


def test_code_gets_the_records_that_it_names_as_they_are_when_it_runs():
    workflow = publish(NAMING)

    execution = run(workflow)

    assert outputs(execution, "both") == [["One", "desk Two", None]]


def test_code_that_takes_records_but_names_none_is_refused():
    with pytest.raises(DefinitionInvalid, match="main takes `records` but names none of them"):
        publish(
            MAKE.replace("type: set, config: {value: VALUE}", "type: code, config: {source: 'def main(records): pass'}")
        )
