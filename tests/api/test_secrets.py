"""A masked value appears nowhere: not in pages, REST, exports, histories, events or logs."""

import json
import logging
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from rich.console import Console

from executions import events
from executions.models import ExecutionStep, LogEvent, Notification
from executions.watching import outcome_table
from records.masking import MASK
from records.models import RecordChange
from records.services import WorkflowData
from tests.api.conftest import client_of
from tests.executions.running import publish, run
from tests.factories import make_user

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


RENDERED = """
director: 1
name: Rendered
variables: {greeting: null}
steps:
  - alias: told
    type: set
    config: {value: "The greeting is {{ greeting }}"}
  - alias: each
    type: iterate
    config: {over_records: "crm_*"}
    body:
      - {alias: note, type: set, config: {value: {line: "in by {{ current.login.password }} and {{ greeting }}"}}}
      - {alias: said, type: log_event, config: {message: "{{ current.login.password }}", data: ["{{ greeting }}"]}}
      - {alias: news, type: notify, config: {to: maya, title: "{{ greeting }}", message: "{{ note.line }}"}}
      - {alias: broken, type: fail, config: {message: "refused {{ note.line }}"}}
"""


@pytest.fixture
def rendered(caplog: Any) -> Any:
    """A workflow whose steps put secrets into plain texts: a variable that a person called sensitive, a password."""
    caplog.set_level(logging.DEBUG)
    workflow = publish(RENDERED.replace("maya", make_user("maya").username))
    data = WorkflowData(workflow, workflow.owner)
    data.variables.set("greeting", SECRET, sensitive=True)
    data.records.create("crm", {"login": {"user": "ida", "password": f"pw-{SECRET[:6]}"}}, record_id="crm_001")
    return workflow


def shown_of(first: Any, second: Any) -> list[str]:
    """Where the journals of two runs are shown."""
    record = first.workflow.records.get(execution_id=None)
    runs, api = f"/api/executions/{first.number}", f"/api/workflows/{first.workflow.slug}"
    rows = list(ExecutionStep.objects.filter(execution=first))
    other = ExecutionStep.objects.get(execution=second, alias="note")
    steps = [reverse("step_page", args=[first.number, row.pk]) for row in rows]
    return [
        *steps,
        *[f"{steps[-1]}?against=row-{other.pk}&part={part}" for part in ("input", "output", "error")],
        *[reverse("step_raw", args=[first.number, row.pk, part]) for row in rows for part in ("input", "output")],
        *[f"{runs}/steps/{row.pk}" for row in rows],
        *[reverse("admin:executions_executionstep_change", args=[row.pk]) for row in rows],
        *[reverse("admin:executions_executionframe_change", args=[row.frame_id]) for row in rows],
        *[
            f"{runs}",
            f"{runs}/steps",
            f"{runs}/log",
            f"{runs}/compare/{second.number}/differences",
            "/api/notifications",
        ],
        *[f"{api}/records/crm_001/history", f"{api}/records/crm_001", f"{api}/records/export?format=jsonl"],
        reverse("execution_page", args=[first.number]),
        reverse("compare_page", args=[first.number, second.number]),
        reverse("record_page", args=[record.pk]),
        reverse("record_list"),
        reverse("home"),
    ]


def test_a_secret_that_a_template_put_into_a_text_is_masked_wherever_the_journal_is_shown(
    rendered: Any, caplog: Any, monkeypatch: Any
) -> None:
    sent: list[Any] = []

    async def keep(*event: Any) -> None:
        sent.append(event)

    monkeypatch.setattr(events, "_send", keep)
    rendered.owner.__class__.objects.filter(pk=rendered.owner.pk).update(is_staff=True, is_superuser=True)
    first = run(rendered)
    rendered.records.update(status="discovered")
    second = run(rendered)
    pages, client = Client(), client_of(rendered.owner)
    pages.force_login(rendered.owner)

    answers = {
        address: (client if address.startswith("/api/") else pages).get(address) for address in shown_of(first, second)
    }

    hidden = SECRET[:6]
    assert {address: answer.status_code for address, answer in answers.items() if answer.status_code != 200} == {}
    assert [address for address, answer in answers.items() if hidden in body(answer)] == []
    row = ExecutionStep.objects.get(execution=first, alias="note")
    assert client.get(f"/api/executions/{first.number}/steps/{row.pk}").json()["output"] == {
        "line": f"in by {MASK} and {MASK}"
    }
    assert row.output["line"].endswith(SECRET)  # what steps go on with is as it was
    terminal = Console(file=StringIO(), width=300)
    terminal.print(outcome_table(first))
    assert "refused in by" in terminal.file.getvalue()  # type: ignore[attr-defined]
    assert hidden not in terminal.file.getvalue() + caplog.text + repr(sent)  # type: ignore[attr-defined]
    assert hidden not in repr([*LogEvent.objects.values(), *Notification.objects.values()])


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
