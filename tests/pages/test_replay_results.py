"""Where replays are looked at: a step beside its other times, two runs beside each other, a shadow replay's report."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from executions.models import Execution, ExecutionStep
from executions.replay import shadow
from executions.replay.services import Request, replay
from records.models import WorkflowRecord
from tests.executions.running import drive, email, publish, run
from tests.factories import make_user
from tests.pages.conftest import World, client_of, make_invoice, walk
from tests.pages.test_texts import next_of

pytestmark = pytest.mark.django_db(transaction=True)

LEVELS = """
director: 1
name: Levels
steps:
  - alias: each
    type: iterate
    config: {over_records: "email_*"}
    body:
      - alias: score
        type: set
        config: {value: {points: "{{ current.amount * 2 }}", token: "s3cret-{{ current.amount }}"}}
        store_to_record: true
      - {alias: level, type: set, config: {value: "{{ score.points / current.seats }}"}, store_to_record: true}
"""


def levels(count: int) -> Execution:
    """A run over so many records, of which the second fails at its last step."""
    workflow = publish(LEVELS)
    for number in range(1, count + 1):
        email(workflow, number, amount=number, seats=0 if number == 2 else 1)
    return run(workflow)


def tripled(original: Execution) -> Execution:
    """The run again by a version that triples, and that minds having no seats."""
    other = LEVELS.replace("amount * 2", "amount * 3").replace("/ current.seats", "/ (current.seats or 1)")
    version = publish(other).versions.get(number=2)
    return drive(replay(original, Request(version=version)))


def owner() -> Client:
    return client_of(User.objects.get(username="owner"))


def text(response) -> str:
    html = re.sub(r"<(svg|script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#x27;", "'").replace("&quot;", '"').split())


def row(execution: Execution, alias: str, record: str) -> ExecutionStep:
    """The step's row of the record, or of its copy in a dry run."""
    frames = execution.frames.filter(record__record_id=record)
    return ExecutionStep.objects.filter(frame__in=frames, alias=alias).latest("pk")


# --- a step -----------------------------------------------------------------------------------------------------------


def test_a_step_of_a_replay_is_shown_beside_the_original_with_what_differs_marked():
    original = levels(2)
    again = tripled(original)
    step = row(again, "score", "email_001")

    page = owner().get(f"/executions/{again.number}/steps/{step.pk}/")
    html = page.content.decode()

    assert f"Original #{original.number}" in html
    assert re.search(r'<div class="del" data-n="\d"><span class="sg">-</span>.*<del>2</del>', html)
    assert re.search(r'<div class="add" data-n="\d"><span class="sg">\+</span>.*<ins>3</ins>', html)
    assert "s3cret" not in html
    failed = row(original, "level", "email_002")
    back = text(owner().get(f"/executions/{original.number}/steps/{failed.pk}/?against=run-{again.number}&part=output"))
    assert f"Replay #{again.number}" in back
    assert "+ 6.0" in back


def test_attempts_are_compared_with_the_one_before_and_each_choice_has_an_address(world: World):
    record = make_invoice(world.workflow, 9, status="failed")
    first = walk(world.execution, record, ends="failed")
    second = ExecutionStep.objects.create(
        execution=first.execution, frame=first.frame, record=record, alias=first.alias, attempt=2, status="failed",
        started_at=first.started_at, duration_ms=1, error={"code": "other", "message": "too late"},
    )  # fmt: skip
    url = f"/executions/{world.execution.number}/steps/{second.pk}/"

    usual = world.owner.get(url).content.decode()
    same = text(world.owner.get(url + "?against=1&part=output"))
    older = text(world.owner.get(url + "?attempt=1"))

    assert "<del>step_failed</del>" in usual
    assert "<ins>other</ins>" in usual
    assert "What changed" in usual
    assert "The output is the same in both." in same
    assert "Compare with" in older
    assert "What changed" not in older
    assert text(world.owner.get(url + "?against=row-99999999999")).count("What changed") == 0


def test_a_row_of_a_run_that_one_may_not_see_is_not_shown_beside_ones_own(world: World):
    levels(1)
    hidden = ExecutionStep.objects.filter(alias="score").latest("pk")
    url = f"/executions/{world.execution.number}/steps/{world.failed_step.pk}/"

    page = text(world.owner.get(f"{url}?against=row-{hidden.pk}&part=input"))

    assert "points" not in page
    assert "What changed" not in page


def test_the_page_of_a_step_takes_few_queries():
    original = levels(2)
    again = tripled(original)
    client, step = owner(), row(again, "score", "email_001")

    with CaptureQueriesContext(connection) as queries:
        client.get(f"/executions/{again.number}/steps/{step.pk}/")

    assert len(queries) <= 15, [one["sql"][:150] for one in queries]


# --- two runs ---------------------------------------------------------------------------------------------------------


def test_two_runs_are_compared_by_step_and_record_with_counts_that_lead_to_the_rows():
    original = levels(3)
    again = tripled(original)
    url = f"/executions/{original.number}/compare/{again.number}/"

    counts = text(owner().get(f"{url}counts/"))
    page = owner().get(url)

    assert "3 records differ" in counts
    assert "Score score 0 3 0 0" in counts
    told = text(page)
    assert "output.points 2 3" in told
    assert "it divides by zero" in told
    step = row(again, "score", "email_001")
    before = row(original, "score", "email_001")
    assert f'/executions/{again.number}/steps/{step.pk}/?against=row-{before.pk}"' in page.content.decode()
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", 7),
        ("?step=level", 3),
        ("?q=email_001", 2),
        ("?verdict=different&q=email_00*", 6),
        ("?verdict=only_a", 0),
        ("?q=nothing", 0),
    ],
)
def test_the_list_of_differences_is_narrowed_by_its_address(query, rows):
    original = levels(3)
    again = tripled(original)
    url = f"/executions/{original.number}/compare/{again.number}/{query}"

    html = owner().get(url, headers={"HX-Request": "true", "HX-Target": "compare-rows"}).content.decode()

    assert "<html" not in html
    assert html.count("<tr>") - (1 if rows else 0) == rows
    assert ("No difference matches" in html) == (rows == 0)


