"""Prompts by REST: list, look, answer by id or by step; every refusal a problem that says what to do."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import HumanPrompt
from tests.api.conftest import client_of
from tests.executions.prompting import ask, person
from tests.executions.running import drive, email, outputs, publish, start

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = {"company": "Kestrel", "seats": 12}


def test_prompts_are_listed_by_page_and_filtered():
    person("priya", "Sales")
    execution, asked = ask("assignees: [priya, Sales]", records=3)
    owner, priya = client_of(person("owner")), client_of(person("priya"))

    with CaptureQueriesContext(connection) as queries:
        page = owner.get("/api/prompts?limit=2").json()
    assert len(queries) <= 5
    rest = owner.get(page["next"]).json()

    found = {one["record"]: one for one in page["results"] + rest["results"]}
    assert ({one["id"] for one in found.values()}, rest["next"]) == ({str(prompt.pk) for prompt in asked}, None)
    assert found["email_001"] | {"created_at": "", "due_at": "", "url": ""} == {
        "id": str(asked[0].pk), "status": "open", "title": "Check the lead", "workflow": execution.workflow.slug,
        "execution": execution.number, "step": "review", "record": "email_001", "created_at": "", "due_at": "",
        "answered_at": None, "answered_by": None, "url": "",
    }  # fmt: skip
    for query, count in (("whose=mine", 0), ("record=email_002", 1), ("status=answered", 0), ("step=review", 3)):
        assert len(owner.get(f"/api/prompts?{query}").json()["results"]) == count, query
    assert len(priya.get("/api/prompts?whose=groups").json()["results"]) == 3
    assert client_of(person("stranger")).get("/api/prompts").json()["results"] == []
    assert owner.get("/api/prompts?whos=mine").status_code == 400


def test_looking_changes_nothing_and_tells_what_is_needed_to_answer():
    _, (prompt,) = ask('context: [{label: api_key, value: hush}, {label: Site, url: "https://kestrel.example"}]')

    shown = client_of(person("owner")).get(f"/api/prompts/{prompt.pk}").json()

    assert shown["schema"]["properties"]["company"]["default"] == "Kestrel 1"
    assert [action["key"] for action in shown["actions"]] == ["approve", "reject"]
    assert shown["context"] == [
        {"label": "api_key", "value": "••••••••"},
        {"label": "Site", "url": "https://kestrel.example"},
    ]
    assert (shown["may_answer"], shown["answer"], shown["status"]) == (True, None, "open")
    assert client_of(person("stranger")).get(f"/api/prompts/{prompt.pk}").status_code == 404
    assert client_of(person("owner")).get("/api/prompts/none").status_code == 404


def test_an_answer_is_taken_once_and_the_second_hears_who_was_first():
    execution, (prompt,) = ask()
    owner, url = client_of(person("owner")), f"/api/prompts/{prompt.pk}/answer"

    first = owner.post(url, {"action": "approve", "data": GOOD, "comment": "fine"}, format="json")
    second = owner.post(url, {"action": "reject", "data": GOOD}, format="json")

    assert (first.status_code, first.json()["decided"]) == (200, True)
    assert first.json()["prompt"]["answer"]["fields"] == GOOD
    problem = second.json()
    assert (second.status_code, problem["code"], problem["by"], problem["action"]) == (
        409, "prompt_answered", "owner", "Approve",
    )  # fmt: skip
    drive(execution)
    assert outputs(execution, "won") == ["Kestrel"]


def test_an_answer_that_does_not_fit_names_each_place_by_pointer():
    _, (prompt,) = ask()

    sent = {"action": "approve", "data": {"seats": 0, "segment": "enterprise"}}
    refused = client_of(person("owner")).post(f"/api/prompts/{prompt.pk}/answer", sent, format="json")

    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "answer_invalid")
    assert {one["pointer"]: one["code"] for one in problem["errors"]} == {
        "/data/company": "required", "/data/seats": "minimum", "/data/contract": "required",
    }  # fmt: skip
    assert HumanPrompt.objects.get().status == "open"


def test_who_is_not_asked_is_refused_and_a_stranger_finds_nothing():
    person("priya")
    _, (prompt,) = ask("assignees: priya")
    url, sent = f"/api/prompts/{prompt.pk}/answer", {"action": "approve", "data": GOOD}

    refused = client_of(person("owner")).post(url, sent, format="json")

    assert (refused.status_code, refused.json()["code"]) == (403, "prompt_not_yours")
    assert client_of(person("stranger")).post(url, sent, format="json").status_code == 404
    assert client_of(person("priya")).post(url, sent, format="json").status_code == 200


def test_the_prompt_of_a_step_is_answered_for_one_record():
    execution, _ = ask(records=2)
    owner, url = client_of(person("owner")), f"/api/executions/{execution.number}/human-prompt/review/respond"
    sent = {"action": "approve", "data": GOOD}

    which = owner.post(url, sent, format="json")
    done = owner.post(url, {**sent, "record": "email_002"}, format="json")
    again = owner.post(url, {**sent, "record": "email_002"}, format="json")
    only = owner.post(url, sent, format="json")
    none = owner.post(url.replace("review", "reviw"), sent, format="json")

    assert (which.status_code, len(which.json()["prompts"])) == (409, 2)
    assert (done.status_code, done.json()["prompt"]["record"]) == (200, "email_002")
    assert (again.status_code, again.json()["code"]) == (409, "prompt_answered")
    assert (only.status_code, only.json()["prompt"]["record"]) == (200, "email_001")
    assert (none.status_code, none.json()["code"]) == (404, "prompt_not_found")
    assert drive(execution).status == "completed"


def test_the_prompt_of_a_step_at_the_top_level_needs_no_record():
    workflow = publish("director: 1\nname: Top\nsteps:\n  - {alias: ok, type: human_prompt, config: {title: Ok?}}")
    email(workflow, 1)
    execution = drive(start(workflow))
    url = f"/api/executions/{execution.pk}/human-prompt/ok/respond"

    answered = client_of(person("owner")).post(url, {"action": "approve"}, format="json")

    assert answered.json()["prompt"]["record"] is None
    assert drive(execution).status == "completed"
