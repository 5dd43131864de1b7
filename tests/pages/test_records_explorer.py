"""The list of records: filters and columns in the address, views, bulk actions, export and import, and who may."""

import csv
import io
import re
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from records import bulk, importing
from records.models import BulkOperation, RecordImport, RecordSearch, SavedView, WorkflowRecord
from records.services import WorkflowData
from tests.factories import make_execution, make_frame, make_user, make_workflow
from workflows.models import WorkflowVersion

pytestmark = pytest.mark.django_db

LIST = "/records/"


@pytest.fixture
def archive(client):
    """Sixty e-mails, a third of them failed for one of two causes; their owner is signed in."""
    owner, mate, stranger = (make_user(name) for name in ("olivia", "tom", "steve"))
    workflow = make_workflow(owner, name="Inbox to Airtable", slug="inbox-to-airtable")
    workflow.collaborators.add(mate)
    data = WorkflowData(workflow, owner)
    for number in range(60):
        fields = {"subject": f"Offer {number}", "amount": number, "api_key": f"sk-{number}-x"}
        data.records.create("email", fields, record_id=f"email_{number:03}")
        if number % 3 == 0:
            why = "HTTP 429" if number % 2 else f"Segment {number} is not accepted"
            data.records.move(f"email_{number:03}", "failed", error=why)
    client.force_login(owner)
    return SimpleNamespace(client=client, workflow=workflow, data=data, mate=mate, stranger=stranger)


def shown(archive, query=""):
    return archive.client.get(LIST + query).content.decode()


def ids(html):
    return re.findall(r'aria-label="Select ([^ "]+)"', html)


def keys(*names):
    return [str(key) for key in WorkflowRecord.objects.filter(record_id__in=names).values_list("pk", flat=True)]


def post(archive, name, query="", **given):
    headers = {"HX-Request": "true", "HX-Target": "bulk-dialog-body"}
    return archive.client.post(f"{reverse(name)}{query}", given, headers=headers)


def finish(operation):
    while bulk.work_on(operation.pk):
        pass
    operation.refresh_from_db()
    return operation


def test_the_address_narrows_orders_and_chooses_columns(archive):
    assert len(ids(shown(archive))) == 50
    assert len(ids(shown(archive, "?status=failed"))) == 20
    assert ids(shown(archive, "?q=offer+17")) == ["email_017"]
    assert ids(shown(archive, "?where=fields.amount+ge+58&order=record_id")) == ["email_058", "email_059"]
    assert ids(shown(archive, "?pattern=email_00*&order=-record_id&status=failed")) == [
        "email_009", "email_006", "email_003", "email_000",
    ]  # fmt: skip
    html = shown(archive, "?columns=fields.amount&columns=status&columns=fields.api_key&q=offer+17")
    assert ">fields.amount</th>" in html
    assert ">17</td>" in html
    assert "sk-17-x" not in html
    assert "Updated" not in html.split("<thead>")[1].split("</thead>")[0]


def test_a_filter_that_says_nothing_is_named_and_left_out(archive):
    html = shown(archive, "?where=amount+is+big&where=fields.amount+eq+5")

    assert "is no test of a field" in html
    assert ids(html) == ["email_005"]
    assert shown(archive, "?cursor=broken&order=nothing&status=lost").count('name="pk"') == 50


def test_a_cause_and_a_described_field_become_part_of_the_address(archive):
    html = shown(archive, "?status=failed")
    cause = re.search(r'href="\?[^"]*cause=([0-9a-f]+)[^"]*"[^>]*><span class="trunc">HTTP 429', html)[1]
    assert len(ids(shown(archive, f"?status=failed&cause={cause}"))) == 10

    described = archive.client.get(f"{LIST}?status=failed&path=fields.amount&is=lt&value=4")
    assert described.url == "/records/?status=failed&where=fields.amount+lt+4"


def test_the_columns_offered_are_those_that_the_records_have(archive):
    html = archive.client.get(reverse("record_columns"), {"columns": "status"}).content.decode()

    assert 'value="fields.subject"' in html
    assert 'value="status" checked' in html


