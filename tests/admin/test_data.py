"""Records and variables in the admin: edited by their services, checked by their schemas, never with their secrets."""

import json
from typing import Any

import pytest
from django.test import Client

from records.admin import records as admin
from records.models import BulkOperation, RecordChange, RecordType, VariableChange, WorkflowRecord, WorkflowVariable
from tests.admin.conftest import act, url_of
from tests.factories import make_record
from workflows.models import Workflow


@pytest.fixture
def record(triage: Workflow) -> WorkflowRecord:
    schema = {"properties": {"total": {"type": "integer"}, "api_key": {"maxLength": 6}}}
    RecordType.objects.create(workflow=triage, name="email", schema=schema)
    return make_record(triage, record_id="email_001", fields={"total": 7, "api_key": "hunter"}, status="failed")


def page_of(client: Client, row: Any) -> dict[str, Any]:
    """Open the page of the row and return what its form holds."""
    form = client.get(url_of(type(row), "change", row.pk)).context["adminform"].form
    return {name: form[name].value() for name in form.fields if form[name].value() is not None}


def save(client: Client, row: Any, form: dict[str, Any]) -> str:
    answer = client.post(url_of(type(row), "change", row.pk), form, follow=True)
    return str(answer.content.decode())


def edited(form: dict[str, Any], field: str, **changes: Any) -> dict[str, Any]:
    document = json.loads(form[field])
    for path, value in changes.items():
        bucket, key = path.split("__")
        document[bucket][key] = value
    return {**form, field: json.dumps(document)}


def test_what_is_edited_is_patched_and_what_is_masked_stays(staff: Client, record: WorkflowRecord) -> None:
    form = page_of(staff, record)
    assert "hunter" not in form["document"]
    WorkflowRecord.objects.update(data={**record.data, "vars": {"kind": "lead"}})  # meanwhile, by a run

    save(staff, record, {**edited(form, "document", fields__total=8), "why": "by phone"})

    record.refresh_from_db()
    assert record.data["fields"] == {"total": 8, "api_key": "hunter"}
    change = RecordChange.objects.get()
    assert (change.reason, change.source, change.actor.username) == ("by phone", "admin", "root")


def test_an_edit_that_breaks_the_schema_or_writes_a_mask_is_refused(staff: Client, record: WorkflowRecord) -> None:
    form = page_of(staff, record)
    masked = json.loads(form["document"])["fields"]["api_key"]

    assert "fields.total" in save(staff, record, edited(form, "document", fields__total="seven"))
    assert "masked value" in save(staff, record, edited(form, "document", fields__note=masked))
    assert "Enter a valid JSON" in save(staff, record, {**form, "document": "{"})
    assert "Give an object" in save(staff, record, {**form, "document": '{"history": {}}'})
    assert not RecordChange.objects.exists()


def test_an_edit_of_what_another_changed_is_refused(staff: Client, record: WorkflowRecord) -> None:
    form = page_of(staff, record)
    WorkflowRecord.objects.update(revision=5)

    told = save(staff, record, edited(form, "document", fields__total=8))

    assert "revision 5" in told
    record.refresh_from_db()
    assert record.data["fields"]["total"] == 7


def test_a_record_is_moved_where_its_status_allows(staff: Client, record: WorkflowRecord) -> None:
    save(staff, record, {**page_of(staff, record), "move_to": "discovered"})

    record.refresh_from_db()
    assert (record.status, record.retry_count) == ("discovered", 1)
    assert "Select a valid choice" in save(staff, record, {**page_of(staff, record), "move_to": "processing"})


def test_chosen_records_are_retried_skipped_and_deleted_in_the_history(
    staff: Client,
    record: WorkflowRecord,
) -> None:
    held = make_record(record.workflow, status="processing", frame_id=1)

    assert "1 of 1 records changed" in act(staff, WorkflowRecord, "retry", record, held)
    skipped = act(staff, WorkflowRecord, "skip", record, held)
    assert "1 of 2 records changed" in skipped
    assert "1 refused" in skipped
    record.refresh_from_db()
    assert record.status == "skipped"
    rows = {"action": "delete_selected", "_selected_action": [record.pk, held.pk], "post": "yes"}
    staff.post(url_of(WorkflowRecord), rows)
    assert list(WorkflowRecord.objects.all()) == [held]
    assert [operation.kind for operation in BulkOperation.objects.order_by("id")] == ["retry", "skip", "delete"]
    assert set(RecordChange.objects.values_list("actor__username", flat=True)) == {"root"}


def test_chosen_records_of_one_workflow_are_exported_without_secrets(staff: Client, record: WorkflowRecord) -> None:
    other = make_record()

    file = staff.post(url_of(WorkflowRecord), {"action": "export", "_selected_action": [record.pk]})
    refused = act(staff, WorkflowRecord, "export", record, other)

    assert file["Content-Type"] == "text/csv"
    assert b"email_001" in file.getvalue()
    assert b"hunter" not in file.getvalue()
    assert "records of one workflow" in refused


def test_records_are_searched_by_their_words_and_narrowed_by_type(staff: Client, triage: Workflow) -> None:
    from records.services import WorkflowData

    for record_type, subject in (("email", "Invoice from Nordwerk"), ("lead", "Offer")):
        WorkflowData(triage).records.create(record_type, {"subject": subject})

    found = staff.get(url_of(WorkflowRecord), {"q": "nordw"}).content.decode()
    narrowed = staff.get(url_of(WorkflowRecord), {"workflow__id__exact": str(triage.pk), "record_type": "lead"})

    assert "email_001" in found
    assert "lead_001" not in found
    assert "lead_001" in narrowed.content.decode()
    assert "email_001" not in narrowed.content.decode()


def test_a_search_of_a_long_list_reads_no_more_than_it_shows(
    staff: Client, triage: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make_record(triage, record_id=f"mail_{number}", fields={"subject": "Framework"}, status="failed")
    make_record(triage, record_id="mail_9", fields={"subject": "Framework"})
    monkeypatch.setattr(admin, "SHOWN", 3)

    found = staff.get(url_of(WorkflowRecord), {"q": "framework", "status__exact": "failed"}).content.decode()

    assert [number for number in range(10) if f"mail_{number}" in found] == [1, 2, 3]


def test_a_variable_is_made_edited_and_deleted_with_its_secret_kept(staff: Client, triage: Workflow) -> None:
    new = {"workflow": triage.pk, "key": "api_key", "content": '"hunter2"', "shape": "", "sensitive": "unknown"}
    staff.post(url_of(WorkflowVariable, "add"), new)
    variable = WorkflowVariable.objects.get()
    form = page_of(staff, variable)

    saved = save(staff, variable, {**form, "shape": '{"type": "string"}', "sensitive": "unknown"})
    refused = save(staff, variable, {**page_of(staff, variable), "content": "7", "sensitive": "unknown"})

    variable.refresh_from_db()
    assert (variable.value, variable.schema) == ("hunter2", {"type": "string"})
    assert "hunter2" not in saved
    assert "is not of type" in refused
    staff.post(url_of(WorkflowVariable, "delete", variable.pk), {"post": "yes"})
    assert list(VariableChange.objects.order_by("id").values_list("kind", flat=True)) == [
        "created",
        "edited",
        "deleted",
    ]
