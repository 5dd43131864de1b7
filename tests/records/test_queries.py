"""Finding records: every part of a filter, every order, pages by key both ways, search, streams."""

from datetime import timedelta
from importlib import import_module
from itertools import product

import pytest
from django.contrib.postgres.search import SearchVector
from django.db.models import Value
from hypothesis import given, settings
from hypothesis import strategies as st

from records import listing, queries, search
from records.errors import CursorInvalid, FilterInvalid
from records.filters import RecordFilter, read_filter
from records.history import Origin
from records.models import ChangeSource, RecordSearch, WorkflowRecord
from records.patches import set_at
from records.records import Records
from tests.factories import make_record, make_workflow

pytestmark = pytest.mark.django_db
LEADS = [
    {
        "id": 1,
        "company": "Nordwerk Maschinenbau",
        "email": "p.haas@nordwerk.example",
        "seats": 140,
        "tags": ["eu", "hot"],
    },
    {"id": 2, "company": "Blue Fjord ApS", "email": "ida@fjord.example", "seats": 12, "tags": []},
    {"id": 3, "company": "Nordlicht GmbH", "email": "kontakt@nordlicht.example", "seats": 60},
]


@pytest.fixture
def records():
    records = Records(make_workflow(), Origin(ChangeSource.API))
    records.create_many("lead", LEADS)
    Records(records.workflow, Origin(ChangeSource.STEP, alias="inbox")).create_many(
        "email", [{"id": "m1"}, {"id": "m2"}]
    )
    return records


def found(records, **wanted):
    return [record.record_id for record in records.query(read_filter(wanted), order="record_id").rows]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"pattern": "lead_*"}, ["lead_001", "lead_002", "lead_003"]),
        ({"pattern": "*_002"}, ["email_002", "lead_002"]),
        ({"pattern": "l%ad_*"}, []),
        ({"pattern": "lead_002"}, ["lead_002"]),
        ({"type": "email"}, ["email_001", "email_002"]),
        ({"ids": ["lead_003", "email_001", "none"]}, ["email_001", "lead_003"]),
        ({"created_by": "inbox"}, ["email_001", "email_002"]),
        ({"created_by": "api", "type": "email"}, []),
        ({"text": "nord"}, ["lead_001", "lead_003"]),
        ({"text": "NORDWERK.example haas"}, ["lead_001"]),
        ({"text": "lead_002"}, ["lead_002"]),
        ({"text": "140"}, ["lead_001"]),
        ({"text": "company"}, []),
        ({"text": "?!"}, []),
        ({"fields": [{"path": "fields.company", "value": "Nordwerk Maschinenbau"}]}, ["lead_001"]),
        ({"fields": [{"path": "fields.company", "value": "nordwerk maschinenbau"}]}, []),
        ({"fields": [{"path": "fields.seats", "value": 12.0}]}, ["lead_002"]),
        ({"fields": [{"path": "fields.tags[1]", "value": "hot"}]}, ["lead_001"]),
        ({"fields": [{"path": "fields.company", "is": "begins", "value": "nordl"}]}, ["lead_003"]),
        ({"fields": [{"path": "fields.email", "is": "begins", "value": "ida@"}]}, ["lead_002"]),
        ({"fields": [{"path": "fields.seats", "is": "begins", "value": "1"}]}, ["lead_001", "lead_002"]),
        ({"fields": [{"path": "fields.tags", "is": "contains", "value": "eu"}]}, ["lead_001"]),
        ({"fields": [{"path": "fields", "is": "contains", "value": "Nordwerk"}]}, []),
        ({"fields": [{"path": "fields.seats", "is": "ge", "value": 60}]}, ["lead_001", "lead_003"]),
        ({"fields": [{"path": "fields.seats", "is": "gt", "value": "1"}]}, []),
        ({"fields": [{"path": "fields.company", "value": "Nordlicht GmbH"}]}, ["lead_003"]),
        ({"fields": [{"path": "fields.company", "is": "contains", "value": "FJORD"}]}, ["lead_002"]),
        ({"fields": [{"path": "fields.company", "is": "contains", "value": "%"}]}, []),
        ({"fields": [{"path": "fields.email", "is": "begins", "value": "p."}]}, ["lead_001"]),
        ({"fields": [{"path": "fields.tags", "is": "contains", "value": "hot"}]}, ["lead_001"]),
        ({"fields": [{"path": "fields.tags[0]", "value": "eu"}]}, ["lead_001"]),
        ({"fields": [{"path": "fields.tags", "is": "exists"}]}, ["lead_001", "lead_002"]),
        ({"fields": [{"path": "fields.tags", "is": "exists", "value": False}], "type": "lead"}, ["lead_003"]),
        ({"fields": [{"path": "fields.seats", "is": "ne", "value": 12}], "type": "lead"}, ["lead_001", "lead_003"]),
    ],
)
def test_each_part_of_a_filter_narrows(records, given, expected):
    assert found(records, **given) == expected
    narrow = read_filter(given)
    assert records.count(narrow) == len(expected)
    assert sorted(record.record_id for record in records.iterate(narrow)) == expected