def test_a_view_is_kept_for_its_person_alone(archive):
    for query in ("where=fields.amount+ge+50", "where=fields.amount+ge+55&cursor=x"):
        archive.client.post(reverse("record_view_save"), {"name": "Dear ones", "query": query})
    view = SavedView.objects.get()
    assert view.query == "where=fields.amount+ge+55"
    assert "Dear ones" in shown(archive)

    archive.client.force_login(archive.mate)
    assert "Dear ones" not in shown(archive)
    for name in ("record_view_delete", "record_view_change"):
        assert archive.client.post(reverse(name, args=[view.pk]), {"name": "Mine"}).status_code == 404
    assert SavedView.objects.get().name == "Dear ones"


def test_the_list_opens_with_the_view_that_was_chosen_for_it(archive):
    for name in ("Dear ones", "Failed ones"):
        query = "status=failed" if name == "Failed ones" else "where=fields.amount+ge+50"
        archive.client.post(reverse("record_view_save"), {"name": name, "query": query, "first": "1"})

    assert archive.client.get(LIST).url == "/records/?status=failed"
    assert len(ids(shown(archive, "?view=all"))) == 50

    view = SavedView.objects.get(name="Failed ones")
    change = reverse("record_view_change", args=[view.pk])
    archive.client.post(change, {"name": "Dear ones", "first": "1"})
    assert SavedView.objects.filter(name="Failed ones", is_first=True).exists()
    archive.client.post(change, {"name": "To look at"})
    view.refresh_from_db()
    assert (view.name, view.is_first) == ("To look at", False)
    assert archive.client.get(LIST).status_code == 200


def test_a_row_says_where_its_record_is_and_what_made_it(archive):
    run = make_execution(archive.workflow, version=WorkflowVersion.objects.create(workflow=archive.workflow))
    record = WorkflowRecord.objects.get(record_id="email_003")
    make_frame(run, record, alias="each_email", status="failed", at_step="save_lead")
    RecordSearch.objects.filter(record_id=record.pk).update(created_by="search", created_in=run.pk)

    html = shown(archive, "?q=email_003")
    assert 'title="save_lead"' in html
    assert re.search(rf'title="search">search</span> <a class="num above" href="/executions/{run.number}/">', html)
    assert ids(shown(archive, "?at_step=save_lead")) == ["email_003"]
    assert "No record matches" in shown(archive, "?at_step=classify")

    menu = reverse("record_menu", args=[record.pk])
    shown_menu = archive.client.get(menu).content.decode()
    assert "Retry from" in shown_menu
    assert f"Run #{run.number}" in shown_menu
    replay = f'href="/executions/{run.number}/replay/?record=email_003&amp;step=save_lead" data-panel="replay-panel"'
    assert replay in shown_menu
    WorkflowRecord.objects.filter(pk=record.pk).update(status="skipped")
    assert 'title="save_lead"' not in shown(archive, "?q=email_003")
    WorkflowRecord.objects.filter(pk=record.pk).update(status="processing")
    assert "A run holds it" in archive.client.get(menu).content.decode()
    archive.client.force_login(archive.stranger)
    assert archive.client.get(menu).status_code == 404


def test_records_of_one_workflow_are_acted_on_in_a_list_of_all(archive):
    other = make_workflow(archive.workflow.owner, name="Leads")
    WorkflowData(other, archive.workflow.owner).records.create("lead", {}, record_id="email_001")
    mine = WorkflowRecord.objects.get(workflow=archive.workflow, record_id="email_001")

    assert "Skip 1 record?" in post(archive, "bulk_ask", kind="skip", pk=[mine.pk]).content.decode()
    both = post(archive, "bulk_ask", kind="skip", pk=[mine.pk, *keys("email_001")]).content.decode()
    assert "are of several workflows" in both


