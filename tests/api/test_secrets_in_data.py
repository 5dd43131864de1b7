"""A secret that a step has put into a record's data: seen nowhere without permission, and its mask is never stored."""

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from executions import events
from executions.interventions import note
from executions.models import Execution, ExecutionFrame
from records.masking import MASK
from records.models import RecordChange, WorkflowRecord
from records.services import WorkflowData
from tests.api.conftest import client_of
from tests.api.test_secrets import body
from tests.executions.running import publish, run

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN, PASSWORD, OLD = "s3cr3t-of-all", "pw-of-one", "pw-before"
FLOW = """
director: 1
name: Carried
variables: {crm_token: null}
steps:
  - alias: each
    type: iterate
    config: {over_records: "crm_*"}
    body:
      - {alias: told, type: set, config: {value: "Bearer {{ crm_token }}"}, store_to_record: true, as: note}
      - {alias: line, type: set, config: {value: ["in by {{ current.login.password }}"]}, store_to_record: true, as: lines}
      - alias: inner
        type: iterate
        config: {over: "{{ ['a'] }}"}
        body:
          - {alias: within, type: set, config: {value: "for {{ outer.login.password }}"}, store_to_record: true, as: word}
      - {alias: broken, type: fail, config: {message: "refused"}}
"""


@pytest.fixture
def carried(caplog: Any, monkeypatch: Any) -> Any:
    """A run that has put a variable's and the record's own secret into the record, with its owner signed in."""
    sent: list[Any] = []

    async def keep(*event: Any) -> None:
        sent.append(event)

    monkeypatch.setattr(events, "_send", keep)
    caplog.set_level(logging.DEBUG)
    workflow = publish(FLOW)
    data = WorkflowData(workflow, workflow.owner)
    data.variables.set("crm_token", TOKEN)
    data.records.create(
        "crm", {"subject": f"With {TOKEN}", "login": {"password": OLD}, "hint": f"was {OLD}"}, record_id="crm_001"
    )
    data.records.set("crm_001", ("fields", "login", "password"), PASSWORD)
    execution = run(workflow)
    data.records.set("crm_001", ("fields", "seen"), f"{PASSWORD} and {TOKEN}")
    note(execution, workflow.owner, "changed", "", {"records": {"crm_001": {"vars.note": f"{PASSWORD} {TOKEN}"}}})
    workflow.owner.__class__.objects.filter(pk=workflow.owner.pk).update(is_staff=True, is_superuser=True)
    pages = Client()
    pages.force_login(workflow.owner)
    record = workflow.records.get(execution_id=None)
    return SimpleNamespace(
        workflow=workflow, execution=execution, record=record, pages=pages, api=client_of(workflow.owner), sent=sent
    )


def outputs(carried: Any) -> list[str]:
    record, number = carried.record, carried.execution.number
    api, page = f"/api/workflows/{carried.workflow.slug}", reverse("record_page", args=[record.pk])
    runs, listed = f"/api/executions/{number}", "columns=vars.note&columns=vars.lines&columns=fields.seen"
    steps = list(carried.execution.steps.all())
    return [
        f"{api}/records",
        f"{api}/records?fields=record_id,vars.note,vars.lines[0],fields.seen",
        f"{api}/records/crm_001",
        f"{api}/records/crm_001/history?as_of=2100-01-01T00:00:00Z",
        f"{api}/records/export?format=csv",
        f"{api}/records/export?format=csv&columns=record_id,vars.note,vars.lines,fields.seen",
        f"{api}/records/export?format=jsonl",
        f"{api}/data",
        f"{api}/data?bucket=crm_001&metadata=true",
        f"{runs}/interventions",
        f"{runs}/log",
        *[f"{runs}/steps/{step.pk}" for step in steps],
        *[reverse("step_page", args=[number, step.pk]) for step in steps],
        f"{reverse('record_list')}?{listed}",
        f"{reverse('record_export')}?{listed}&what=columns&format=csv&workflow={carried.workflow.slug}",
        f"{reverse('jump')}?q=crm",
        *[f"{page}{asked}" for asked in ("", "?tab=raw", "?story=data", "?edit=vars.note", "?edit=fields.seen")],
        *[f"{page}?point={point}" for point in range(5)],
        *[f"{page}?repair=field&path={path}" for path in ("vars.note", "vars.lines")],
        reverse("record_raw", args=[record.pk]),
        *[reverse("record_page", args=[temporary.pk]) for temporary in carried.workflow.records.exclude(pk=record.pk)],
        reverse("execution_page", args=[number]),
        reverse("execution_page", args=[number]) + "?view=records",
        reverse("execution_interventions", args=[number]),
        reverse("admin:records_workflowrecord_change", args=[record.pk]),
        *[reverse("admin:records_recordchange_change", args=[one.pk]) for one in RecordChange.objects.all()],
        *[reverse("admin:executions_executionstep_change", args=[step.pk]) for step in steps],
    ]


