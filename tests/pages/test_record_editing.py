"""The page of a record: its data as a tree, edits with their reason, conflicts, the past, and who may."""

from types import SimpleNamespace

import pytest
from django.urls import reverse

from records.models import ChangeSource, RecordChange, WorkflowRecord
from records.patches import set_at
from records.services import WorkflowData
from tests.executions.running import run
from tests.factories import make_record, make_user, make_workflow
from workflows.services import import_workflow

pytestmark = pytest.mark.django_db

ROUTE = """
director: 1
name: Inbox triage
steps:
  - alias: each_email
    type: iterate
    config: {over_records: "email_*"}
    body:
      - {alias: route, type: set, config: {value: {category: lead, budget: 48000}}, store_to_record: true, as: lead}
"""


@pytest.fixture
def triage(client):
    """A record as a person has it before them: its owner is signed in."""
    owner, mate, stranger = (make_user(name) for name in ("olivia", "tom", "steve"))
    workflow = make_workflow(owner)
    workflow.collaborators.add(mate)
    record = make_record(
        workflow,
        record_id="email_022",
        fields={"subject": "Framework deal", "lines": [{"amount": 3}], "api_key": "sk-very-secret"},
        vars={"category": "lead"},
        status="failed",
        error_message="422",
    )
    client.force_login(owner)
    page = reverse("record_page", args=[record.pk])
    return SimpleNamespace(client=client, workflow=workflow, record=record, page=page, mate=mate, stranger=stranger)


def edit(triage, *, htmx=True, **given):
    headers = {"HX-Request": "true", "HX-Target": "rec-data"} if htmx else {}
    values = {"expected_revision": triage.record.revision, "seen": triage.record.updated_at.isoformat(), **given}
    return triage.client.post(reverse("record_edit", args=[triage.record.pk]), values, headers=headers)


def data_of(triage):
    return WorkflowRecord.objects.get(pk=triage.record.pk).data


def test_a_value_is_set_with_its_type_and_a_reason_and_the_story_tells_it(triage):
    form = triage.client.get(f"{triage.page}?edit=fields.lines[0].amount").content.decode()
    assert 'aria-label="Edit fields.lines[0].amount"' in form
    assert '<option value="number" selected>' in form

    answer = edit(triage, path="fields.lines[0].amount", kind="number", value="4.5", reason="by phone")

    assert answer.status_code == 200
    assert data_of(triage)["fields"]["lines"] == [{"amount": 4.5}]
    assert answer["HX-Push-Url"] == triage.page
    story = triage.client.get(f"{triage.page}?story=people").content.decode()
    assert "by olivia" in story
    assert "“by phone”" in story
    assert "fields.lines[0].amount" in story
    change = RecordChange.objects.get(record=triage.record)
    assert (change.source, change.actor.username, change.reason) == (ChangeSource.PAGE, "olivia", "by phone")


def test_values_are_added_and_deleted_where_they_belong(triage):
    assert edit(triage, bucket="vars", name="lead.budget", kind="number", value="48000").status_code == 200
    triage.record.refresh_from_db()
    again = edit(triage, bucket="vars", name="lead.budget", kind="number", value="1")
    assert again.status_code == 422
    assert "is there already" in again.content.decode()
    assert edit(triage, path="vars.category", op="delete").status_code == 200

    assert data_of(triage)["vars"] == {"lead": {"budget": 48000}}


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("number", "many", "which is no number"),
        ("boolean", "perhaps", "write true or false"),
        ("list", '{"a": 1}', "is not a list"),
        ("object", "{", "is not JSON"),
        ("colour", "red", "choose one of"),
    ],
)
def test_a_value_of_the_wrong_type_comes_back_in_the_form(triage, kind, value, said):
    answer = edit(triage, path="vars.category", kind=kind, value=value)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert 'aria-invalid="true"' in answer.content.decode()
    assert data_of(triage)["vars"] == {"category": "lead"}


def test_who_saves_over_a_newer_record_is_shown_what_changed_and_may_save_again(triage):
    rival = WorkflowData(triage.workflow, triage.mate, source=ChangeSource.PAGE)
    rival.records.patch("email_022", [set_at(("vars", "category"), "invoice")])

    refused = edit(triage, path="vars.category", kind="text", value="spam")

    said = refused.content.decode()
    assert refused.status_code == 409
    assert "It was changed meanwhile" in said
    assert "tom" in said
    assert "invoice" in said
    assert ">spam</textarea>" in said
    triage.record.refresh_from_db()
    assert edit(triage, path="vars.category", kind="text", value="spam").status_code == 200
    assert data_of(triage)["vars"]["category"] == "spam"


