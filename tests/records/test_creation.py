"""Making records: identity, numbers, meeting again, schemas, bad items; and two sources at once."""

import threading
from datetime import date
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from records import creation
from records.creation import BATCH, create_records, items_of
from records.errors import RecordInvalid, RecordRefused
from records.filters import read_filter
from records.history import Origin
from records.identity import NewRecord
from records.models import ChangeSource, OnInvalid, RecordChange, RecordType, WorkflowRecord
from records.records import Records
from tests.factories import make_record, make_user, make_workflow
from workflows.definition.plan import CreateRecords, OnExisting
from workflows.expressions import compile_template
from workflows.readers.items import Item, Position, Problem

LETTERS = [
    {"message_id": "<a@nordwerk.example>", "subject": "Framework deal", "vars": {"priority": 1}},
    {"message_id": "<b@nordwerk.example>", "subject": "Invoice 2041"},
]


def create(workflow, values, spec=None, **options):
    result = create_records(workflow.pk, items_of(values, "the list"), spec or CreateRecords("email"), **options)
    return {key: value for key, value in result.items() if value}


def ids(workflow):
    return list(workflow.records.order_by("record_id").values_list("record_id", flat=True))


@pytest.mark.django_db
def test_items_become_numbered_records_with_their_buckets():
    workflow = make_workflow()

    assert create(workflow, LETTERS) == {"created": 2, "type": "email"}

    assert ids(workflow) == ["email_001", "email_002"]
    first = workflow.records.get(record_id="email_001")
    assert first.data == {
        "fields": {"message_id": "<a@nordwerk.example>", "subject": "Framework deal"},
        "vars": {"priority": 1},
        "targets": {},
    }
    assert (first.status, first.revision, first.source_key) == ("discovered", 1, "<a@nordwerk.example>")


@pytest.mark.django_db
def test_meeting_an_item_again_merges_its_fields_and_keeps_vars_and_status():
    workflow = make_workflow()
    create(workflow, LETTERS)
    workflow.records.filter(record_id="email_001").update(
        status="complete", data={"fields": LETTERS[0], "vars": {"category": "lead"}, "targets": {}}
    )
    again = [LETTERS[0] | {"subject": "Framework deal, 3 sites", "vars": {"priority": 9}}, LETTERS[1]]

    assert create(workflow, again) == {"merged": 1, "unchanged": 1, "type": "email"}

    first = workflow.records.get(record_id="email_001")
    assert first.data["fields"]["subject"] == "Framework deal, 3 sites"
    assert (first.data["vars"], first.status, first.revision) == ({"category": "lead"}, "complete", 2)
    change = RecordChange.objects.get(record=first, kind="merged")
    assert change.undo == [{"op": "replace", "path": "/data/fields/subject", "value": "Framework deal"}]
    assert create(workflow, again) == {"unchanged": 2, "type": "email"}


@pytest.mark.django_db
def test_an_existing_record_is_skipped_or_failed_when_asked():
    workflow = make_workflow()
    create(workflow, LETTERS[:1])

    assert create(workflow, LETTERS, CreateRecords("email", on_existing=OnExisting.SKIP))["skipped"] == 1
    refused = create(workflow, LETTERS[:1], CreateRecords("email", on_existing=OnExisting.FAIL))

    assert refused["failed"] == 1
    assert refused["problems"] == [{"position": "item 1 of the list", "reason": "email_001 is already there"}]


@pytest.mark.django_db
def test_a_pattern_without_index_is_the_identity():
    workflow = make_workflow()
    spec = CreateRecords("lead", id_pattern=compile_template("lead_{{ item.email }}", "id_pattern"))
    leads = [{"email": "p.haas@nordwerk.example", "seats": 3}, {"email": "p.haas@nordwerk.example", "seats": 140}]

    assert create(workflow, leads, spec) == {"created": 1, "merged": 1, "type": "lead"}
    assert create(workflow, [{"email": ""}, {"email": "x" * 300}], spec)["failed"] == 1

    assert workflow.records.get(record_id="lead_p.haas@nordwerk.example").data["fields"]["seats"] == 140


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("mail-{{ index }}-{{ item.box }}", ["mail-001-a", "mail-002-a"]),
        ("{{ item.box }}{{ index + 100 }}", ["a101", "a102"]),
        ("m{{ '%05d' | format(index) }}", ["m00001", "m00002"]),
    ],
)
def test_numbers_follow_the_pattern_and_go_on_after_the_highest_one(template, expected):
    workflow = make_workflow()
    spec = CreateRecords("mail", id_pattern=compile_template(template, "id_pattern"))

    create(workflow, [{"box": "a", "id": 1}, {"box": "a", "id": 2}], spec)

    assert ids(workflow) == expected
    make_record(workflow, record_type="mail", record_id=expected[1].replace("2", "7"))
    create(workflow, [{"box": "a", "id": 3}], spec)
    assert expected[1].replace("2", "3") in ids(workflow)


