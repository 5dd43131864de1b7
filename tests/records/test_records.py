"""One record at a time, and many: creating, patching, moving, deleting, clearing; at once and against a worker."""

import json
import threading

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from records.changes import Changes
from records.errors import (
    FilterInvalid,
    MoveRefused,
    PatchRefused,
    PathInvalid,
    RecordChanged,
    RecordHeld,
    RecordInvalid,
    RecordNotFound,
    RecordRefused,
)
from records.filters import RecordFilter, read_filter, written
from records.history import Origin
from records.models import ChangeSource, RecordChange, RecordSearch, RecordType, WorkflowRecord
from records.patches import delete_at, parse_path, set_at
from records.services import WorkflowData
from records.signals import records_changed
from tests.factories import make_record, make_user, make_workflow
from workflows.definition.plan import OnExisting

pytestmark = pytest.mark.django_db
FRAMEWORK = {"subject": "Framework deal, 3 sites", "sender": "p.haas@nordwerk.example", "lines": [{"amount": 4}]}


@pytest.fixture
def maya():
    return make_user("maya")


@pytest.fixture
def data(maya):
    return WorkflowData(make_workflow(maya), maya, source=ChangeSource.PAGE, reason="by phone")


def read_tests(*tests):
    return read_filter({"fields": [{"path": path, "is": is_, "value": value} for path, is_, value in tests]}).fields


def statements(queries):
    return [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]


def test_a_record_is_created_once_and_found_by_its_id(data):
    created = data.records.create("email", FRAMEWORK, record_id="email_022", vars={"category": "lead"})

    assert (created.outcome, created.record.status, created.record.revision) == ("created", "discovered", 1)
    assert data.records.get("email_022").data["vars"] == {"category": "lead"}
    with pytest.raises(RecordRefused, match="email_022 is already there"):
        data.records.create("email", {}, record_id="email_022")
    with pytest.raises(RecordNotFound, match=r'Did you mean "email_022"\?'):
        data.records.get("emial_022")


def test_a_patch_changes_only_its_paths_and_is_kept_with_before_and_after(data, maya):
    data.records.create("email", FRAMEWORK, record_id="email_022")
    paths = {"vars.lead.company": "Nordwerk", "fields.lines[0].amount": 5}

    record = data.records.patch(
        "email_022",
        [*(set_at(parse_path(path), value) for path, value in paths.items()), delete_at(("fields", "sender"))],
    )

    assert record.data == {
        "fields": {"subject": "Framework deal, 3 sites", "lines": [{"amount": 5}]},
        "vars": {"lead": {"company": "Nordwerk"}},
        "targets": {},
    }
    assert record.revision == 2
    change = RecordChange.objects.get(kind="edited")
    assert (change.actor, change.reason, change.source, change.revision) == (maya, "by phone", "page", 2)
    assert {"op": "replace", "path": "/data/fields/lines/0/amount", "value": 4} in change.undo
    assert {"op": "add", "path": "/data/fields/sender", "value": FRAMEWORK["sender"]} in change.undo


def test_a_patch_that_changes_nothing_leaves_no_trace_and_true_is_not_one(data):
    data.records.create("email", {"seats": 1}, record_id="email_001")

    assert data.records.set("email_001", ("fields", "seats"), 1).revision == 1
    assert data.records.set("email_001", ("fields", "seats"), True).revision == 2


@pytest.mark.parametrize(
    ("operations", "error"),
    [
        ([set_at(("fields", "subject", "text"), 1)], PatchRefused),
        ([set_at(("fields",), "everything")], PatchRefused),
        ([delete_at(("vars",))], PatchRefused),
        ([set_at(("history", "x"), 1)], PathInvalid),
        ([set_at(("fields", "total"), -1)], RecordInvalid),
    ],
)
def test_a_patch_that_cannot_be_is_refused_and_nothing_is_written(data, operations, error):
    schema = {"properties": {"total": {"minimum": 0}}}
    RecordType.objects.create(workflow=data.workflow, name="email", schema=schema)
    data.records.create("email", FRAMEWORK, record_id="email_022")

    with pytest.raises(error):
        data.records.patch("email_022", [set_at(("vars", "seen"), True), *operations])

    assert data.records.get("email_022").revision == 1


def test_an_expected_revision_keeps_two_people_apart(data):
    data.records.create("email", FRAMEWORK, record_id="email_022")
    data.records.set("email_022", ("vars", "a"), 1, expected_revision=1)

    for verb in (
        lambda: data.records.set("email_022", ("vars", "a"), 2, expected_revision=1),
        lambda: data.records.move("email_022", "skipped", expected_revision=1),
        lambda: data.records.delete("email_022", expected_revision=1),
    ):
        with pytest.raises(RecordChanged) as refused:
            verb()
        assert (refused.value.http_status, refused.value.revision) == (409, 2)