def test_a_secret_is_masked_everywhere_and_survives_an_edit_around_it(triage):
    for query in ("", "?edit=fields.api_key", "?edit=fields", "?tab=raw", "?point=0"):
        assert "sk-very-secret" not in triage.client.get(triage.page + query).content.decode()

    assert edit(triage, path="fields.api_key", kind="text", value="", masked="1").status_code == 422
    assert edit(triage, path="fields.note", kind="text", value="••••••••").status_code == 422
    kept = edit(triage, path="fields", kind="object", value='{"subject": "New", "api_key": "••••••••"}')

    assert kept.status_code == 200
    assert data_of(triage)["fields"] == {"subject": "New", "api_key": "sk-very-secret"}
    assert "sk-very-secret" not in kept.content.decode()


@pytest.mark.django_db(transaction=True)  # the engine has connections of its own
def test_the_record_is_shown_as_it_was_with_who_set_each_field(client):
    workflow = import_workflow(ROUTE, owner=make_user("olivia")).workflow
    record = make_record(workflow, record_id="email_001", fields={"subject": "Framework deal"})
    execution = run(workflow)
    data = WorkflowData(workflow, workflow.owner, source=ChangeSource.PAGE, reason="Budget is in the PDF")
    data.records.patch("email_001", [set_at(("vars", "lead", "budget"), 52000)])
    client.force_login(workflow.owner)
    page = reverse("record_page", args=[record.pk])

    now = client.get(page).content.decode()
    stored = client.get(f"{page}?point=1", headers={"HX-Request": "true", "HX-Target": "rec-values"}).content.decode()
    found = client.get(f"{page}?point=0").content.decode()
    last = client.get(f"{page}?point=2")

    assert "52000" in now
    assert "set by olivia" in now
    assert "“Budget is in the PDF”" in now
    assert f"#{execution.number}" in now
    assert "48000" in stored
    assert "52000" not in stored
    assert "After change 1 of 2" in stored
    assert "Edit vars" not in stored
    assert "As it was found" in found
    assert 'id="node-vars.lead.budget"' not in found
    assert last["HX-Push-Url"] == page


def test_a_record_is_skipped_completed_worked_on_again_and_deleted(triage):
    move, gone = reverse("record_move", args=[triage.record.pk]), reverse("record_delete", args=[triage.record.pk])

    for status in ("skipped", "complete", "discovered"):
        triage.client.post(move, {"status": status, "reason": "as agreed"})
        assert WorkflowRecord.objects.get(pk=triage.record.pk).status == status
    refused = triage.client.post(move, {"status": "processing"}, follow=True).content.decode()
    assert "cannot become" in refused
    triage.client.post(gone, {"confirm": "email_02"})
    assert WorkflowRecord.objects.filter(pk=triage.record.pk).exists()
    triage.client.post(gone, {"confirm": "email_022"})
    assert not WorkflowRecord.objects.filter(pk=triage.record.pk).exists()


def test_a_record_that_a_run_holds_is_not_changed(triage):
    WorkflowRecord.objects.filter(pk=triage.record.pk).update(status="processing")

    page = triage.client.get(triage.page).content.decode()

    assert "A run holds it" in page
    assert "Edit vars.category" not in page


def test_a_team_mate_edits_and_a_stranger_is_told_there_is_none(triage):
    triage.client.force_login(triage.mate)
    assert edit(triage, path="vars.category", kind="text", value="spam").status_code == 200

    triage.client.force_login(triage.stranger)
    triage.record.refresh_from_db()
    for name in ("record_page", "record_raw"):
        assert triage.client.get(reverse(name, args=[triage.record.pk])).status_code == 404
    for name in ("record_edit", "record_move", "record_delete", "record_retry"):
        assert triage.client.post(reverse(name, args=[triage.record.pk])).status_code == 404
    assert data_of(triage)["vars"] == {"category": "spam"}


def test_the_page_asks_the_same_few_queries_after_a_hundred_changes(triage, django_assert_max_num_queries):
    data = WorkflowData(triage.workflow, triage.mate, source=ChangeSource.PAGE)
    for number in range(100):
        data.records.patch("email_022", [set_at(("vars", "count"), number)])

    with django_assert_max_num_queries(12):
        page = triage.client.get(triage.page).content.decode()

    assert 'max="100"' in page
    assert "Earlier" in page
