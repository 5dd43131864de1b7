from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from executions.interventions import note
from executions.models import Execution
from tests.api.conftest import TRIAGE, Personas
from tests.executions.running import drive
from tests.factories import make_record
from tests.rig.queries import statements
from workflows.services import publish


def start(people: Personas, body: Any = None, **headers: str) -> Any:
    return people.owner.post(f"{people.url}/executions", body or {}, format="json", headers=headers)


def test_a_start_is_answered_with_what_was_started(people: Personas, django_assert_max_num_queries: Any) -> None:
    response = start(people, {"labels": {"client": "acme"}, "trigger_data": {"why": "new inbox"}, "version": 1})

    execution = Execution.objects.get()
    assert response.status_code == 201
    assert response["Location"].endswith(f"/api/executions/{execution.number}")
    assert response.json()["labels"] == {"client": "acme"}
    assert (execution.trigger_type, execution.trigger_data) == ("api", {"why": "new inbox"})
    assert execution.started_by == people.owner.user


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"labels": {"client": ["acme"]}}, 422, "/labels/client"),
        ({"lables": {}}, 422, "/lables"),
        ({"version": 0}, 422, "/version"),
        ({"trigger_data": [1]}, 422, "/trigger_data"),
        ({"version": 7}, 404, None),
    ],
)
def test_a_start_that_says_something_wrong_starts_nothing(
    people: Personas, body: Any, status: int, pointer: str | None
) -> None:
    refused = start(people, body)

    assert refused.status_code == status
    assert pointer is None or pointer in {error["pointer"] for error in refused.json()["errors"]}
    assert not Execution.objects.exists()