def test_a_secret_in_a_records_data_is_seen_nowhere(carried: Any, caplog: Any) -> None:
    stored = carried.record.data
    assert stored["vars"]["note"] == f"Bearer {TOKEN}"  # what steps go on with is as it was
    assert stored["vars"]["lines"] == [f"in by {PASSWORD}"]

    answers = {
        address: (carried.api if address.startswith("/api/") else carried.pages).get(address)
        for address in outputs(carried)
    }

    assert {address: answer.status_code for address, answer in answers.items() if answer.status_code != 200} == {}
    told = {address: body(answer) for address, answer in answers.items()}
    assert [address for address, text in told.items() if TOKEN in text or PASSWORD in text] == []
    assert OLD not in told[reverse("record_page", args=[carried.record.pk])]  # which knows what it was
    assert carried.sent
    assert TOKEN not in caplog.text + repr(carried.sent)
    assert PASSWORD not in caplog.text + repr(carried.sent)
    shown = carried.api.get(f"/api/workflows/{carried.workflow.slug}/records/crm_001").json()["data"]
    assert shown["vars"] == {"note": f"Bearer {MASK}", "lines": [f"in by {MASK}"]}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_who_may_see_it_exports_it_as_it_is_and_that_is_kept(carried: Any, kind: str) -> None:
    export = f"/api/workflows/{carried.workflow.slug}/records/export?format={kind}&reveal=true&reason=moving"

    shown = body(carried.api.get(export))

    assert f"Bearer {TOKEN}" in shown
    assert f"in by {PASSWORD}" in shown
    assert RecordChange.objects.get(kind="revealed").reason == "moving"


def ways_in(carried: Any) -> dict[str, Any]:
    """Each way by which a person could write a mask into the record."""
    api, runs = f"/api/workflows/{carried.workflow.slug}", f"/api/executions/{carried.execution.number}"
    told, edit = f"Bearer {MASK} ", {"vars.note": f"Bearer {MASK}"}
    page = {"expected_revision": carried.record.revision, "path": "vars.note", "kind": "text", "value": told}
    form = carried.pages.get(reverse("admin:records_workflowrecord_change", args=[carried.record.pk]))
    fields = form.context["adminform"].form
    admin = {name: fields[name].value() for name in fields.fields if fields[name].value() is not None}
    admin["document"] = admin["document"].replace("Bearer", "Basic")

    def post(url: str, **given: Any) -> Any:
        return carried.api.post(url, given, format="json")

    return {
        "patch": carried.api.patch(f"{api}/records/crm_001", {"set": edit}, format="json"),
        "patch inside": carried.api.patch(f"{api}/records/crm_001", {"set": {"vars.lines": [MASK]}}, format="json"),
        "create": post(f"{api}/records", type="crm", fields={"note": told}),
        "merge inside": post(
            f"{api}/records", type="crm", record_id="crm_001", fields={"a": [told]}, on_existing="merge"
        ),
        "bulk": post(f"{api}/records/bulk", action="patch", filter={}, set=edit),
        "repair": post(f"{runs}/repair", records=["crm_001"], edit=edit),
        "repair of a step": post(f"{runs}/repair", records=["crm_001"], steps={"told": {"output": told}}),
        "decide": post(f"{runs}/decide", step="told", decision="done", records=["crm_001"], output=told),
        "replay": post(f"{runs}/replay", modifications={"steps": {"told": {"output": told}}}),
        "page": carried.pages.post(reverse("record_edit", args=[carried.record.pk]), page),
        "variable": carried.api.put(f"{api}/variables/greeting", {"value": told}, format="json"),
        "variable grown": carried.api.patch(f"{api}/variables/greetings", {"append": told}, format="json"),
        "admin": carried.pages.post(reverse("admin:records_workflowrecord_change", args=[carried.record.pk]), admin),
    }


def test_a_mask_is_refused_by_each_way_in_and_nothing_is_changed(carried: Any) -> None:
    before, runs = carried.record.data, Execution.objects.count()

    answers = ways_in(carried)

    assert "vars.note holds a masked value" in body(answers.pop("admin"))
    assert {way: answer.status_code for way, answer in answers.items() if answer.status_code != 422} == {}
    assert [way for way, answer in answers.items() if "mask" not in body(answer)] == []
    assert WorkflowRecord.objects.get(execution_id=None).data == before
    assert Execution.objects.count() == runs
    assert not carried.workflow.variables.filter(key__startswith="greeting").exists()


def test_what_is_sent_back_as_it_was_shown_stays_as_it_is(carried: Any) -> None:
    before = carried.record.data
    edit = {"expected_revision": carried.record.revision, "path": "vars", "kind": "object", "reason": "looked at it"}
    shown = {"note": f"Bearer {MASK}", "lines": [f"in by {MASK}"], "new": 1}
    merged = {"type": "crm", "record_id": "crm_001", "fields": {"seen": f"{MASK} and {MASK}", "new": 2}}

    page = carried.pages.post(
        reverse("record_edit", args=[carried.record.pk]), {**edit, "value": json.dumps(shown)}, follow=True
    )
    merge = carried.api.post(
        f"/api/workflows/{carried.workflow.slug}/records", {**merged, "on_existing": "merge"}, format="json"
    )

    assert (page.status_code, merge.status_code) == (200, 200)
    after = WorkflowRecord.objects.get(pk=carried.record.pk).data
    assert after["vars"] == {**before["vars"], "new": 1}
    assert after["fields"] == {**before["fields"], "new": 2}
    assert ExecutionFrame.objects.filter(record=carried.record).exists()