@pytest.mark.django_db
def test_the_first_number_goes_on_after_what_is_there_and_after_ids_given_by_hand():
    workflow = make_workflow()
    make_record(workflow, record_id="email_041")
    create(workflow, LETTERS)
    assert ids(workflow) == ["email_041", "email_042", "email_043"]

    create_records(workflow.pk, [NewRecord("row 1", {}, record_id="email_900")], CreateRecords("email"))
    create(workflow, [{"id": "c"}])

    assert ids(workflow)[-2:] == ["email_900", "email_901"]


@pytest.mark.django_db
def test_a_message_that_stands_twice_in_an_unchanged_source_is_unchanged():
    workflow = make_workflow()
    letters = [{"message_id": "<a@x>", "subject": "First"}, {"message_id": "<a@x>", "subject": "Second"}]

    assert create(workflow, letters) == {"created": 1, "merged": 1, "type": "email"}
    assert create(workflow, letters) == {"unchanged": 2, "type": "email"}


@pytest.mark.django_db
def test_a_pattern_that_does_not_count_is_refused_before_anything_is_written():
    workflow = make_workflow()
    spec = CreateRecords("mail", id_pattern=compile_template("m{{ index * 10 }}", "id_pattern"))

    with pytest.raises(Exception, match="does not count up by one"):
        create(workflow, [{"id": 1}], spec)

    assert ids(workflow) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("template", "refused", "reason"),
    [
        ("mail_{{ item.no | default(index) }}", {"id": 1, "no": 7}, "mail_7"),  # names it without counting
        ("{{ item.box.name }}_{{ index }}", {"id": 1}, "box"),
    ],
)
def test_an_item_for_which_the_pattern_fails_is_told_by_position_and_the_rest_goes_on(template, refused, reason):
    workflow = make_workflow()
    spec = CreateRecords("mail", id_pattern=compile_template(template, "id_pattern"))
    items = items_of([{"id": 0, "box": {"name": "mail"}}, refused, {"id": 2, "box": {"name": "mail"}}], "the list")

    result = create_records(workflow.pk, items, spec)

    assert (result["created"], result["failed"]) == (2, 1)
    (problem,) = result["problems"]
    assert problem["position"] == "item 2 of the list"
    assert reason in problem["reason"]
    assert all(name.startswith("mail_") for name in ids(workflow))


@pytest.mark.django_db
def test_what_cannot_be_stored_is_told_by_position_and_the_rest_goes_on():
    workflow = make_workflow()
    good = Item(Position(3, "row", "orders.csv", line=9), {"order": "A-1"})
    items = [
        Problem(Position(1, "row", "orders.csv", line=2), "has 3 values for 2 columns"),
        Item(Position(2, "row", "orders.csv", line=5), {"note": "a\x00b"}),
        good,
        Item(Position(4, "row", "orders.csv", line=12), {"scan": "x" * 1_100_000}),
    ]

    result = create_records(workflow.pk, items, CreateRecords("order"))

    assert (result["created"], result["failed"]) == (1, 3)
    assert [problem["position"] for problem in result["problems"]] == [
        "row 1 of orders.csv (line 2)",
        "row 2 of orders.csv (line 5)",
        "row 4 of orders.csv (line 12)",
    ]
    assert "NUL character" in result["problems"][1]["reason"]
    assert "the limit is 1 MB" in result["problems"][2]["reason"]


@pytest.mark.django_db
def test_a_schema_marks_a_new_record_failed_or_refuses_it_with_path_and_rule():
    workflow = make_workflow()
    schema = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number", "minimum": 0}}}
    invoices = [{"id": 1, "total": -4}, {"id": 2, "total": 12}]

    assert create(workflow, invoices, CreateRecords("invoice", initial_schema=schema))["created"] == 2
    failed = workflow.records.get(record_id="invoice_001")
    assert (failed.status, failed.error_message) == ("failed", "fields.total: -4 is less than the minimum of 0")

    RecordType.objects.create(workflow=workflow, name="bill", schema=schema, on_invalid=OnInvalid.REFUSE)
    refused = create(workflow, invoices, CreateRecords("bill"))
    assert (refused["created"], refused["failed"]) == (1, 1)
    assert "fields.total: -4 is less than" in refused["problems"][0]["reason"]


