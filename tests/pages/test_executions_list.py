"""The list of executions: every filter, selection and what is done to many at once."""

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from executions import bulk
from executions.asked import read_address
from executions.models import Execution, ExecutionBulk, TriggerType
from tests.factories import make_execution, make_user
from tests.pages.conftest import World, client_of


def numbers(html: str) -> list[int]:
    return [int(found) for found in re.findall(r'<tr id="exec-(\d+)"', html)]


@pytest.fixture
def runs(world: World) -> dict[str, Execution]:
    """One execution for each filter, beside the one of the world (by hand, running, client=acme)."""
    workflow, olivia, tom = world.workflow, world.workflow.owner, world.workflow.collaborators.get()
    runs = {
        "world": world.execution,
        "api": make_execution(workflow, trigger_type=TriggerType.API, started_by=tom, labels={"urgent": "yes"}),
        "replay": make_execution(workflow, trigger_type=TriggerType.REPLAY, started_by=olivia, status="completed"),
        "old": make_execution(workflow, status="failed", labels={"client": "besk"}),
    }
    Execution.objects.filter(pk=runs["old"].pk).update(created_at=timezone.now() - timedelta(days=10))
    return runs


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["old", "replay", "api", "world"]),
        ("status=open", ["api", "world"]),
        ("status=failed", ["old"]),
        ("label=client", ["old", "world"]),
        ("label=client%3Dacme", ["world"]),
        ("label=client&label=urgent", []),
        ("trigger=api", ["api"]),
        ("by=tom", ["api"]),
        ("replays=yes", ["replay"]),
        ("replays=no", ["old", "api", "world"]),
        ("from={recent}", ["replay", "api", "world"]),
        ("to={recent}", ["old"]),
        ("q=%23{w.execution.number}", ["world"]),
        ("q=besk", ["old"]),
        ("q=supplier+inv", ["old", "replay", "api", "world"]),
        ("q=99999999999999999999", []),
    ],
)
def test_each_filter_leaves_what_it_says(world: World, runs: dict[str, Execution], query: str, found: list[str]):
    recent = (timezone.localdate() - timedelta(days=3)).isoformat()
    query = query.format(w=world, recent=recent)

    everywhere = world.mate.get(f"/executions/?{query}").content.decode()
    of_workflow = world.mate.get(f"/workflows/{world.workflow.slug}/executions/?{query}").content.decode()

    assert numbers(everywhere) == numbers(of_workflow) == [runs[name].number for name in found]
    assert "invalid" not in everywhere
    assert numbers(world.stranger.get(f"/executions/?{query}").content.decode()) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status=broken", "must be one of open"),
        ("trigger=moon", "must be one of"),
        ("from=yesterday", "which is no day"),
        ("workflow=not-there", "not-there"),
    ],
)
def test_a_filter_that_says_nothing_is_named_and_left_out(world: World, query: str, said: str):
    html = world.owner.get(f"/executions/?{query}").content.decode()

    assert said in html
    assert numbers(html) == [world.execution.number]


def test_labels_are_shown_and_filters_can_be_taken_away_one_by_one(world: World, runs: dict[str, Execution]):
    html = world.owner.get("/executions/?label=client&by=olivia").content.decode()

    assert "client=acme" in html
    assert 'href="/executions/?by=olivia"' in html
    assert 'href="/executions/?label=client"' in html


def test_days_are_those_of_the_place(world: World):
    asked = read_address(type(world.owner.get("/executions/?to=2026-11-21").wsgi_request.GET)("to=2026-11-21"), None)

    assert datetime.fromisoformat(asked.parts["started_before"]) == timezone.make_aware(datetime(2026, 11, 22))  # noqa: DTZ001


def _ask(world: World, client: object, query: str = "", **given: object):
    return client.post(f"/executions/bulk/?{query}", given)


