"""One thing done to many records: exactly to those that matched, in batches, interrupted and gone on with."""

from collections import Counter

import pytest
from django.db import IntegrityError, connection, transaction

from records import bulk
from records.errors import BulkGrown, BulkInvalid, BulkNotFound, BulkOver
from records.filters import RecordFilter, read_filter
from records.history import Origin
from records.models import BulkOperation, BulkOutcome, ChangeSource, RecordChange, WorkflowRecord
from records.patches import set_at
from records.records import Records
from tests.factories import make_record, make_user, make_workflow
from tests.rig.waiting import wait_for

FAILED = RecordFilter(status=("failed",))
FILL = """
INSERT INTO workflow_records (id, workflow_id, record_id, record_type, status, error_message, data)
SELECT gen_random_uuid(), %s, 'email_' || n, 'email', 'failed', 'Airtable 422',
    jsonb_build_object('fields', jsonb_build_object('n', n), 'vars', '{}'::jsonb, 'targets', '{}'::jsonb)
FROM generate_series(1, %s) AS n
"""


def fill(workflow, number):
    with connection.cursor() as cursor:
        cursor.execute(FILL, [workflow.pk, number])


def finish(operation):
    assert bulk.run(operation.pk, seconds=60) is False
    operation.refresh_from_db()
    return operation


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 4)
    monkeypatch.setattr(bulk, "BATCHES", {})


@pytest.mark.django_db
@pytest.mark.usefixtures("small_batches")
def test_an_operation_does_its_thing_to_every_record_that_matched_and_the_totals_add_up():
    maya, workflow = make_user("maya"), make_workflow()
    fill(workflow, 10)
    done = make_record(workflow, record_id="done", status="complete")
    operation = bulk.start(workflow, "retry", RecordFilter(), actor=maya, reason="Airtable is back")

    bulk.work_on(operation.pk)
    WorkflowRecord.objects.filter(record_id="email_3").delete()
    WorkflowRecord.objects.filter(record_id="email_4").update(status="processing", frame_id=1)
    late = make_record(workflow, record_id="late", status="failed")
    finish(operation)

    assert (operation.status, operation.total, operation.done) == ("completed", 10, 10)
    assert (operation.changed, operation.refused, operation.missing) == (8, 1, 1)
    assert WorkflowRecord.objects.filter(status="discovered", retry_count=1).count() == 8
    for record in (done, late):
        before = record.status
        record.refresh_from_db()
        assert record.status == before
    outcome = BulkOutcome.objects.get(outcome="refused")
    assert outcome.name == "email_4"
    assert "a run holds it" in outcome.reason
    changes = RecordChange.objects.filter(source="bulk", actor=maya, reason="Airtable is back")
    assert changes.count() == 8


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "parameters", "after"),
    [
        ("skip", {}, {"skipped": 3}),
        ("move", {"status": "complete"}, {"complete": 3}),
        ("delete", {}, {}),
        ("patch", {"operations": [set_at(("vars", "seen"), True)]}, {"failed": 3}),
    ],
)
def test_each_kind_of_operation(kind, parameters, after):
    workflow = make_workflow()
    fill(workflow, 3)

    operation = finish(bulk.start(workflow, kind, FAILED, parameters))

    assert (operation.changed, operation.total) == (3, 3)
    assert Counter(workflow.records.values_list("status", flat=True)) == after
    if kind == "patch":
        assert workflow.records.filter(data__vars__seen=True).count() == 3


@pytest.mark.django_db
def test_a_preview_counts_what_would_be_done_and_what_would_be_refused():
    workflow = make_workflow()
    fill(workflow, 5)
    make_record(workflow, status="processing", frame_id=1)
    make_record(workflow, status="complete")

    skip = bulk.preview(workflow, "skip", RecordFilter())
    assert (skip.total, skip.refused, skip.by_status["failed"]) == (7, 1, 5)
    assert bulk.preview(workflow, "retry", RecordFilter()).total == 5
    assert bulk.preview(workflow, "patch", RecordFilter(), {"operations": [set_at(("vars", "a"), 1)]}).refused == 0
    narrow = read_filter({"fields": [{"path": "fields.n", "is": "le", "value": 2}]})
    assert bulk.preview(workflow, "delete", narrow).total == 2