def test_a_repeated_start_is_made_once_and_answered_alike(people: Personas) -> None:
    first = start(people, {"labels": {"client": "acme"}}, **{"Idempotency-Key": '"8e03-11"'})
    Execution.objects.update(status="running")
    publish(people.workflow, TRIAGE.replace("cannot read it", "unreadable"), by=people.owner.user)
    again = start(people, {"labels": {"client": "acme"}}, **{"Idempotency-Key": "8e03-11"})
    other = start(people, {"labels": {"client": "other"}}, **{"Idempotency-Key": "8e03-11"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert (first.headers.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert Execution.objects.count() == 1


def test_an_idempotency_key_belongs_to_its_caller(people: Personas) -> None:
    key = {"Idempotency-Key": "8e03-11"}
    first = start(people, **key)
    mates = people.mate.post(f"{people.url}/executions", {}, format="json", headers=key)

    assert mates.json()["number"] != first.json()["number"]


def test_executions_are_listed_newest_first_by_filter(people: Personas, django_assert_max_num_queries: Any) -> None:
    numbers = [start(people, {"labels": {"client": client}}).json()["number"] for client in ("acme", "other", "acme")]

    def listed(client: Any = people.owner, **query: Any) -> list[int]:
        return [execution["number"] for execution in client.get("/api/executions", query).json()["results"]]

    assert listed() == numbers[::-1]
    assert listed(people.mate, workflow=people.workflow.slug, limit=2) == numbers[:0:-1]
    assert listed(**{"label.client": "acme"}, status="queued") == [numbers[2], numbers[0]]
    assert listed(**{"label.client": "acme", "label.region": "eu"}) == []
    assert listed(status="open") == numbers[::-1]
    assert listed(status="completed") == []
    assert listed(people.stranger) == []
    with django_assert_max_num_queries(3):
        listed()
    refused = people.owner.get("/api/executions?status=runing")
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (400, "status")


def test_a_stranger_is_told_that_there_is_no_execution(people: Personas) -> None:
    url = start(people).json()["url"]

    assert people.mate.get(url).status_code == 200
    refusals = [people.stranger.get(url), people.stranger.get(f"{url}/steps"), people.stranger.post(f"{url}/cancel")]
    assert {(refused.status_code, refused.json()["code"]) for refused in refusals} == {(404, "execution_not_found")}
    assert people.stranger.get(f"/api/executions?workflow={people.workflow.slug}").status_code == 404
    assert people.stranger.post(f"{people.url}/executions").status_code == 404
    assert people.nobody.post(f"{people.url}/executions").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_a_run_is_paused_resumed_and_cancelled_where_its_status_allows(people: Personas) -> None:
    url = start(people).json()["url"]

    assert people.owner.post(f"{url}/pause").json()["status"] == "paused"
    assert people.mate.post(f"{url}/resume").json()["status"] in ("running", "queued")
    assert people.owner.post(f"{url}/cancel").json()["status"] == "cancelled"
    for move in ("pause", "resume", "cancel"):
        refused = people.owner.post(f"{url}/{move}")
        assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")


@pytest.mark.django_db(transaction=True)
def test_a_finished_run_is_followed_down_to_its_failed_step_and_retried(people: Personas) -> None:
    make_record(people.workflow, record_id="email_001", fields={"subject": "Invoice", "password": "hunter2"})
    make_record(people.workflow, record_id="email_002", fields={"subject": "broken"})
    url = start(people).json()["url"]
    drive(Execution.objects.get())

    whole = people.owner.get(url).json()
    assert whole["status"] == "completed"
    assert whole["records"] == whole["progress"]["records"]
    assert {status: whole["records"].get(status) for status in ("complete", "failed")} == {"complete": 1, "failed": 1}
    assert whole["progress"]["steps"]["route"]["counts"]["complete"] == 1
    assert people.owner.get(f"/api/executions/{whole['id']}").json() == whole

    failed = people.owner.get(f"{url}/steps", {"record": "email_002", "status": "failed"}).json()["results"]
    assert [(step["alias"], step["record"]) for step in failed] == [("check", "email_002")]
    step = people.owner.get(f"{url}/steps/{failed[0]['id']}").json()
    assert "cannot read it" in step["error"]["message"]
    assert step["input"] == {"message": "cannot read it"}

    retried = people.owner.post(f"{url}/retry-failed")
    assert (retried.status_code, retried.json()["records"]) == (202, 1)
    again = people.owner.post(f"{url}/retry-failed")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_retry")
    drive(Execution.objects.get(number=retried.json()["executions"][0]["number"]))
    assert people.stranger.post(f"{people.url}/records/retry-failed").status_code == 404
    assert people.owner.post(f"{people.url}/records/retry-failed").json()["records"] == 1


@pytest.mark.django_db(transaction=True)
def test_the_journal_is_paged_by_key(people: Personas, django_assert_num_queries: Any) -> None:
    for number in range(4):
        make_record(people.workflow, record_id=f"email_{number:03}")
    url = start(people).json()["url"]
    drive(Execution.objects.get())

    found, page_url = [], f"{url}/steps?limit=3"
    while page_url:
        with django_assert_num_queries(3):
            page = people.owner.get(page_url).json()
        found += [(step["alias"], step["record"]) for step in page["results"]]
        page_url = page["next"]

    assert len(found) == len(set(found)) == 9
    assert [alias for alias, _ in found] == ["check"] * 4 + ["each_email"] + ["route"] * 4
    assert "input" not in page["results"][0]


@pytest.mark.django_db(transaction=True)
def test_a_record_tells_its_history_and_what_it_was(people: Personas) -> None:
    record = f"{people.url}/records/email_001"
    make_record(people.workflow, record_id="email_001", fields={"subject": "Invoice"})
    start(people)
    drive(Execution.objects.get())
    before = timezone.now()
    corrected = {"set": {"vars.category": "lead", "fields.password": "hunter2"}, "reason": "by phone"}
    people.mate.patch(record, corrected, format="json")

    with statements() as asked:
        people.owner.get(f"{record}/history")
    story = people.owner.get(f"{record}/history", {"as_of": before.isoformat()}).json()

    assert len(asked) <= 6  # whose token, the workflow and the record; walks, rows and changes
    change, *steps = story["results"]
    assert (change["entry"], change["by"], change["reason"]) == ("change", "tom", "by phone")
    assert {line["path"]: line["kind"] for line in change["lines"]} == {
        "vars.category": "set",
        "fields.password": "added",
    }
    assert [entry.get("step", entry["entry"]) for entry in steps] == ["complete", "route", "check", "entered"]
    assert story["past"]["data"]["vars"] == {"category": "Invoice"}
    blamed = {field["path"]: field for field in story["past"]["fields"]}["vars.category"]
    assert (blamed["step"], blamed["execution"], blamed["by"]) == ("route", Execution.objects.get().number, None)
    assert "hunter2" not in str(story)
    told = {"records": ["email_001"], "step": "route", "decision": "done"}
    note(Execution.objects.get(), get_user_model().objects.get(username="tom"), "decided", "In the mailbox.", told)
    people_only = people.owner.get(f"{record}/history", {"show": "people"}).json()["results"]
    action = people_only[0]
    assert (action["entry"], action["what"], action["step"], action["by"]) == ("action", "done", "route", "tom")
    assert action["reason"] == "In the mailbox."
    assert "step" not in {entry["entry"] for entry in people_only}
    assert people.stranger.get(f"{record}/history").status_code == 404
    assert people.owner.get(f"{people.url}/records/email_009/history").json()["code"] == "record_not_found"


def test_a_record_tells_who_made_it_and_that_it_was_nothing_before(people: Personas) -> None:
    wide = {f"column_{number:03}": number for number in range(210)}
    body = {"type": "email", "record_id": "email_001", "fields": {}, "vars": wide, "reason": "from the fair"}
    people.mate.post(f"{people.url}/records", body, format="json")
    record = f"{people.url}/records/email_001"

    (made,) = people.owner.get(f"{record}/history").json()["results"]
    before = people.owner.get(f"{record}/history", {"as_of": "2020-01-01T00:00:00Z"})

    assert (made["kind"], made["by"], made["reason"]) == ("created", "tom", "from the fair")
    assert (len(made["lines"]), made["more"]) == (200, 10)
    assert (before.status_code, before.json()["errors"][0]["parameter"]) == (400, "as_of")