def test_an_id_with_a_star_is_a_pattern_and_a_page_has_as_many_rows_as_were_asked_for(archive):
    assert ids(shown(archive, "?q=email_01*&order=record_id"))[:2] == ["email_010", "email_011"]
    assert len(ids(shown(archive, "?q=email_01*"))) == 10
    assert len(ids(shown(archive, "?rows=25"))) == 25
    assert len(ids(shown(archive, "?rows=7"))) == 50


def test_all_that_match_are_skipped_in_the_background_and_every_outcome_is_told(archive):
    query = "?status=failed&workflow=inbox-to-airtable"
    dialog = post(archive, "bulk_ask", query, kind="skip", all="1").content.decode()
    assert "Skip 20 records?" in dialog

    started = post(archive, "bulk_start", query, kind="skip", all="1", shown="20", reason="old").content.decode()
    operation = finish(BulkOperation.objects.get())

    assert reverse("bulk_page", args=[operation.pk]) in started
    assert 'hx-trigger="every 1s"' in started
    assert (operation.total, operation.changed) == (20, 20)
    toast = archive.client.get(reverse("bulk_toast", args=[operation.pk])).content.decode()
    assert "20 records are skipped" in toast
    assert "hx-trigger" not in toast
    page = archive.client.get(reverse("bulk_page", args=[operation.pk])).content.decode()
    assert page.count("row-link mono") == 20
    assert "“old”" in page


def test_selected_records_are_patched_moved_and_deleted(archive):
    chosen = ["email_001", "email_002"]
    post(archive, "bulk_start", kind="patch", pk=keys(*chosen), shown="2", path="vars.kind", type="text", value="lead")
    post(archive, "bulk_start", kind="move", pk=keys(*chosen), shown="2", status="complete")
    for operation in BulkOperation.objects.order_by("id"):
        finish(operation)
    rows = WorkflowRecord.objects.filter(record_id__in=chosen)
    assert [(row.status, row.data["vars"]) for row in rows] == [("complete", {"kind": "lead"})] * 2

    refused = post(archive, "bulk_start", kind="delete", pk=keys(*chosen), shown="2", confirm="3")
    assert refused.status_code == 422
    assert "type 2 to delete" in refused.content.decode()
    post(archive, "bulk_start", kind="delete", pk=keys(*chosen), shown="2", confirm="2")
    finish(BulkOperation.objects.get(kind="delete"))
    assert not rows.all().exists()


def test_what_cannot_be_done_comes_back_in_the_dialog(archive):
    assert (
        "20 records match by now, not 10"
        in post(archive, "bulk_start", "?status=failed", kind="skip", all="1", shown="10").content.decode()
    )
    for given, said in (
        ({"kind": "patch", "path": "amount", "type": "text"}, "must begin with fields, vars or targets"),
        ({"kind": "patch", "path": "vars.x", "type": "number", "value": "many"}, "is no number"),
        ({"kind": "patch", "path": "vars.x", "type": "text", "value": "••••••••"}, "is a mask"),
        ({"kind": "move", "status": "processing"}, "must be a status that a person may give"),
        ({"kind": "explode"}, "cannot be done to many records"),
    ):
        answer = post(archive, "bulk_start", all="1", shown="60", **given)
        assert answer.status_code == 422, given
        assert said in answer.content.decode()
    assert "select at least one" in post(archive, "bulk_ask", kind="skip").content.decode()
    assert "is no test" in post(archive, "bulk_ask", "?where=nonsense", kind="delete", all="1").content.decode()
    make_workflow(archive.workflow.owner)
    assert "must be chosen" in post(archive, "bulk_ask", kind="skip", all="1").content.decode()
    assert not BulkOperation.objects.exists()