@pytest.mark.django_db
def test_what_was_not_agreed_to_is_refused_before_anything_happens():
    workflow = make_workflow()
    fill(workflow, 30)

    with pytest.raises(BulkGrown) as grown:
        bulk.start(workflow, "delete", FAILED, shown=21)
    with pytest.raises(BulkInvalid, match="complete, discovered, failed, skipped"):
        bulk.start(workflow, "move", FAILED, {"status": "processing"})
    with pytest.raises(BulkInvalid):
        bulk.start(workflow, "explode", FAILED)
    with pytest.raises(BulkInvalid):
        bulk.start(workflow, "patch", FAILED)

    assert (grown.value.http_status, grown.value.total) == (409, 30)
    assert not BulkOperation.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("small_batches")
def test_a_cancelled_operation_stops_after_its_batch_and_belongs_to_its_workflow():
    workflow = make_workflow()
    fill(workflow, 10)
    operation = bulk.start(workflow, "skip", FAILED)
    bulk.work_on(operation.pk)
    bulk.work_on(operation.pk)

    bulk.cancel(operation.pk)

    assert finish(operation).status == "cancelled"
    assert (operation.total, operation.done) == (10, 4)
    with pytest.raises(BulkOver):
        bulk.cancel(operation.pk)
    assert bulk.get_operation(workflow, operation.pk).changed == 4
    with pytest.raises(BulkNotFound):
        bulk.get_operation(make_workflow(), operation.pk)


@pytest.mark.django_db
def test_the_database_does_not_let_an_operation_complete_with_a_wrong_sum():
    operation = bulk.start(make_workflow(), "skip", FAILED)

    with pytest.raises(IntegrityError, match="bulk_totals_add_up"), transaction.atomic():
        BulkOperation.objects.filter(pk=operation.pk).update(status="completed", total=3)


@pytest.mark.django_db
def test_an_app_above_may_do_a_kind_its_own_way(monkeypatch):
    workflow = make_workflow()
    fill(workflow, 2)
    seen = []
    monkeypatch.setitem(bulk.HANDLERS, "retry", lambda operation, records: seen.extend(records) or [])

    assert finish(bulk.start(workflow, "retry", FAILED)).missing == 2
    assert len(seen) == 2


@pytest.mark.django_db
def test_patching_fields_in_bulk_keeps_search_and_history():
    records = Records(make_workflow(), Origin(ChangeSource.API))
    records.create_many("lead", [{"id": number, "company": "Nordwerk"} for number in range(5)])
    operations = [set_at(("fields", "company"), "Blue Fjord")]

    finish(bulk.start(records.workflow, "patch", RecordFilter(text="nordwerk"), {"operations": operations}))

    assert records.count(RecordFilter(text="fjord")) == 5
    assert records.count(RecordFilter(text="nordwerk")) == 0
    assert RecordChange.objects.filter(kind="edited").count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_bulk_retry_over_100000_records_survives_the_kill_of_its_worker(worker):
    workflow = make_workflow()
    fill(workflow, 100_000)
    first = worker()
    operation = bulk.start(workflow, "retry", FAILED)

    def done():
        operation.refresh_from_db()
        return operation.done

    wait_for(lambda: done() > 5_000, 60, what="the first batches")
    first.kill()
    interrupted_at = done()
    worker()
    assert bulk.resume_stalled() == 0
    BulkOperation.objects.update(worked_at="2026-01-01T00:00:00Z")  # as if half a minute had passed
    assert bulk.resume_stalled() == 1

    wait_for(lambda: done() and operation.is_over, 120, what="the end of the operation")
    assert 0 < interrupted_at < 100_000
    assert (operation.status, operation.error) == ("completed", "")
    assert (operation.total, operation.changed, operation.done) == (100_000, 100_000, 100_000)
    assert workflow.records.filter(status="discovered", retry_count=1).count() == 100_000
    assert RecordChange.objects.filter(source="bulk").count() == 100_000
    assert BulkOutcome.objects.filter(operation=operation, outcome="changed").count() == 100_000


@pytest.mark.django_db
def test_a_retry_never_goes_beyond_the_status_that_was_asked_for():
    workflow = make_workflow()
    make_record(workflow, record_id="bad", status="failed")
    make_record(workflow, record_id="left_out", status="skipped")

    with pytest.raises(BulkInvalid, match="only failed records can be retried"):
        bulk.preview(workflow, "retry", RecordFilter(status=("skipped",)))

    assert bulk.preview(workflow, "retry", RecordFilter(status=("failed", "skipped"))).total == 1