def test_a_move_follows_the_table_and_a_retry_counts(data):
    failed = make_record(data.workflow, status="failed", error_message="Airtable 422")

    retried = data.records.retry(failed.record_id)
    assert (retried.status, retried.error_message, retried.retry_count) == ("discovered", "", 1)
    assert data.records.skip(failed.record_id).status == "skipped"
    done = data.records.move(failed.record_id, "complete")
    assert done.processed_at is not None
    with pytest.raises(MoveRefused, match="cannot become"):
        data.records.move(failed.record_id, "failed")
    with pytest.raises(MoveRefused):
        data.records.move(failed.record_id, "processing")
    kept = list(RecordChange.objects.filter(kind="moved").order_by("id").values_list("patch", flat=True))
    assert {"op": "replace", "path": "/status", "value": "discovered"} in kept[0]


def test_what_a_run_holds_can_be_patched_but_not_moved_or_deleted(data):
    held = make_record(data.workflow, status="processing", frame_id=7, record_id="email_007")

    assert data.records.set("email_007", ("vars", "note"), "call back").frame_id == 7
    with pytest.raises(RecordHeld, match="a run holds it"):
        data.records.retry("email_007")
    with pytest.raises(RecordHeld):
        data.records.delete("email_007")
    assert data.records.clear("email_*") == {"deleted": 0, "held": 1}
    assert WorkflowRecord.objects.filter(pk=held.pk).exists()


def test_a_deletion_is_kept_and_numbers_go_on_after_the_highest_that_is_left(data):
    result = data.records.create_many("email", [{"id": number} for number in range(1, 6)])
    assert result["created"] == 5

    data.records.delete("email_002")
    data.records.delete("email_005")
    data.records.create_many("email", [{"id": "new"}])

    assert [record.record_id for record in data.records.iterate()] == [
        "email_001",
        "email_003",
        "email_004",
        "email_005",
    ]
    assert RecordChange.objects.filter(kind="deleted", reason="by phone").count() == 2
    assert RecordSearch.objects.count() == 4
    with pytest.raises(RecordNotFound):
        data.records.delete("email_002")


def test_clearing_by_a_filter_takes_its_records_and_numbers_begin_again(data):
    data.records.create_many("email", [{"id": number, "kind": number % 2} for number in range(1, 6)])
    odd = RecordFilter(fields=read_tests(("fields.kind", "eq", 1)))

    assert data.records.clear(odd) == {"deleted": 3, "held": 0}
    with CaptureQueriesContext(connection) as queries:
        assert data.records.clear("email_*") == {"deleted": 2, "held": 0}

    assert len(statements(queries)) == 1
    assert RecordChange.objects.filter(kind="deleted").count() == 5
    assert not RecordSearch.objects.exists()
    data.records.create_many("email", [{"id": "again"}])
    assert [record.record_id for record in data.records.iterate()] == ["email_001"]


def test_every_operation_takes_few_queries_at_any_size(data):
    data.records.create_many("email", [{"id": number, "subject": f"Offer {number}"} for number in range(1, 200)])
    RecordType.objects.create(workflow=data.workflow, name="email", schema={"type": "object"})
    text, deep = (
        RecordFilter(text="offer", status=("discovered",)),
        RecordFilter(fields=read_tests(("fields.id", "gt", 100))),
    )
    budget = {
        "get": (1, lambda: data.records.get("email_007")),
        "get many": (1, lambda: data.records.get_many(["email_007", "email_003", "nothing"])),
        "query": (1, lambda: data.records.query(text)),
        "query by field": (2, lambda: data.records.query(deep)),
        "count": (1, lambda: data.records.count(text)),
        "create": (4, lambda: data.records.create("email", {"id": "new"})),
        "create with id": (4, lambda: data.records.create("email", {}, record_id="mine")),
        "meet again": (
            5,
            lambda: data.records.create("email", {"a": 1}, record_id="mine", on_existing=OnExisting.MERGE),
        ),
        "patch": (2, lambda: data.records.set("email_007", ("fields", "subject"), "Order")),
        "move": (2, lambda: data.records.skip("email_007")),
        "delete": (3, lambda: data.records.delete("email_007")),
        "data": (3, lambda: data.data()),
        "stats": (3, lambda: data.stats()),
        "set a variable": (4, lambda: data.variables.set("seen", 1)),
        "clear": (3, lambda: data.clear("all", "email_00*")),
    }

    for name, (most, operation) in budget.items():
        with CaptureQueriesContext(connection) as queries:
            operation()
        assert len(statements(queries)) <= most, name


def test_a_batch_takes_as_many_queries_as_one_record_and_tells_each_outcome(data):
    rows = [make_record(data.workflow, record_id=f"email_{number:03d}", status="failed") for number in range(60)]
    held = make_record(data.workflow, status="waiting", frame_id=1)
    changes = Changes(data.workflow.pk, Origin(ChangeSource.BULK))

    with CaptureQueriesContext(connection) as queries:
        outcomes = changes.move([*(row.pk for row in rows), held.pk], "discovered")

    assert len(statements(queries)) == 2
    assert [outcome.outcome for outcome in outcomes].count("changed") == 60
    assert {outcome.record_id for outcome in outcomes if outcome.outcome == "refused"} == {held.record_id}


