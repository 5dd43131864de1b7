"""What people are asked holds no secret: not on the page, not by REST, not in mails and events, not in the table."""

import json

import pytest
from django.core import mail
from django.test import Client

from executions.models import HumanPrompt
from executions.prompts import due as prompt_due
from executions.prompts import mails as prompt_mails
from executions.prompts import services as prompts
from executions.views.prompt_dialog import dialog_context
from records.models import WorkflowVariable
from records.services import WorkflowData
from tests.executions.prompting import person
from tests.executions.running import drive, email, outputs, publish, start

pytestmark = pytest.mark.django_db(transaction=True)

SECRET, NAMED, PLAIN = "hush-hush-1", "open-sesame-2", "Kestrel Print"
DEFINITION = """
director: 1
name: Secrets
variables: {pager: nobody}
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - alias: review
        type: human_prompt
        config:
          title: "Is {{ pager }} right for {{ current.company }}?"
          message: "It was {{ current.api_key }}, **{{ pager }}**"
          context:
            - {label: api_key, value: "{{ pager }}"}
            - {label: Whole, value: "{{ current.fields }}"}
            - {label: Site, url: "https://e.example/?k={{ current.api_key }}"}
          fields:
            properties:
              company: {type: string, default: "{{ current.company }}", title: "Instead of {{ pager }}"}
              note: {type: string, default: "was {{ pager }}"}
              password: {type: string, default: "{{ current.company }}"}
            if: {properties: {company: {const: x}}, required: [company]}
            then: {properties: {token: {type: string, default: abcdefgh}}}
          assignees: priya
          on_timeout: {default: {note: "{{ pager }}"}}
          actions: [{key: approve, label: "Keep {{ pager }}"}]
"""


def test_no_secret_reaches_anybody_and_what_is_no_secret_does():
    priya = person("priya")
    workflow = publish(DEFINITION)
    WorkflowData(workflow).variables.set("pager", SECRET, sensitive=True)
    email(workflow, 1, company=PLAIN, api_key=NAMED)
    execution = drive(start(workflow))
    prompt = HumanPrompt.objects.get()
    prompt_due.remind_due()
    prompt_mails.send_due()
    client = Client()
    client.force_login(priya)

    kept = json.dumps({name: getattr(prompt, name) for name in ("title", "message", "schema", "context", "actions")})
    seen = [
        kept,
        client.get("/prompts/").content.decode(),
        client.get(f"/prompts/{prompt.pk}/").content.decode(),
        client.get("/api/prompts").content.decode(),
        client.get(f"/api/prompts/{prompt.pk}").content.decode(),
        mail.outbox[0].subject + mail.outbox[0].body,
    ]

    for text in seen:
        assert SECRET not in text
        assert NAMED not in text
        assert PLAIN in text
    properties = prompt.schema["properties"]
    assert properties["company"]["default"] == PLAIN
    assert "default" not in {**properties["note"], **properties["password"], **prompt.schema["then"]["properties"]}
    assert [one.kind for one in dialog_context(prompt, priya)["shown"]] == ["short", "json", "link"]
    prompts.answer(prompt, user=priya, action="approve", data={"company": "K"})
    drive(execution)
    assert outputs(execution, "review")[0]["fields"] == {"company": "K"}
    assert WorkflowVariable.objects.get().value == SECRET
