"""Counts by type and status: exact after every way to write, short after tending."""

import pytest
from django.db import connection

from records import queries
from records.models import RecordCount, WorkflowRecord
from records.tasks import tend
from tests.factories import make_record, make_workflow

pytestmark = pytest.mark.django_db


def counted(workflow):
    with connection.cursor() as cursor:
        rows = "SELECT record_type, status FROM workflow_records WHERE workflow_id = %s"
        cursor.execute(
            f"SELECT record_type, status, count(*) FROM ({rows}) r GROUP BY 1, 2 ORDER BY 1, 2", [workflow.pk]
        )
        return cursor.fetchall()


def test_counts_follow_rows_whoever_writes_them_and_tending_only_adds_them_up():
    workflow, other = make_workflow(), make_workflow()
    for number in range(6):
        make_record(workflow, record_type="email" if number % 2 else "lead")
    make_record(other)
    workflow.records.filter(record_type="email").update(status="complete")
    workflow.records.filter(status="complete").update(record_type="done")
    workflow.records.filter(record_type="lead").first().delete()
    WorkflowRecord.objects.filter(workflow=workflow).update(retry_count=1)
    assert queries.counts([workflow.pk]) == counted(workflow) == [("done", "complete", 3), ("lead", "discovered", 2)]

    before = RecordCount.objects.count()
    tend()

    assert queries.counts([workflow.pk]) == counted(workflow)
    assert queries.counts([other.pk]) == [("email", "discovered", 1)]
    assert RecordCount.objects.count() == 3 < before


def test_counts_of_a_deleted_workflow_are_forgotten():
    workflow = make_workflow()
    make_record(workflow)
    workflow.delete()

    tend()

    assert not RecordCount.objects.exists()