def test_what_was_changed_is_announced_after_the_commit(data, django_capture_on_commit_callbacks):
    told = []

    def listen(workflow_id, records, **_):
        told.append((workflow_id, records))

    records_changed.connect(listen, weak=False)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            data.records.create("email", FRAMEWORK, record_id="email_022")
            data.records.skip("email_022")
    finally:
        records_changed.disconnect(listen)

    assert [(workflow, record["record_id"], record["status"]) for workflow, (record,) in told] == [
        (data.workflow.pk, "email_022", "discovered"),
        (data.workflow.pk, "email_022", "skipped"),
    ]


def test_the_whole_is_given_by_bucket_with_secrets_masked(data):
    data.records.create("lead", {"name": "Nordwerk", "api_key": "s3cr3t"}, record_id="lead_001")
    data.variables.set("min_confidence", 0.8)
    data.variables.set("crm_token", "s3cr3t")

    whole = data.data()
    assert whole["variables"]["min_confidence"] == 0.8
    assert "s3cr3t" not in json.dumps(whole)
    assert data.data("records", "lead_*")["records"]["lead_001"]["fields"]["name"] == "Nordwerk"
    assert data.data("lead_001", metadata=True)["records"]["lead_001"]["status"] == "discovered"
    assert "records" not in data.data("global")
    with pytest.raises(Exception, match=r'Did you mean "lead_001"\?'):
        data.data("lead_01")


def test_the_stats_add_up_and_follow_every_change(data):
    data.records.create_many("email", [{"id": number} for number in range(5)])
    data.records.create_many("lead", [{"id": 1}])
    data.records.skip("email_002")
    data.records.delete("email_003")
    WorkflowRecord.objects.create(
        workflow=data.workflow, record_id="temp:x", record_type="t", execution_id=data.workflow.pk
    )
    data.variables.set("seen", 3)
    data.variables.set("@iter:each:1", [])

    assert data.stats()["records"] == {
        "total": 5,
        "by_type": {"email": {"discovered": 3, "skipped": 1}, "lead": {"discovered": 1}},
        "by_status": {"discovered": 4, "skipped": 1},
    }
    assert data.stats()["variables"] == {
        "total": 2,
        "by_type": {"number": 1, "array": 1},
        "by_kind": {"node": 0, "iteration": 1, "custom": 1},
        "sensitive": 0,
    }


@pytest.mark.django_db(transaction=True)
def test_two_connections_patching_one_record_at_once_both_win():
    data = WorkflowData(make_workflow())
    data.records.create("email", FRAMEWORK, record_id="email_022")
    barrier = threading.Barrier(2)

    def run(name):
        barrier.wait()
        for number in range(25):
            data.records.set("email_022", ("vars", f"{name}{number}"), number)
        connections.close_all()

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    record = data.records.get("email_022")
    assert len(record.data["vars"]) == 50
    assert record.revision == 51


@pytest.mark.django_db(transaction=True)
def test_a_patch_waits_for_the_worker_that_writes_the_record_and_keeps_its_work():
    data = WorkflowData(make_workflow())
    data.records.create("email", FRAMEWORK, record_id="email_022")
    person = threading.Thread(
        target=lambda: (data.records.set("email_022", ("vars", "note"), "call back"), connections.close_all())
    )

    with transaction.atomic(), connection.cursor() as cursor:
        worker = "UPDATE workflow_records SET data = director_patch(data, %s), revision = 2, status = 'processing'"
        cursor.execute(worker, [json.dumps([set_at(("vars", "category"), "lead")])])
        person.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not cursor.execute(waiting) and cursor.fetchone()[0] == 0:
            pass
    person.join()

    record = data.records.get("email_022")
    assert record.data["vars"] == {"category": "lead", "note": "call back"}
    assert (record.status, record.revision) == ("processing", 3)


def test_a_filter_that_nobody_can_answer_is_refused_with_the_nearest_word(data):
    for given, told in (
        ({"stauts": ["failed"]}, r'Did you mean "status"\?'),
        ({"status": ["fialed"]}, r'Did you mean "failed"\?'),
        ({"fields": [{"path": "fields.x", "is": "equals", "value": 1}]}, "is not a comparison"),
        ({"created_after": "yesterday"}, "must be a time with its zone"),
        ({"created_in": "7"}, "must be the id of an execution"),
        ({"ids": {"a": 1}}, "must be a list"),
    ):
        with pytest.raises(FilterInvalid, match=told):
            read_filter(given)

    narrow = read_filter(
        {"type": "email", "status": ["failed"], "updated_after": "2026-11-20T09:00:00Z", "created_in": data.workflow.pk}
    )
    assert read_filter(json.loads(json.dumps(written(narrow)))) == narrow