def test_status_errors_and_times_narrow(records):
    record = make_record(records.workflow, status="failed", error_message="Airtable 422: Segment " + "x" * 400)
    moment = record.created_at

    assert found(records, status=["failed", "waiting"]) == [record.record_id]
    assert found(records, errors=[record.error_message]) == [record.record_id]
    assert found(records, created_after=moment) == [record.record_id]
    assert len(found(records, created_before=moment, updated_before=moment + timedelta(hours=1))) == 5
    assert records.count(RecordFilter(status=("failed",))) == 1


def test_a_changed_field_is_found_by_its_new_words_only(records):
    records.set("lead_002", ("fields", "company"), "Red Harbour")

    assert found(records, text="harbour") == ["lead_002"]
    assert found(records, text="blue") == []


@pytest.mark.parametrize("order", list(listing.ORDERS))
def test_pages_by_key_give_every_record_once_and_go_back_the_same_way(records, order):
    whole = [record.record_id for record in records.query(order=order).rows]
    pages, cursor = [], ""

    while True:
        page = records.query(order=order, cursor=cursor, size=2)
        pages.append(page)
        if not page.next:
            break
        cursor = page.next

    assert [record.record_id for page in pages for record in page.rows] == whole
    back = records.query(order=order, cursor=pages[2].previous, size=2)
    assert [record.record_id for record in back.rows] == whole[2:4]
    assert (back.first, pages[2].first) == (3, 5)


KINDS = [{}, {"status": ["discovered"]}, {"type": "lead"}, {"type": "lead", "status": ["discovered", "failed"]}]
OTHERS = [
    {},
    {"text": "nord"},
    {"pattern": "lead_*"},
    {"pattern": "*d_*"},
    {"updated_after": "2020-01-01T00:00:00Z", "updated_before": "2100-01-01T00:00:00Z"},
    {"fields": [{"path": "fields.seats", "is": "ge", "value": 12}]},
]
# (LOOK, FEW): everything is few; everything is found among the first that are looked at; nothing is either.
WAYS = [(1_000, 10_000), (1_000, 0), (1, 0)]


@pytest.mark.parametrize("order", listing.ORDERS)
def test_a_page_is_the_same_by_whatever_way_it_is_found(records, monkeypatch, order):
    make_record(records.workflow, record_id="lead_004", record_type="lead", status="failed", fields={"name": "Nordsee"})
    column, way = order.lstrip("-"), "-" if order.startswith("-") else ""

    for kind, other, (look, few) in product(KINDS, OTHERS, WAYS):
        monkeypatch.setattr(listing, "LOOK", look)
        monkeypatch.setattr(listing, "FEW", few)
        narrow = read_filter({**kind, **other})
        passing = [one.pk for one in queries.iterate(records.workflow.pk, narrow)]
        rows = WorkflowRecord.objects.filter(pk__in=passing).order_by(f"{way}{column}", f"{way}id")

        first = records.query(narrow, order=order, size=1)
        second = records.query(narrow, order=order, cursor=first.next, size=9)
        back = records.query(narrow, order=order, cursor=second.previous, size=1)

        assert [*first.rows, *second.rows] == list(rows)
        assert back.rows == first.rows


@pytest.mark.parametrize("cursor", ["nonsense", "W1siYSJdLDAsMF0", "W1siXHUwMDAwIl0sMCwwXQ"])
def test_a_cursor_of_another_list_is_refused(records, cursor):
    for order in ("-id", "updated_at", "record_id"):
        with pytest.raises(CursorInvalid):
            records.query(order=order, cursor=cursor)
    with pytest.raises(FilterInvalid, match=r'Did you mean "-updated_at"\?'):
        records.query(order="-updatedat")


def test_a_search_without_an_index_goes_on_where_it_stopped(records, monkeypatch):
    for name, number in (("LOOK", 1), ("SCAN", 2), ("FEW", 0)):
        monkeypatch.setattr(listing, name, number)
    narrow = read_filter({"fields": [{"path": "fields.seats", "is": "ge", "value": 60}]})
    pages, cursor = [], ""

    while True:
        page = records.query(narrow, order="id", cursor=cursor, size=2)
        pages.append([record.record_id for record in page.rows])
        if not page.next:
            break
        cursor = page.next

    assert pages == [["lead_001"], ["lead_003"], []]
    with pytest.raises(FilterInvalid, match="one workflow at a time"):
        queries.records_page([records.workflow.pk, make_workflow().pk], narrow)


