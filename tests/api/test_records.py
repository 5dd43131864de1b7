from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from records.models import RecordChange, WorkflowRecord
from tests.api.conftest import Personas
from tests.factories import make_record
from tests.rig.queries import statements


@pytest.fixture
def emails(people: Personas) -> str:
    """Three records: an invoice, a lead that failed, a note."""
    make_record(
        people.workflow, record_id="email_001", fields={"subject": "Invoice 17", "total": 120, "token": "hunter2"}
    )
    make_record(
        people.workflow, record_id="email_002", fields={"subject": "Offer"}, vars={"kind": "lead"}, status="failed"
    )
    make_record(people.workflow, record_id="note/2026", record_type="note", fields={"subject": "Invoice lost"})
    return f"{people.url}/records"


def ids(client: Any, url: str, **query: Any) -> list[str]:
    answer = client.get(url, query)
    assert answer.status_code == 200, answer.content
    return [record["record_id"] for record in answer.json()["results"]]


def test_records_are_listed_by_filter(people: Personas, emails: str) -> None:
    owner = people.owner

    assert ids(owner, emails) == ["note/2026", "email_002", "email_001"]
    assert ids(owner, emails, order="record_id", limit=1) == ["email_001"]
    assert ids(owner, emails, type="email", status="failed,skipped") == ["email_002"]
    assert ids(owner, emails, pattern="email_*") == ["email_002", "email_001"]
    assert ids(owner, emails, **{"vars.kind": "lead"}) == ["email_002"]
    assert ids(owner, emails, **{"fields.total[ge]": 100}) == ["email_001"]
    assert ids(owner, emails, **{'fields["subject"][contains]': "Invoice"}) == ["note/2026", "email_001"]
    assert ids(owner, emails, ids="email_001,email_999") == ["email_001"]
    assert ids(people.mate, emails, created_after="2030-01-01T00:00:00Z") == []


def test_what_stands_in_the_way_of_a_patch_is_named_with_a_way_out(people: Personas, emails: str) -> None:
    within = people.owner.patch(f"{emails}/email_001", {"set": {"vars": 5}}, format="json").json()["detail"]
    twice = people.owner.post(emails, {"type": "note", "fields": {}}, format="json")
    again = people.owner.post(emails, {"type": "note", "fields": {}}, format="json")

    assert within == "vars cannot be set: vars is always an object. Give an object, or set and delete what is in vars."
    assert again.json()["record_id"] == twice.json()["record"]["record_id"]