def test_the_filtered_records_are_exported_with_their_secrets_masked(archive):
    query = {"where": "fields.amount ge 58", "columns": ["status", "fields.subject"]}
    whole = archive.client.get(reverse("record_export"), {**query, "format": "jsonl"})
    columns = archive.client.get(reverse("record_export"), {**query, "what": "columns"})
    chosen = archive.client.get(reverse("record_export"), {"pk": keys("email_007", "email_008")})

    lines = b"".join(whole.streaming_content).decode().splitlines()
    assert len(lines) == 2
    assert not any("sk-5" in line for line in lines)
    rows = list(csv.reader(io.StringIO(b"".join(columns.streaming_content).decode("utf-8-sig"))))
    assert rows[0] == ["record_id", "status", "fields.subject"]
    assert sorted(row[0] for row in rows[1:]) == ["email_058", "email_059"]
    assert len(b"".join(chosen.streaming_content).decode().splitlines()) == 3
    assert 'filename="inbox-to-airtable.csv"' in chosen["Content-Disposition"]


def test_a_file_is_looked_at_mapped_confirmed_and_imported(archive):
    file = SimpleUploadedFile("leads.csv", b"No;Name;Budget\n7;Nordwerk;48000\n8;Larkfield;\n;;\n")
    new = {"workflow": "inbox-to-airtable", "type": "lead", "file": file}
    where = archive.client.post(reverse("import_new"), new)
    kept = RecordImport.objects.get()
    look = archive.client.get(where.url).content.decode()
    assert "Nordwerk" in look
    assert 'name="column.Budget" value="fields.Budget"' in look
    bad = archive.client.get(where.url, {"type": "lead", "column.Name": "nowhere at all"}).content.decode()
    assert 'role="alert"' in bad
    assert not WorkflowRecord.objects.filter(record_type="lead").exists()

    options = {
        "type": "lead",
        "column.Name": "fields.company",
        "column.Budget": "vars.budget",
        "column.No": "record_id",
    }
    archive.client.post(reverse("import_confirm", args=[kept.pk]), {**options, "on_existing": "merge"})
    while importing.run(kept.pk):
        pass

    lead = WorkflowRecord.objects.get(record_id="7")
    assert lead.data["fields"] == {"company": "Nordwerk"}
    assert lead.data["vars"]["budget"] == "48000"
    progress = archive.client.get(reverse("import_page", args=[kept.pk])).content.decode()
    assert "Completed" in progress
    assert "Show imported records" in progress


def test_an_empty_file_and_a_missing_one_are_refused_in_the_form(archive):
    for given, said in (
        ({"file": SimpleUploadedFile("empty.csv", b"")}, "is"),
        ({}, "choose a CSV"),
    ):
        answer = archive.client.post(reverse("import_new"), {"workflow": "inbox-to-airtable", **given})
        assert answer.status_code == 422
        assert said in answer.content.decode()


def test_a_team_mate_acts_and_a_stranger_finds_nothing(archive):
    archive.client.force_login(archive.mate)
    post(archive, "bulk_start", kind="skip", pk=keys("email_001"), shown="1")
    operation = finish(BulkOperation.objects.get())
    assert operation.actor == archive.mate
    kept = importing.upload(archive.workflow, "a.csv", [b"a\n1\n"])

    archive.client.force_login(archive.stranger)
    assert "No records yet" in shown(archive, "?workflow=inbox-to-airtable")
    assert "must be chosen" in post(archive, "bulk_start", kind="skip", all="1", shown="60").content.decode()
    assert archive.client.get(reverse("record_export"), {"workflow": "inbox-to-airtable"}).status_code == 302
    for name, pk in (("bulk_page", operation.pk), ("bulk_toast", operation.pk), ("import_page", kept.pk)):
        assert archive.client.get(reverse(name, args=[pk])).status_code == 404
    for name, pk in (("bulk_stop", operation.pk), ("import_confirm", kept.pk), ("import_cancel", kept.pk)):
        assert archive.client.post(reverse(name, args=[pk])).status_code == 404
    assert archive.client.post(reverse("import_new"), {"workflow": "inbox-to-airtable"}).status_code == 404


@pytest.mark.parametrize("query", ["", "?status=failed", "?q=offer&columns=fields.amount", "?where=fields.amount+ge+1"])
def test_a_full_list_takes_few_queries(archive, query, django_assert_max_num_queries):
    with django_assert_max_num_queries(14):
        assert ids(shown(archive, query))