def test_what_is_selected_or_all_that_match_is_counted_before_it_is_done(world: World, runs: dict[str, Execution]):
    every = _ask(world, world.owner, kind="cancel", all="1").content.decode()
    some = _ask(world, world.owner, kind="cancel", numbers=[runs["api"].number, runs["old"].number]).content.decode()
    narrowed = _ask(world, world.owner, "status=open", kind="replay", all="1").content.decode()

    assert "Cancel 4 executions?" in every
    assert "2 executions are over already" in every
    assert "Cancel 2 executions?" in some
    assert "Replay 2 executions?" in narrowed
    assert _ask(world, world.owner, kind="cancel").status_code == 422
    assert _ask(world, world.owner, "status=broken", kind="cancel", all="1").status_code == 422
    assert _ask(world, world.owner, kind="burn", all="1").status_code == 422
    assert "Cancel 0 executions?" in _ask(world, world.stranger, kind="cancel", all="1").content.decode()
    assert not ExecutionBulk.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_are_cancelled_with_an_outcome_each_and_totals_that_add_up(world: World, runs: dict[str, Execution]):
    start = {"kind": "cancel", "all": "1", "reason": "wrong file"}

    grown = world.owner.post("/executions/bulk/start/", {**start, "shown": "2"})
    begun = world.owner.post("/executions/bulk/start/", {**start, "shown": "4"})
    operation = ExecutionBulk.objects.get()
    bulk.run(operation.pk)
    operation.refresh_from_db()
    page = world.owner.get(f"/executions/bulk/{operation.pk}/").content.decode()
    refused = world.owner.get(f"/executions/bulk/{operation.pk}/?outcome=refused").content.decode()

    assert grown.status_code == 409
    assert "4 executions match by now, not 2" in grown.content.decode()
    assert "Cancelling 4 executions" in begun.content.decode()
    assert (operation.total, operation.done, operation.refused) == (4, 2, 2)
    assert "“wrong file”" in page
    assert "cannot become cancelled" in refused
    assert runs["api"].interventions.get().reason == "wrong file"
    toast = world.owner.get(f"/executions/bulk/{operation.pk}/toast/")
    assert toast["HX-Trigger"] == "bulk-over"
    for url in ("", "toast/"):
        assert world.mate.get(f"/executions/bulk/{operation.pk}/{url}").status_code == 404
    assert world.stranger.post(f"/executions/bulk/{operation.pk}/stop/").status_code == 404


def test_an_operation_is_stopped_and_its_totals_still_add_up(world: World, runs: dict[str, Execution]):
    operation = bulk.start("replay", {}, {}, user=world.workflow.owner)

    world.owner.post(f"/executions/bulk/{operation.pk}/stop/")

    operation.refresh_from_db()
    assert (operation.total, operation.done, operation.refused) == (4, 0, 4)
    assert not bulk.work_on(operation.pk)
    assert "was stopped before" in world.owner.get(f"/executions/bulk/{operation.pk}/").content.decode()
    assert Execution.objects.count() == 4


def test_the_list_takes_as_many_queries_for_many_executions_as_for_few(world: World):
    for number in range(60):
        make_execution(world.workflow, labels={"client": f"c{number}"}, started_by=world.workflow.owner)
    world.owner.get("/executions/")

    for url in ("/executions/", "/executions/?label=client&by=olivia&q=supplier&replays=no"):
        with CaptureQueriesContext(connection) as captured:
            html = world.owner.get(url).content.decode()
        assert len(numbers(html)) == 50
        assert len(captured) <= 12
    cursor = re.search(r'href="\?[^"]*cursor=([^"&]+)[^"]*"[^>]*rel="next"', html)[1]
    assert len(numbers(world.owner.get(f"/executions/?label=client&cursor={cursor}").content.decode())) == 11


def test_the_people_offered_are_those_who_may_start_the_workflows(world: World):
    make_user("mallory")

    html = client_of(world.workflow.owner).get("/executions/").content.decode()

    assert "by=tom" in html
    assert "by=mallory" not in html