def test_what_a_text_begins_with_is_not_read_as_json(people: Personas, emails: str) -> None:
    for name, code in {"a": "007", "b": "1e5", "c": "null and void"}.items():
        make_record(people.workflow, record_id=name, record_type="part", fields={"code": code})
        people.owner.patch(f"{emails}/{name}", {"set": {"fields.code": code + "!"}}, format="json")

    assert ids(people.owner, emails, **{"fields.code[begins]": "00"}) == ["a"]
    assert ids(people.owner, emails, **{"fields.code[begins]": "1e5"}) == ["b"]
    assert ids(people.owner, emails, **{"fields.code[begins]": "null"}) == ["c"]
    assert ids(people.owner, emails, **{"fields.code[contains]": "null"}) == ["c"]
    assert ids(people.owner, emails, **{"fields.code[exists]": ""}) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("statsu=failed", 400, 'Did you mean \\"status\\"'),
        ("status=faild", 422, "faild"),
        ("vars=1", 400, "vars"),
        ("vars.a..b=1", 422, "vars.a..b"),
        ("fields=record_id,statu", 400, 'Did you mean \\"status\\"'),
        ("cursor=abc", 400, "cursor"),
        ("order=size", 400, "size"),
        ("ids=,", 422, "empty list"),
        ("vars.kind[exists]=maybe", 422, "true or false"),
        ("q=%00", 400, "text"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(
    people: Personas, emails: str, query: str, status: int, words: str
) -> None:
    refused = people.owner.get(f"{emails}?{query}")

    assert refused.status_code == status
    assert words in refused.content.decode()


def test_only_the_parts_asked_for_are_given(people: Personas, emails: str) -> None:
    query = {"fields": "record_id,vars.kind,fields.token", "pattern": "email_*", "order": "record_id"}

    listed = people.owner.get(emails, query).json()["results"]
    single = people.owner.get(f"{emails}/email_002", {"fields": "status,vars.kind"}).json()

    assert [record["record_id"] for record in listed] == ["email_001", "email_002"]
    assert listed[1] == {"record_id": "email_002", "data": {"vars": {"kind": "lead"}, "fields": {"token": None}}}
    assert set(listed[0]["data"]["fields"]["token"]) == {"•"}
    assert single == {"status": "failed", "data": {"vars": {"kind": "lead"}}}


def test_a_page_of_records_goes_on_where_the_one_before_ended(people: Personas, emails: str) -> None:
    found, url = [], f"{emails}?limit=2&order=record_id"
    while url:
        page = people.owner.get(url)
        found += [record["record_id"] for record in page.json()["results"]]
        url = page.json()["next"]
        assert ("Link" in page) == bool(url)

    assert found == ["email_001", "email_002", "note/2026"]


def test_a_record_is_given_with_its_revision_and_without_its_secrets(people: Personas, emails: str) -> None:
    first = people.owner.get(f"{emails}/email_001")

    assert first.json()["data"]["fields"]["subject"] == "Invoice 17"
    assert "hunter2" not in first.content.decode()
    known = people.owner.get(f"{emails}/email_001", headers={"If-None-Match": first["ETag"]})
    assert (known.status_code, known["ETag"], known.content) == (304, first["ETag"], b"")
    assert people.owner.get(f"{emails}/{quote('note/2026', safe='')}").json()["type"] == "note"


def test_a_record_that_is_not_there_is_a_problem_with_the_nearest_id(people: Personas, emails: str) -> None:
    for method in ("get", "delete", "patch"):
        refused = getattr(people.owner, method)(f"{emails}/email_02", {}, format="json")
        assert (refused.status_code, refused.json()["code"]) == (404, "record_not_found")
        assert "email_002" in refused.json()["detail"]


def test_paths_are_set_and_deleted_and_the_change_is_kept_with_its_reason(people: Personas, emails: str) -> None:
    body = {
        "set": {"vars.kind": "invoice", "fields.lines[0].amount": 120},
        "delete": ["fields.total"],
        "reason": "by phone",
    }

    patched = people.mate.patch(f"{emails}/email_001", body, format="json")

    assert patched.status_code == 200
    assert patched.json()["data"]["vars"] == {"kind": "invoice"}
    assert patched.json()["data"]["fields"]["lines"] == [{"amount": 120}]
    assert "total" not in patched.json()["data"]["fields"]
    change = RecordChange.objects.get(name="email_001")
    assert (change.actor, change.reason, change.source) == (people.mate.user, "by phone", "api")


def test_a_patch_is_refused_where_another_was_quicker(people: Personas, emails: str) -> None:
    url, body = f"{emails}/email_001", {"set": {"vars.kind": "invoice"}}
    seen = people.owner.get(url)
    won = people.owner.patch(url, body, format="json", headers={"If-Match": seen["ETag"]})
    by_header = people.mate.patch(
        url, {"set": {"vars.kind": "lead"}}, format="json", headers={"If-Match": seen["ETag"]}
    )
    by_body = people.mate.patch(url, {"set": {"vars.kind": "lead"}, "expected_revision": 1}, format="json")
    deleted = people.mate.delete(url, headers={"If-Match": seen["ETag"]})

    assert won.status_code == 200
    assert won["ETag"] != seen["ETag"]
    assert (by_header.status_code, by_header.json()["code"]) == (412, "version_changed")
    assert (by_body.status_code, by_body.json()["code"]) == (409, "record_changed")
    both = people.mate.patch(
        url, {"set": {"vars.kind": "lead"}, "expected_revision": 2}, format="json", headers={"If-Match": seen["ETag"]}
    )
    assert (both.status_code, both.json()["errors"][0]["pointer"]) == (422, "/expected_revision")
    unless_any = people.mate.delete(url, headers={"If-None-Match": "*"})
    assert unless_any.status_code == 412
    assert deleted.status_code == 412
    assert people.owner.get(url).json()["data"]["vars"]["kind"] == "invoice"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"set": {"kind": 1}}, 422, "path_invalid"),
        ({"set": {"fields.subject.word": 1}}, 422, "patch_refused"),
        ({"stauts": "failed"}, 422, "body_invalid"),
        ({"status": "processing"}, 409, "move_refused"),
        ({"set": {"vars.text": "a\u0000b"}}, 422, "value_invalid"),
        ({"set": {"vars.text": "x" * 1_100_000}}, 422, "record_too_large"),
        ({"set": {"vars.kind": "ok"}, "status": "processing"}, 409, "move_refused"),
        ({"error_message": "by phone"}, 422, "body_invalid"),
    ],
)
def test_a_patch_that_cannot_be_done_changes_nothing(
    people: Personas, emails: str, body: Any, status: int, code: str
) -> None:
    before = people.owner.get(f"{emails}/email_001").json()

    refused = people.owner.patch(f"{emails}/email_001", body, format="json")

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert people.owner.get(f"{emails}/email_001").json() == before