def test_records_of_several_workflows_come_in_one_order_and_strangers_do_not(records, monkeypatch):
    other, stranger = make_workflow(), make_workflow()
    make_record(other, record_id="order_1")
    make_record(stranger, record_id="secret_1")
    WorkflowRecord.objects.create(
        workflow=other, record_id="temp:1:each:0001", record_type="item", execution_id=other.pk
    )

    page = queries.records_page([records.workflow.pk, other.pk], RecordFilter(), order="-id")

    assert [record.record_id for record in page.rows][:2] == ["order_1", "email_002"]
    assert len(page.rows) == 6
    for look, few in WAYS:
        monkeypatch.setattr(listing, "LOOK", look)
        monkeypatch.setattr(listing, "FEW", few)
        named = queries.records_page([records.workflow.pk, other.pk], read_filter({"text": "order"}), order="-id")
        assert [record.record_id for record in named.rows] == ["order_1"]


def test_a_list_without_data_has_titles_and_picked_values_and_fetches_nothing_else(records, django_assert_num_queries):
    records.workflow.record_types.create(name="lead", title="fields.company")

    with django_assert_num_queries(1):
        page = records.query(
            read_filter({"type": "lead"}), order="id", whole=False, picked=[("fields", "tags", 0), ("vars", "none")]
        )
        rows = [(row.title, row.picked) for row in page.rows]

    assert rows == [
        ("Nordwerk Maschinenbau", ["eu", None]),
        ("Blue Fjord ApS", [None, None]),
        ("Nordlicht GmbH", [None, None]),
    ]


def test_a_stream_reads_a_chunk_at_a_time(records, django_assert_num_queries):
    with django_assert_num_queries(3):
        assert len(list(queries.iterate(records.workflow.pk, RecordFilter(), chunk=2))) == 5


@pytest.mark.parametrize(
    "test",
    [
        {"path": "fields.crm.api_key", "value": "s3cr3t-42"},
        {"path": "fields.crm.api_key", "is": "begins", "value": "s3"},
        {"path": "fields.crm", "is": "contains", "value": {"api_key": "s3cr3t-42"}},
        {"path": "fields.crm", "is": "ge", "value": [{"api_key": "s"}]},
    ],
)
def test_a_secret_cannot_be_guessed_by_testing_it(test):
    with pytest.raises(FilterInvalid, match="is a secret"):
        read_filter({"fields": [test]})


def test_a_secret_is_found_neither_by_its_words_nor_in_the_text_of_what_holds_it(records):
    records.create("crm", {"name": "Fjord", "crm": {"api_key": "s3cr3t-42", "url": "crm.example"}}, record_id="crm_001")
    records.patch("crm_001", [set_at(("fields", "password"), "hunter2hunter2")])

    assert found(records, text="crm.example") == ["crm_001"]
    assert found(records, text="s3cr3t") == found(records, text="hunter2hunter2") == []
    assert found(records, fields=[{"path": "fields.crm", "is": "contains", "value": "s3cr3t"}]) == []
    assert found(records, fields=[{"path": "fields.crm.api_key", "is": "exists"}]) == ["crm_001"]


def test_a_field_is_found_by_what_it_says_also_in_a_record_with_more_words_than_are_kept(records):
    records.create("note", {"body": "word " * 30_000, "author": "Anke Brandt"}, record_id="note_001")

    assert found(records, fields=[{"path": "fields.author", "value": "Anke Brandt"}]) == ["note_001"]


@settings(max_examples=200, deadline=None)
@given(value=st.one_of(st.text(), st.integers(-(2**53), 2**63), st.floats(allow_nan=False, allow_infinity=False)))
def test_the_search_lets_no_record_through_the_net_that_has_the_value(value):
    """Every word that a test of a value looks for is among the words of a record with that value."""
    words, looked_for = search.document_of({"field": value}).split(), search.query_for(value)

    if looked_for:
        assert set(looked_for.removesuffix(f") | {search.CUT}").removeprefix("(").split(" & ")) <= set(words)
    if isinstance(value, str):
        looked_for = search.query_for(value[:5], begins=True)
        for part in looked_for.removesuffix(f") | {search.CUT}").removeprefix("(").split(" & ") if looked_for else []:
            assert any(word.startswith(part.removesuffix(":*")) for word in words)


def test_existing_records_are_searched_by_the_rules_of_today():
    record = make_record(fields={"subject": "Framework deal", "token": "s3cr3t-42"})
    RecordSearch.objects.update(document=SearchVector(Value("stale s3cr3t")))

    import_module("records.migrations.0010_search_without_secrets").index_again(None, None)

    mine = Records(record.workflow, Origin(ChangeSource.API))
    assert found(mine, text="framework") == [record.record_id]
    assert found(mine, text="s3cr3t") == found(mine, text="stale") == []
