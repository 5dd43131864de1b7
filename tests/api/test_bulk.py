"""Many records at once: bulk operations, files out and in."""

import csv
import io
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import AsyncClient

from records import bulk, importing
from records.models import BulkOperation, RecordImport, WorkflowRecord
from tests.api.conftest import Personas
from tests.factories import make_record


@pytest.fixture
def failed(people: Personas) -> str:
    """Three failed e-mails and one that a run works on."""
    for number in range(3):
        fields = {"subject": f"Invoice {number}", "password": "hunter2hunter2"}
        make_record(people.workflow, record_id=f"email_{number:03}", fields=fields, status="failed")
    make_record(people.workflow, record_id="email_900", status="processing", frame_id=1)
    return f"{people.url}/records"


def post(client: Any, url: str, **body: Any) -> Any:
    return client.post(url, body, format="json")


def test_a_dry_run_tells_the_count_and_the_operation_does_it(people: Personas, failed: str) -> None:
    wanted = {"action": "skip", "filter": {"pattern": "email_*"}}

    dry = post(people.owner, f"{failed}/bulk", **wanted, dry_run=True)
    begun = post(people.owner, f"{failed}/bulk", **wanted, shown=dry.json()["total"], reason="duplicates")
    bulk.run(BulkOperation.objects.get().pk)
    done = people.mate.get(begun["Location"]).json()

    assert (dry.status_code, dry.json()["total"], dry.json()["refused"]) == (200, 4, 1)
    assert (begun.status_code, begun.json()["status"]) == (202, "queued")
    assert (done["status"], done["changed"], done["refused"], done["started_by"]) == ("completed", 3, 1, "olivia")
    assert WorkflowRecord.objects.filter(status="skipped").count() == 3
    refused = people.owner.get(f"{begun['Location']}/outcomes", {"outcome": "refused"}).json()["results"]
    assert [(outcome["record_id"], outcome["outcome"]) for outcome in refused] == [("email_900", "refused")]
    assert [one["id"] for one in people.owner.get(f"{failed}/bulk").json()["results"]] == [done["id"]]


def test_outcomes_are_paged_and_an_operation_that_is_over_is_not_cancelled(people: Personas, failed: str) -> None:
    paths = {"set": {"vars.seen": True}, "delete": ["fields.password"]}
    url = post(people.owner, f"{failed}/bulk", action="patch", filter={"status": ["failed"]}, **paths)["Location"]
    bulk.run(BulkOperation.objects.get().pk)

    page = people.owner.get(f"{url}/outcomes?limit=2").json()
    rest = people.owner.get(page["next"]).json()
    refused = people.owner.post(f"{url}/cancel")

    assert [each["outcome"] for each in page["results"] + rest["results"]] == ["changed"] * 3
    assert (refused.status_code, refused.json()["code"]) == (409, "bulk_over")
    assert (
        WorkflowRecord.objects.filter(data__vars={"seen": True}).exclude(data__fields__has_key="password").count() == 3
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "skip"}, 422),
        ({"action": "burn", "filter": {}}, 422),
        ({"action": "skip", "filter": {"stauts": "failed"}}, 422),
        ({"action": "patch", "filter": {}}, 422),
        ({"action": "move", "filter": {}, "status": "processing"}, 422),
        ({"action": "delete", "filter": {}, "shown": 1}, 409),
    ],
)
def test_an_operation_that_cannot_be_meant_is_not_begun(people: Personas, failed: str, body: Any, status: int) -> None:
    assert post(people.owner, f"{failed}/bulk", **body).status_code == status
    assert post(people.stranger, f"{failed}/bulk", **body).status_code == 404
    assert not BulkOperation.objects.exists()


def test_records_are_exported_by_filter_without_secrets(people: Personas, failed: str) -> None:
    as_csv = people.owner.get(
        f"{failed}/export", {"status": "failed", "columns": "record_id,fields.subject,fields.password"}
    )
    as_lines = people.owner.get(f"{failed}/export", {"format": "jsonl", "fields.subject": "Invoice 1"})
    refused = people.owner.get(f"{failed}/export", {"columns": "type"})
    both = people.owner.get(f"{failed}/export", {"columns": "record_id", "format": "jsonl"})
    no_format = people.owner.get(f"{failed}/export", {"format": "xlsx"})

    rows = list(csv.DictReader(io.StringIO(as_csv.getvalue().decode("utf-8-sig"))))
    assert as_csv["Content-Disposition"] == 'attachment; filename="inbox-triage.csv"'
    assert {row["record_id"]: row["fields.subject"] for row in rows}["email_002"] == "Invoice 2"
    lines = [json.loads(line) for line in as_lines.getvalue().splitlines()]
    assert [line["record_id"] for line in lines] == ["email_001"]
    assert b"hunter2" not in as_csv.getvalue() + as_lines.getvalue()
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
    assert "record_id, record_type" in refused.content.decode()
    assert (both.status_code, b"format=csv only" in both.content) == (400, True)
    assert (no_format.status_code, b"format=jsonl" in no_format.content) == (406, True)
    assert people.stranger.get(f"{failed}/export").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_an_export_is_streamed_by_the_asynchronous_server(people: Personas, failed: str) -> None:
    async def export() -> list[bytes]:
        headers = {"Authorization": people.owner._credentials["HTTP_AUTHORIZATION"]}
        answer = await AsyncClient().get(f"{failed}/export?format=jsonl", headers=headers)
        assert answer.is_async
        return [part async for part in answer]

    assert len(b"".join(async_to_sync(export)()).splitlines()) == 4


