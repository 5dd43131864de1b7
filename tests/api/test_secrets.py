"""A masked value appears nowhere: not in pages, REST, exports, histories, events or logs."""

import json
import logging
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from executions import events
from executions.models import ExecutionStep
from records.masking import MASK
from records.models import RecordChange
from records.services import WorkflowData
from tests.api.conftest import client_of
from tests.executions.running import publish, run

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "s3cr3t-42"
FLOW = """
director: 1
name: Keys
variables: {crm_token: null}
steps:
  - alias: each
    type: iterate
    config: {over_records: "crm_*"}
    body:
      - {alias: login, type: set, config: {value: {password: "{{ current.login.password }}"}}, store_to_record: true}
      - {alias: broken, type: fail, config: {message: "the CRM refused us"}}
  - {alias: done, type: set, config: {value: {api_key: "{{ crm_token }}"}}}
"""


@pytest.fixture
def workflow(caplog: Any) -> Any:
    """A workflow with a secret variable and a secret in a record, changed by a person and walked by a run."""
    caplog.set_level(logging.DEBUG)
    workflow = publish(FLOW)
    data = WorkflowData(workflow, workflow.owner)
    data.variables.set("crm_token", SECRET, reason="first")
    data.variables.set("crm_token", f"{SECRET}7")
    data.variables.set("crm", {"url": "crm.example", "password": SECRET})
    data.records.create("crm", {"name": "Fjord", "login": {"user": "ida", "password": SECRET}}, record_id="crm_001")
    data.records.set("crm_001", ("fields", "login", "password"), f"{SECRET}8")
    return workflow


def addresses(workflow: Any) -> list[str]:
    record = workflow.records.get(execution_id=None)
    execution = workflow.executions.get()
    api = f"/api/workflows/{workflow.slug}"
    steps = [
        f"/api/executions/{execution.number}/steps/{step.pk}" for step in ExecutionStep.objects.filter(alias="login")
    ]
    return [
        f"{api}/records",
        f"{api}/records?fields=fields.login.password,vars.login",
        f"{api}/records/crm_001",
        f"{api}/records/crm_001/history?as_of=2100-01-01T00:00:00Z",
        f"{api}/records/export?format=csv",
        f"{api}/records/export?format=csv&columns=record_id,fields.login.password,vars.login",
        f"{api}/records/export?format=jsonl",
        f"{api}/data?metadata=true",
        f"{api}/variables",
        f"{api}/variables?format=text",
        f"{api}/variables/crm_token",
        f"/api/executions/{execution.number}/steps",
        *steps,
        reverse("record_list") + "?columns=fields.login.password&columns=vars.login",
        reverse("record_page", args=[record.pk]),
        reverse("record_raw", args=[record.pk]),
        reverse("variable_list") + f"?scope={workflow.slug}&key=crm_token",
        reverse("variable_list") + f"?scope={workflow.slug}&key=crm",
        reverse("execution_page", args=[execution.number]),
    ]


def body(answer: Any) -> str:
    parts = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return parts.decode()


def test_a_masked_value_appears_nowhere(workflow: Any, caplog: Any, monkeypatch: Any) -> None:
    sent: list[Any] = []

    async def keep(*event: Any) -> None:
        sent.append(event)

    monkeypatch.setattr(events, "_send", keep)
    execution = run(workflow)
    pages = Client()
    pages.force_login(workflow.owner)
    client = client_of(workflow.owner)

    answers = {
        address: (client if address.startswith("/api/") else pages).get(address) for address in addresses(workflow)
    }

    assert {address: answer.status_code for address, answer in answers.items() if answer.status_code != 200} == {}
    assert [address for address, answer in answers.items() if SECRET in body(answer)] == []
    (step,) = ExecutionStep.objects.filter(execution=execution, alias="login")
    assert MASK in body(client.get(f"/api/executions/{execution.number}/steps/{step.pk}"))
    assert sent
    assert SECRET not in caplog.text + repr(sent)


def test_secrets_are_exported_to_who_may_see_them_and_that_is_kept(workflow: Any) -> None:
    export = f"/api/workflows/{workflow.slug}/records/export?format=jsonl&reveal=true&reason=moving"
    mate = client_of(workflow.owner.__class__.objects.create_user("mate"))
    workflow.collaborators.add(mate.user)

    refused = mate.get(export)
    mate.user.user_permissions.add(Permission.objects.get(codename="reveal_secret"))
    shown = mate.get(export)

    assert (refused.status_code, refused.json()["code"]) == (403, "reveal_refused")
    assert SECRET in body(shown)
    kept = RecordChange.objects.filter(kind="revealed").values_list("name", "actor__username", "reason")
    assert list(kept) == [("crm_001", "mate", "moving")]
    assert "revealed" in json.dumps(client_of(workflow.owner).get(export.split("export")[0] + "crm_001/history").json())
