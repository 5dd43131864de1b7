"""Pausing, replaying, repairing, comparing and judging by REST."""

from typing import Any

import pytest

from executions import bulk
from executions.models import Execution
from executions.queries import causes_of
from tests.api.conftest import Personas
from tests.executions.running import drive
from tests.factories import make_record

pytestmark = pytest.mark.django_db(transaction=True)


def ended(people: Personas, *, broken: int = 1, whole: int = 2) -> str:
    """A run that is over, with records that failed and records that did not; return its address."""
    for number in range(whole):
        make_record(people.workflow, record_id=f"email_{number:03}", fields={"subject": f"Invoice {number}"})
    for number in range(broken):
        make_record(people.workflow, record_id=f"email_9{number:02}", fields={"subject": "broken"})
    url: str = people.owner.post(f"{people.url}/executions", {}, format="json").json()["url"]
    drive(Execution.objects.get(number=number_of(url)))
    return url


def number_of(url: str) -> int:
    return int(url.rstrip("/").rsplit("/", 1)[1])


def post(people: Personas, url: str, **body: Any) -> Any:
    return people.owner.post(url, body, format="json")


def test_a_run_is_held_before_a_step_changed_and_resumed_and_all_of_it_is_told(people: Personas) -> None:
    make_record(people.workflow, record_id="email_001", fields={"subject": "Invoice"})
    url = post(people, f"{people.url}/executions").json()["url"]

    paused = post(people, f"{url}/pause", steps=["route"], reason="Look first.", seconds=3600, then="resume")
    drive(Execution.objects.get())
    why = people.mate.get(f"{url}/waiting", {"record": "email_001"}).json()["why"]
    changes = {"steps": {"route": {"output": "lead"}}, "records": {"email_001": {"fields.subject": "Offer"}}}
    resumed = post(people, f"{url}/resume", changes=changes, reason="It is a lead.")
    drive(Execution.objects.get())

    assert (paused.status_code, resumed.status_code) == (200, 200)
    assert why == "Paused by olivia before step route: Look first."
    assert people.workflow.records.get().data["vars"] == {"category": "lead"}
    told = people.owner.get(f"{url}/interventions").json()["results"]
    assert [(one["kind"], one["by"], one["reason"]) for one in told] == [
        ("resumed", "olivia", "It is a lead."),
        ("paused", "olivia", "Look first."),
    ]
    assert told[0]["changes"]["records"] == {"email_001": {"fields.subject": "Offer"}}
    outcome = people.owner.get(f"{url}/outcome").json()
    assert (outcome["records"], outcome["sentence"]) == ({"complete": 1}, "1 complete. Nothing was done outside.")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("pause", {"steps": ["rout"]}, 422, "step_unknown"),
        ("resume", {}, 409, "nothing_paused"),
        ("cancel", {"records": ["email_404"]}, 404, "record_not_in_run"),
        ("change", {"changes": {"steps": {"route": {"result": 1}}}}, 422, "modification_refused"),
        ("change", {"changes": {"step": {}}}, 422, "modification_refused"),
    ],
)
def test_a_control_that_cannot_be_meant_is_refused(
    people: Personas, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    url = post(people, f"{people.url}/executions").json()["url"]

    refused = post(people, f"{url}/{path}", **body)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert people.stranger.post(f"{url}/{path}", body, format="json").status_code == 404


def test_a_replay_is_previewed_started_and_compared(people: Personas) -> None:
    url = ended(people)

    preview = post(people, f"{url}/replay/preview", step="route", statuses=["complete"])
    started = post(
        people, f"{url}/replay/route", statuses=["complete"], modifications={"steps": {"route": {"output": "x"}}}
    )
    drive(Execution.objects.get(number=started.json()["number"]))
    compared = people.owner.get(f"{url}/compare/{started.json()['number']}").json()
    first = people.owner.get(
        f"{url}/compare/{started.json()['number']}/differences", {"step": "route", "limit": 1}
    ).json()
    rest = people.owner.get(first["next"]).json()

    assert preview.json()["records"] == {"each_email": 2}
    assert {step["step"]: step["again"] for step in preview.json()["steps"]}["route"] == 2
    assert (started.status_code, started["Location"]) == (201, started.json()["url"])
    assert people.owner.get(started.json()["url"]).json()["trigger_type"] == "replay"
    assert compared["steps"]["route"]["different"] == 2
    assert [one["record"] for one in first["results"] + rest["results"]] == ["email_000", "email_001"]
    assert first["results"][0]["diff"] == [{"op": "replace", "path": "", "value": "x"}]


def test_a_journal_row_is_replayed_for_its_record_alone(people: Personas) -> None:
    url = ended(people)
    row = people.owner.get(f"{url}/steps", {"alias": "route", "record": "email_001"}).json()["results"][0]

    started = post(people, f"{url}/replay/{row['id']}")

    again = drive(Execution.objects.get(number=started.json()["number"]))
    assert again.records_total == 1
    for body, code in (
        ({"step": "nothing"}, "step_unknown"),
        ({"version": 7}, "version_not_found"),
        ({"records": ["email_404"]}, "nothing_to_replay"),
        ({"modifications": {"steps": {"each_email": {"output": 1}}}}, "modification_refused"),
    ):
        assert post(people, f"{url}/replay", **body).json()["code"] == code
    assert Execution.objects.count() == 2


def test_failures_are_repaired_alike_and_retried_by_group(people: Personas) -> None:
    url = ended(people, broken=7)
    group = causes_of(Execution.objects.get())[0]

    first = post(people, f"{url}/retry-group", cause=group.key, first=5).json()
    for run in first["retried"]["executions"]:
        drive(Execution.objects.get(number=run["number"]))
    repaired = post(people, f"{url}/repair", records=["email_900"], alike=True, edit={"fields.subject": "whole"}).json()
    for run in repaired["executions"]:
        drive(Execution.objects.get(number=run["number"]))

    assert (first["retried"]["records"], first["remaining"], repaired["records"]) == (5, 2, 7)
    assert people.workflow.records.filter(status="complete").count() == 9
    assert post(people, f"{url}/decide", step="route", decision="again", records=["email_900"]).status_code == 409
    assert people.owner.get(f"{url}/interrupted", {"record": "email_900"}).json()["code"] == "not_interrupted"


def test_a_version_is_judged_by_the_past(people: Personas) -> None:
    ended(people)

    started = post(people, f"{people.url}/shadow-replays", version="1", last=10)
    url = started.json()["url"]
    drive(Execution.objects.get(number=started.json()["number"]))

    assert people.owner.get(f"{url}/shadow").json()["counts"]["same"] == 3
    page = people.owner.get(f"{url}/shadow/records", {"limit": 2}).json()
    rest = people.owner.get(page["next"]).json()
    assert [one["verdict"] for one in page["results"] + rest["results"]] == ["same"] * 3
    assert post(people, f"{people.url}/shadow-replays", version="draft").json()["code"] == "no_draft"


def test_executions_are_cancelled_and_replayed_in_bulk_with_totals_that_add_up(people: Personas) -> None:
    over = ended(people)
    held = [post(people, f"{people.url}/executions").json()["number"] for _ in range(3)]
    many = {"numbers": [number_of(over), *held]}

    told = post(people, "/api/executions/bulk", action="cancel", filter=many, dry_run=True).json()
    begun = post(people, "/api/executions/bulk", action="cancel", filter=many, reason="Wrong file.")
    assert not bulk.run(begun.json()["id"])
    replayed = post(
        people, "/api/executions/bulk", action="replay", filter={"status": "completed"}, replay={"step": "route"}
    )
    while bulk.work_on(replayed.json()["id"]):
        assert not people.owner.get(replayed.json()["url"]).json()["finished_at"]

    assert told == {"total": 4, "refused": 1, "by_status": {"completed": 1, "queued": 3}}
    done = people.owner.get(begun.json()["url"]).json()
    assert (begun.status_code, done["total"], done["done"], done["refused"]) == (202, 4, 3, 1)
    assert set(Execution.objects.filter(number__in=held).values_list("status", flat=True)) == {"cancelled"}
    outcomes = people.owner.get(f"{begun.json()['url']}/outcomes").json()["results"]
    assert "completed and cannot become cancelled" in outcomes[0]["reason"]
    assert people.owner.get(replayed.json()["url"]).json()["done"] == 1
    assert Execution.objects.filter(replay_of__number=number_of(over)).count() == 1
    assert people.mate.get(begun.json()["url"]).json()["code"] == "execution_bulk_not_found"
    for wrong in (
        {"state": "open"},
        {"status": 1},
        {"numbers": ["x"]},
        {"labels": [1]},
        {"started_after": "now"},
        {"replays": "no"},
    ):
        refused = post(people, "/api/executions/bulk", action="cancel", filter=wrong)
        assert refused.json()["code"] == "execution_filter_invalid"
    listed = people.owner.get("/api/executions", {"replays": "true", "started_after": "2020-01-01T00:00:00Z"}).json()
    assert [one["trigger_type"] for one in listed["results"]] == ["replay"]