def test_a_failed_record_is_given_back_to_the_next_run(people: Personas, emails: str) -> None:
    moved = people.owner.patch(
        f"{emails}/email_002", {"status": "discovered", "set": {"vars.kind": "x"}}, format="json"
    )

    assert (moved.json()["status"], moved.json()["retry_count"]) == ("discovered", 1)
    assert moved.json()["data"]["vars"] == {"kind": "x"}


def test_a_record_is_created_once(people: Personas) -> None:
    url, body = f"{people.url}/records", {"type": "lead", "record_id": "lead_1", "fields": {"name": "Ada"}}

    made = people.owner.post(url, body, format="json")
    again = people.owner.post(url, body, format="json")
    merged = people.owner.post(url, {**body, "fields": {"city": "Bern"}, "on_existing": "merge"}, format="json")
    numbered = people.owner.post(url, {"type": "lead", "fields": {"name": "Bob"}}, format="json")

    assert (made.status_code, made.json()["outcome"]) == (201, "created")
    assert again.status_code == 409
    assert (merged.status_code, merged.json()["record"]["data"]["fields"]) == (200, {"name": "Ada", "city": "Bern"})
    assert numbered.json()["record"]["record_id"].startswith("lead_")


def test_a_record_is_deleted(people: Personas, emails: str) -> None:
    assert people.owner.delete(f"{emails}/email_001?reason=duplicate").status_code == 204
    assert ids(people.owner, emails, type="email") == ["email_002"]
    assert RecordChange.objects.get(kind="deleted").reason == "duplicate"


def test_a_stranger_sees_and_changes_nothing(people: Personas, emails: str) -> None:
    requests = [
        people.stranger.get(emails),
        people.stranger.post(emails, {"type": "lead", "fields": {}}, format="json"),
        people.stranger.get(f"{emails}/email_001"),
        people.stranger.patch(f"{emails}/email_001", {"status": "skipped"}, format="json"),
        people.stranger.delete(f"{emails}/email_001"),
    ]

    assert {(refused.status_code, refused.json()["code"]) for refused in requests} == {(404, "workflow_not_found")}
    assert people.nobody.get(f"{emails}/email_001").status_code == 401
    assert WorkflowRecord.objects.filter(status="skipped").count() == 0


def queries_of(request: Callable[[], Any]) -> int:
    """Make the request and return how many statements it took; BEGIN, COMMIT and savepoints are no queries."""
    with CaptureQueriesContext(connection) as captured:
        assert request().status_code < 300
    control = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    return sum(not query["sql"].startswith(control) for query in captured)


def test_an_operation_on_a_record_takes_fewer_than_5_queries(people: Personas, emails: str) -> None:
    owner, url = people.owner, f"{emails}/email_001"

    assert queries_of(lambda: owner.get(url)) < 5
    assert queries_of(lambda: owner.patch(url, {"set": {"fields.total": 130}}, format="json")) < 5
    assert queries_of(lambda: owner.patch(url, {"status": "skipped"}, format="json")) < 5
    assert queries_of(lambda: owner.delete(url)) < 5
    assert queries_of(lambda: owner.get(emails)) < 5


@pytest.mark.parametrize(
    ("method", "place", "body"),
    [
        ("get", "/email_001", None),
        ("patch", "/email_001", {"set": {"fields.subject": "Changed"}}),
        ("patch", "/email_001", {"status": "skipped"}),
        ("delete", "/email_001", None),
        ("post", "", {"type": "email", "fields": {"subject": "New"}}),
        ("post", "", {"type": "email", "fields": {"subject": "New"}, "record_id": "mail_7"}),
        ("post", "", {"type": "email", "fields": {"x": 1}, "record_id": "email_001", "on_existing": "merge"}),
    ],
)
def test_what_is_done_with_one_record_takes_fewer_than_five_queries(
    people: Personas, method: str, place: str, body: Any
) -> None:
    make_record(people.workflow, record_id="email_001")
    people.owner.post(f"{people.url}/records", {"type": "email", "fields": {"subject": "First"}}, format="json")

    with statements() as asked:
        answer = getattr(people.owner, method)(f"{people.url}/records{place}", body, format="json")

    assert answer.status_code in (200, 201, 204)
    assert len(asked) < 5, "\n".join(asked)