def test_differences_are_paged_and_a_page_takes_few_queries_however_many_there_are():
    original = levels(20)
    again = tripled(original)
    client, url = owner(), f"/executions/{original.number}/compare/{again.number}/"

    with CaptureQueriesContext(connection) as queries:
        first = client.get(url).content.decode()
    second = client.get(url + next_of(first)).content.decode()

    shown = [re.findall(r"steps/(\d+)/", html) for html in (first, second)]
    assert [len(rows) for rows in shown] == [25, 16]
    assert not set(shown[0]) & set(shown[1])
    assert len(queries) <= 9, [one["sql"][:150] for one in queries]
    assert "From the beginning" in second


def test_equal_runs_have_no_differences_and_the_way_to_the_other_run_is_found():
    original = levels(1)
    lonely = owner().get(f"/executions/{original.number}/compare/")
    again = drive(replay(original, Request()))

    assert "Nothing to compare with" in text(lonely)
    for number in (original.number, again.number):
        found = owner().get(f"/executions/{number}/compare/")
        assert found.url == f"/executions/{original.number}/compare/{again.number}/"
    assert "No differences" in text(owner().get(found.url))
    assert owner().get(f"/executions/{original.number}/compare/?other=%23{again.number}").url == found.url
    assert owner().get(f"/executions/{original.number}/compare/?other=99999").status_code == 404


# --- shadow replays ---------------------------------------------------------------------------------------------------


def test_a_shadow_replay_is_started_and_reports_what_each_record_would_be():
    original = levels(3)
    other = LEVELS.replace("amount * 2", "amount * 3 if current.amount > 2 else current.amount * 2")
    workflow = publish(other)
    form = owner().get(f"/workflows/{workflow.slug}/shadow/")

    answer = owner().post(f"/workflows/{workflow.slug}/shadow/", {"version": "2", "last": "10", "reason": "Before v2"})
    shade = drive(Execution.objects.latest("number"))
    report = owner().get(answer.url)

    assert "v2" in text(form)
    assert answer.url == f"/executions/{shade.number}/shadow/"
    assert shade.interventions.get().reason == "Before v2"
    told = text(report)
    assert "3 of 3 records walked" in told
    assert "All 3 Same 2 Different 1 New error 0 No recording 0" in told
    assert "vars.score.points 6 9" in told
    assert "email_002 Same Fails as before at level" in told
    assert "divides by zero" not in told, "an error that is not new is nothing that would be otherwise"
    different = text(owner().get(f"{answer.url}?verdict=different"))
    assert "email_003" in different
    assert "email_001" not in different
    assert "No record of this verdict" in text(owner().get(f"{answer.url}?verdict=new_error"))
    assert f"#{shade.number} by v2" in text(owner().get(f"/workflows/{workflow.slug}/shadow/"))
    assert WorkflowRecord.objects.get(record_id="email_003").data["vars"]["score"]["points"] == 6
    assert "Shadow replay by v2" in text(owner().get(f"/executions/{shade.number}/replays/"))
    assert original.status == "completed"


def test_a_shadow_replay_that_cannot_be_is_refused_in_its_form_with_what_was_typed():
    workflow = publish(LEVELS)

    for form, reason in (
        ({"version": "1", "last": "10"}, "no run has walked records in each yet"),
        ({"version": "draft", "last": "10"}, "has no draft"),
        ({"version": "9", "last": "10"}, "9"),
        ({"version": "1", "last": "0"}, "from 1 to 10,000"),
        ({"version": "1", "last": "many"}, "from 1 to 10,000"),
    ):
        answer = owner().post(f"/workflows/{workflow.slug}/shadow/", form | {"reason": "why not"})
        assert answer.status_code == 422, form
        assert reason in text(answer), form
        assert 'value="why not"' in answer.content.decode()
    assert not Execution.objects.exists()


def test_a_report_in_progress_is_partial_and_its_live_part_comes_alone():
    original = levels(2)
    shade = shadow.start(original.workflow, original.version)
    client, url = owner(), f"/executions/{shade.number}/shadow/"

    begun = text(client.get(url))
    drive(shade)
    live = client.get(f"{url}live/").content.decode()

    assert "0 of 2 records walked" in begun
    assert "Walking the records" in begun
    assert "<html" not in live
    assert "2 of 2" in re.sub(r"<[^>]+>", "", live)
    assert client.get(f"/executions/{original.number}/shadow/").status_code == 404


@pytest.mark.parametrize(
    "place", ["/workflows/levels/shadow/", "/executions/{0}/shadow/", "/executions/{0}/shadow/live/"]
)
def test_a_stranger_sees_nothing_of_shadow_replays(place):
    original = levels(1)
    url = place.format(shadow.start(original.workflow, original.version).number)

    assert owner().get(url).status_code == 200
    assert client_of(make_user()).get(url).status_code == 404
    assert Client().get(url).status_code == 302