@pytest.mark.django_db
def test_an_item_that_breaks_the_schema_leaves_a_record_that_is_there_alone():
    workflow = make_workflow()
    spec = CreateRecords("invoice", initial_schema={"properties": {"total": {"type": "number"}}})
    create(workflow, [{"id": 1, "total": 4}], spec)

    assert create(workflow, [{"id": 1, "total": "four"}], spec)["failed"] == 1
    assert workflow.records.get().data["fields"]["total"] == 4


@pytest.mark.django_db
def test_what_a_person_creates_is_in_the_history():
    workflow, maya = make_workflow(), make_user("maya")
    origin = Origin(ChangeSource.API, actor_id=maya.pk, reason="from the old CRM")

    create(workflow, LETTERS, origin=origin)

    change = RecordChange.objects.get(name="email_001")
    assert (change.kind, change.source, change.actor, change.reason) == ("created", "api", maya, origin.reason)
    assert change.patch == [{"op": "add", "path": "/data/vars/priority", "value": 1}]


@pytest.mark.django_db
def test_a_batch_takes_few_queries_whatever_its_size():
    workflow = make_workflow()
    create(workflow, LETTERS)
    values = [{"id": number} for number in range(BATCH)]

    with CaptureQueriesContext(
        connection,
    ) as new:
        create(workflow, values)
    with CaptureQueriesContext(connection) as again:
        create(workflow, values)

    assert len([query for query in new if "SAVEPOINT" not in query["sql"]]) == 4
    assert len([query for query in again if "SAVEPOINT" not in query["sql"]]) == 3


@pytest.mark.django_db(transaction=True)
def test_two_sources_at_once_make_each_record_once_without_gaps():
    workflow = make_workflow()
    values = [{"id": number} for number in range(2_500)]
    results = []

    def run(order):
        results.append(create(workflow, order))
        connection.close()

    threads = [threading.Thread(target=run, args=(order,)) for order in (values, values[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(result.get("created", 0) for result in results) == 2_500
    assert sum(result.get("unchanged", 0) for result in results) == 2_500
    names = set(WorkflowRecord.objects.filter(workflow=workflow).values_list("record_id", flat=True))
    assert names == {f"email_{number:03d}" for number in range(1, 2_501)}


@pytest.mark.django_db(transaction=True)
def test_what_a_workflow_makes_at_once_is_looked_up_in_its_index_from_the_start(monkeypatch):
    monkeypatch.setattr(creation, "STATISTICS_FROM", 2_000)
    workflow = make_workflow()

    with CaptureQueriesContext(connection) as queries:
        create(workflow, [{"id": number} for number in range(9_000)])

    analyzed = [number for number, query in enumerate(queries) if query["sql"].startswith("ANALYZE")]
    assert len(analyzed) == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'workflow_records'")
        assert cursor.fetchone()[0] >= 8_000


@pytest.mark.django_db
@pytest.mark.parametrize("on_invalid", [OnInvalid.REFUSE, OnInvalid.MARK_FAILED])
def test_what_is_said_anew_about_a_record_need_fit_the_schema_only_together_with_what_is_known(on_invalid):
    workflow = make_workflow()
    schema = {"type": "object", "required": ["mail"], "properties": {"seats": {"type": "integer"}}}
    RecordType.objects.create(workflow=workflow, name="lead", schema=schema, on_invalid=on_invalid)
    records = Records(workflow, Origin(ChangeSource.API))
    for name in ("a", "b", "c"):
        records.create("lead", {"mail": f"{name}@example.com"}, record_id=name)

    made = records.create("lead", {"seats": 4}, record_id="a", on_existing=OnExisting.MERGE)
    with pytest.raises((RecordInvalid, RecordRefused), match="seats"):
        records.create("lead", {"seats": "four"}, record_id="a", on_existing=OnExisting.MERGE)
    spec = CreateRecords("lead", compile_template("{{ item.key }}", "id"))
    result = create(workflow, [{"key": "b", "seats": 7}, {"key": "c", "seats": "7"}], spec)

    assert made.record.data["fields"] == {"mail": "a@example.com", "seats": 4}
    assert (result["merged"], result["failed"]) == (1, 1)
    assert "seats" in result["problems"][0]["reason"]
    assert records.get("b").data["fields"]["seats"] == 7
    assert "seats" not in records.get("c").data["fields"]


@pytest.mark.django_db
def test_dates_and_ids_are_kept_and_found_as_texts():
    records = Records(make_workflow(), Origin(ChangeSource.API))

    made = records.create("lead", {"since": date(2026, 11, 20), "ref": UUID(int=0xE5)}).record

    assert made.data["fields"] == {"since": "2026-11-20", "ref": str(UUID(int=0xE5))}
    assert records.count(read_filter({"text": "2026"})) == 1