LEADS = 'Name;E-Mail;Notes;Budget\r\nAda;ada@example.com;"two\r\nlines";100\r\nBob;bob@example.com;;90\r\n'
OPTIONS = {"type": "lead", "id_pattern": "lead_{{ item.Name }}", "mapping": {"E-Mail": "fields.email", "Notes": ""}}


def upload(client: Any, people: Personas, content: str = LEADS, name: str = "leads.csv", **form: Any) -> Any:
    file = SimpleUploadedFile(name, content.encode())
    return client.post(f"{people.url}/records/import", {"file": file, **form}, format="multipart")


def test_a_file_is_looked_at_and_imported_once_it_is_confirmed(people: Personas) -> None:
    taken = upload(people.owner, people, options=json.dumps(OPTIONS))
    url, preview = taken["Location"], taken.json()["preview"]

    assert taken.status_code == 201
    assert preview["targets"] == {**preview["targets"], "E-Mail": "fields.email", "Notes": ""}
    assert [row["data"]["fields"]["email"] for row in preview["rows"]] == ["ada@example.com", "bob@example.com"]
    assert not WorkflowRecord.objects.exists()
    other = post(people.owner, f"{url}/preview", options={**OPTIONS, "mapping": {}}).json()
    assert other["targets"]["E-Mail"] != "fields.email"

    begun = post(people.mate, f"{url}/confirm", options=OPTIONS, reason="from the fair")
    importing.run(RecordImport.objects.get().pk)
    done = people.owner.get(url).json()

    assert (begun.status_code, begun.json()["status"]) == (202, "queued")
    assert (done["status"], done["done"], done["created"]) == ("completed", 2, 2)
    assert WorkflowRecord.objects.get(record_id="lead_Ada").data["fields"]["email"] == "ada@example.com"
    assert post(people.owner, f"{url}/confirm", options=OPTIONS).json()["code"] == "import_over"
    assert people.owner.post(f"{url}/cancel").status_code == 409
    assert [one["id"] for one in people.owner.get(f"{people.url}/records/import").json()["results"]] == [done["id"]]


def test_a_file_that_cannot_be_imported_is_not_kept(people: Personas) -> None:
    refusals = [
        upload(people.owner, people, content=""),
        upload(people.owner, people, options="[]"),
        upload(people.owner, people, options='{"typ": "lead"}'),
        upload(people.owner, people, options="{"),
        people.owner.post(f"{people.url}/records/import", {"confirm": "true"}, format="multipart"),
    ]

    assert {refused.status_code for refused in refusals} == {422}
    assert 'Did you mean "type"' in refusals[2].json()["detail"]
    assert people.owner.post(f"{people.url}/records/import", LEADS, content_type="text/csv").status_code == 415
    assert upload(people.stranger, people).status_code == 404
    assert not RecordImport.objects.exists()


def test_rows_that_cannot_be_records_are_named_by_their_place(people: Personas) -> None:
    lines = '{"record_id": "lead_1", "name": "Ada"}\n{"name": \n{"record_id": "lead_2", "name": "Bob"}\n'
    url = upload(people.owner, people, lines, "leads.jsonl", options='{"type": "lead"}', confirm="true")["Location"]
    importing.run(RecordImport.objects.get().pk)

    done = people.owner.get(url).json()

    assert (done["created"], done["failed"]) == (2, 1)
    assert "2" in done["problems"][0]["position"]


def test_what_does_not_go_with_the_action_is_refused(people: Personas, failed: str) -> None:
    refused = post(people.owner, f"{failed}/bulk", action="delete", filter={}, set={"vars.x": 1}, status="complete")

    assert refused.status_code == 422
    assert {each["pointer"] for each in refused.json()["errors"]} == {"/set", "/status"}
    assert not BulkOperation.objects.exists()


@pytest.mark.parametrize("part", ["ids", "status"])
def test_an_empty_list_in_a_filter_never_means_all(people: Personas, failed: str, part: str) -> None:
    refused = post(people.owner, f"{failed}/bulk", action="delete", filter={part: []})

    assert (refused.status_code, refused.json()["code"]) == (422, "filter_invalid")
    assert not BulkOperation.objects.exists()


def test_an_operation_is_cancelled_and_the_answer_tells_how_far_it_came(people: Personas, failed: str) -> None:
    url = post(people.owner, f"{failed}/bulk", action="skip", filter={})["Location"]

    cancelled = people.mate.post(f"{url}/cancel")

    assert (cancelled.status_code, cancelled.json()["status"], cancelled.json()["changed"]) == (200, "cancelled", 0)
    assert cancelled.json()["finished_at"]
