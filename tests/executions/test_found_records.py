"""Records are found by what steps write into their fields."""

import pytest

from records.filters import read_filter
from records.services import WorkflowData
from tests.executions.running import publish, run

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


def test_what_a_step_writes_into_fields_is_found_and_a_secret_or_what_it_works_out_is_not():
    workflow = publish(FLOW)

    run(workflow)

    def found(text):
        return [row.record_id for row in WorkflowData(workflow).records.query(read_filter({"text": text})).rows]

    assert found("desk two") == ["email_002"]
    assert found("one") == ["email_001"]
    assert found("hunter2") == found("aside") == []
