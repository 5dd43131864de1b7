"""Operations on many executions; by REST and what they do: tests/api/test_replay_api.py."""

import pytest

from executions import bulk, control, tasks
from tests.executions.running import publish, start

pytestmark = pytest.mark.django_db(transaction=True)

WORKFLOW = """
director: 1
name: Waiting
steps:
  - {alias: wait, type: delay, config: {duration: 60}}
"""


def test_a_defect_ends_the_operation_and_what_was_not_done_says_why(monkeypatch):
    workflow = publish(WORKFLOW)
    start(workflow)
    start(workflow)
    operation = bulk.start("cancel", {}, {}, user=workflow.owner)
    monkeypatch.setattr(control, "cancel", lambda *_, **__: 1 / 0)

    tasks.run_bulk(str(operation.pk))

    operation.refresh_from_db()
    assert operation.finished_at
    assert (operation.total, operation.done, operation.refused) == (2, 0, 2)
    assert set(operation.items.values_list("reason", flat=True)) == {"ZeroDivisionError: division by zero"}
