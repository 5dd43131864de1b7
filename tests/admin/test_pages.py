"""Every admin page opens, in few queries however many rows there are; what may be done there goes by the services."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from director.admin_base import COUNT_LIMIT
from director.api import tokens
from director.models import ApiToken
from executions import control
from executions.models import Execution, ExecutionFrame, ExecutionIntervention, ExecutionStep, HumanPrompt
from records import importing
from records.models import WorkflowRecord
from tests.admin.conftest import act, url_of
from tests.api.conftest import TRIAGE
from tests.executions.running import drive, start
from tests.factories import make_record, make_user
from workflows.models import Workflow, WorkflowVersion
from workflows.services import import_workflow

APPS = ("director", "workflows", "records", "executions")
MAX_QUERIES = 15


def run(workflow: Workflow) -> Execution:
    """A run with a good and a broken record."""
    for subject in ("Invoice", "broken"):
        make_record(workflow, fields={"subject": subject, "api_key": "hunter2hunter2"})
    return drive(start(workflow, trigger_data={"token": "hunter2hunter2"}, user=workflow.owner))


def registered() -> list[type[Any]]:
    return [model for model in admin.site._registry if model._meta.app_label in APPS]


@pytest.mark.django_db(transaction=True)
def test_no_page_takes_more_than_15_queries(staff: Client, triage: Workflow) -> None:
    for number in range(5):
        other = import_workflow(TRIAGE.replace("Inbox", f"Inbox {number}"), owner=make_user()).workflow
        done = run(other)
        HumanPrompt.objects.create(workflow=other, execution=done, frame_id=done.number, alias="ask", title="Pay?")
        tokens.issue(other.owner)
        importing.upload(other, "leads.csv", [b"name\r\nAda\r\n"], actor=other.owner)
        control.note(done, other.owner, "paused", "lunch", {"variables": {"token": "hunter2hunter2"}})

    for model in registered():
        row = model._default_manager.first()
        pages = [url_of(model)] + ([url_of(model, "change", row.pk)] if row else [])
        for page in pages:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                answer = staff.get(page)
            assert answer.status_code == 200, page
            assert len(queries) < MAX_QUERIES, f"{page}: {len(queries)} queries"
            assert "hunter2hunter2" not in answer.content.decode(), page


def test_every_page_for_something_new_opens(staff: Client, triage: Workflow) -> None:
    for model in registered():
        answer = staff.get(url_of(model, "add"))
        may_add = admin.site._registry[model].has_add_permission(answer.wsgi_request)

        assert answer.status_code == (200 if may_add else 403), model


def test_a_list_counts_only_so_far_as_it_pages(staff: Client, triage: Workflow) -> None:
    rows = [
        WorkflowRecord(workflow=triage, record_id=f"email_{number}", record_type="email")
        for number in range(COUNT_LIMIT + 10)
    ]
    WorkflowRecord.objects.bulk_create(rows)

    with CaptureQueriesContext(connection) as queries:
        staff.get(url_of(WorkflowRecord))

    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and "workflow_records" in query["sql"]]
    assert counts
    assert all(f"LIMIT {COUNT_LIMIT}" in sql for sql in counts)


@pytest.mark.django_db(transaction=True)
def test_failed_records_are_retried_and_runs_cancelled_from_the_list(staff: Client, triage: Workflow) -> None:
    done = run(triage)

    assert "Their failed records go on" in act(staff, Execution, "retry_failed", done)
    assert "Retrying" in confirm(staff, "retry_failed", done)
    assert WorkflowRecord.objects.get(data__fields__subject="broken").status == "discovered"
    assert "has no failed record" in confirm(staff, "retry_failed", done)

    fresh = Execution.objects.exclude(pk=done.pk).get()
    assert "Cancelling" in confirm(staff, "cancel", fresh)
    fresh.refresh_from_db()
    assert fresh.status == "cancelled"
    assert "cannot become cancelled" in confirm(staff, "cancel", done)
    kept = {(one.kind, one.user.username, one.reason) for one in ExecutionIntervention.objects.select_related("user")}
    assert kept == {("retried", "root", "by phone"), ("cancelled", "root", "by phone")}


@pytest.mark.django_db(transaction=True)
def test_runs_are_replayed_from_the_list_once_that_is_confirmed(staff: Client, triage: Workflow) -> None:
    done = run(triage)

    with CaptureQueriesContext(connection) as queries:
        asked = act(staff, Execution, "replay", done)
    assert "What its steps do outside happens again." in asked
    assert "2 records, 1 complete, 1 failed" in asked
    assert len(queries) < MAX_QUERIES
    assert Execution.objects.count() == 1

    assert f"Replaying #{done.number}." in confirm(staff, "replay", done)
    again = Execution.objects.get(replay_of=done)
    assert again.interventions.get().reason == "by phone"
    assert drive(again).records_total == 2


def confirm(client: Client, action: str, *rows: Execution) -> str:
    """Do the action, say why, and return the page that follows."""
    sent = {"action": action, "_selected_action": [row.pk for row in rows], "confirmed": "yes", "why": "by phone"}
    return str(client.post(url_of(Execution), sent, follow=True).content.decode())


@pytest.mark.django_db(transaction=True)
def test_executions_and_journal_cannot_be_written(staff: Client, triage: Workflow) -> None:
    run(triage)

    for model in (Execution, ExecutionFrame, ExecutionStep, WorkflowVersion):
        row = model._default_manager.first()
        assert staff.get(url_of(model, "add")).status_code == 403
        assert staff.post(url_of(model, "change", row.pk), {"status": "failed"}).status_code == 403
        assert staff.post(url_of(model, "delete", row.pk), {"post": "yes"}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_filters_over_a_whole_journal_are_offered_for_one_execution(staff: Client, triage: Workflow) -> None:
    execution = run(triage)
    of_one = {"execution__id__exact": str(execution.pk)}

    page = staff.get(url_of(ExecutionStep), {**of_one, "q": "check"}).content.decode()

    assert page.count("check") >= 2
    assert "each_email" not in page
    assert "searchbar" not in staff.get(url_of(ExecutionStep)).content.decode()


def test_an_onlooker_may_not_act(triage: Workflow) -> None:
    from django.contrib.auth.models import Permission

    onlooker, execution = make_user(is_staff=True), start(triage)
    onlooker.user_permissions.add(Permission.objects.get(codename="view_execution"))
    client = Client()
    client.force_login(onlooker)

    assert client.get(url_of(Execution)).status_code == 200
    confirm(client, "cancel", execution)
    execution.refresh_from_db()
    assert execution.status == "queued"


def test_a_token_is_made_in_the_admin_and_shown_once(staff: Client, triage: Workflow) -> None:
    form = {"user": triage.owner.pk, "name": "reports", "expires_at_0": "", "expires_at_1": ""}

    made = staff.post(url_of(ApiToken, "add"), form, follow=True).content.decode()

    secret = made.split("shown this once: ")[1].split("<")[0].strip()
    assert tokens.find(secret).user == triage.owner  # type: ignore[union-attr]
    assert secret not in staff.get(url_of(ApiToken)).content.decode()
