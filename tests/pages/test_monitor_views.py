"""The log and the waterfall of a run: complete, in order, by pages; secrets masked."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from executions import control
from executions.models import LogEvent
from executions.queries.log import log_entries, log_page
from executions.queries.waterfall import WINDOW, waterfall
from tests.factories import keep_counts, make_execution, make_frame
from tests.pages.conftest import World, make_invoice


def log_of(world: World, **query: str) -> str:
    words = "&".join(f"{key}={value}" for key, value in query.items())
    return world.owner.get(f"/executions/{world.execution.number}/?view=log&{words}").content.decode()


def write(world: World, count: int, **over) -> None:
    frame = world.execution.frames.order_by("pk").last()
    moment = timezone.now() - timedelta(hours=1)
    LogEvent.objects.bulk_create(
        LogEvent(
            **{
                "execution": world.execution,
                "frame_id": frame.pk,
                "alias": f"note_{number}",
                "level": ("debug", "info", "warning", "error")[number % 4],
                "message": f"Line {number}",
                "at": moment + timedelta(seconds=number // 3),  # several of one moment
                **over,
            }
        )
        for number in range(count)
    )


def test_the_log_has_what_steps_wrote_what_failed_and_what_people_did(world: World):
    write(world, 1, message="Half of it", data={"score": 5, "api_key": "s3cret"})
    control.pause(world.execution, user=world.workflow.owner, reason="Look.")

    html = log_of(world)

    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html[html.index('id="exec-timeline"') :]))
    assert text.index("paused the run: Look.") < text.index("Invoice of invoice_003 is over the limit")
    assert "The run began" in text
    assert "Half of it" in text
    assert "s3cret" not in html
    assert "invoice_003" in text


@pytest.mark.parametrize(("level", "lines"), [("error", 26), ("warning", 25), ("debug", 25), ("info", 26)])
def test_a_level_shows_only_its_own_and_pages_go_there_and_back(world: World, level: str, lines: int):
    write(world, 100)
    whole = [entry.key for entry in log_entries(world.execution, level, limit=1_000)]
    assert len(whole) == lines
    assert {entry.level for entry in log_entries(world.execution, level, limit=1_000)} == {level}
    assert f"Line {('debug', 'info', 'warning', 'error').index(level)}<" in log_of(world, level=level) + log_of(
        world, level=level, log=log_page(world.execution, level).next
    )


def test_the_pages_of_the_whole_log_have_every_line_once_in_both_directions(world: World):
    write(world, 120)
    whole = [entry.key for entry in log_entries(world.execution, limit=1_000)]
    assert whole == sorted(whole, reverse=True)
    assert len(whole) == 120 + 2  # it began, and one failed

    there, back, cursor = [], [], ""
    while True:
        page = log_page(world.execution, cursor=cursor)
        there += [entry.key for entry in page.rows]
        if not page.next:
            break
        cursor = page.next
    while True:
        back = [entry.key for entry in page.rows] + back
        if not page.previous:
            break
        page = log_page(world.execution, cursor=page.previous)

    assert there == back == whole
    assert "Line 119" in log_of(world, log="broken")


def test_the_waterfall_gives_any_stretch_of_the_walks_in_order(world: World):
    for number in range(100, 350):
        frame = make_frame(world.execution, make_invoice(world.workflow, number), alias="each_invoice")
    keep_counts(world.execution)
    total = 1 + 3 + 250

    places = [row.number for first in range(0, total, WINDOW) for row in waterfall(world.execution, first, total)]

    assert places == list(range(1, total + 1))
    (last,) = waterfall(world.execution, total - 1, total)
    assert (last.number, last.frame.id) == (total, frame.pk)
    assert waterfall(world.execution, total + 5, total) == []


def test_the_waterfall_counts_where_another_run_made_walks_at_the_same_time(world: World):
    other = make_execution(world.workflow)
    keys = []
    for number in range(100, 110):
        record = make_invoice(world.workflow, number)
        make_frame(other, record, alias="each_invoice")
        keys.append(make_frame(world.execution, record, alias="each_invoice").pk)

    rows = waterfall(world.execution, 4, 14)

    assert [row.frame.id for row in rows] == keys
    assert [row.number for row in rows] == list(range(5, 15))


def test_the_waterfall_of_one_iterate_is_found_by_position_where_another_run_made_walks_at_the_same_time(world: World):
    execution, other = make_execution(world.workflow), make_execution(world.workflow)
    keys = [execution.frames.get().pk]
    for position in range(1, 21):
        status = ("complete", "failed", "ready")[position % 3]
        keys.append(make_frame(execution, None, alias="each_invoice", position=position, status=status).pk)
        for _ in range(position % 4):
            make_frame(other, None, alias="each_invoice")

    with CaptureQueriesContext(connection) as queries:
        found = [[row.frame.id for row in waterfall(execution, first, len(keys))] for first in range(len(keys) + 1)]

    assert found == [keys[first:] for first in range(len(keys) + 1)]
    assert not any("OFFSET" in one["sql"] for one in queries), "nothing is counted"


def test_a_row_has_its_steps_as_bars_and_its_wait_up_to_now(world: World):
    html = world.owner.get(f"/executions/{world.execution.number}/waterfall/?from=0").content.decode()

    rows = re.findall(r"<li.*?</li>", html, flags=re.DOTALL)
    assert 'data-total="4"' in html
    assert "The run itself" in rows[0]
    complete, waiting, failed = rows[1:]
    assert complete.count('class="complete"') == 2
    assert 'class="bg"' in complete  # the condition, behind what is in it
    assert 'class="waiting"' in waiting
    assert (
        f'class="failed" tabindex="-1" href="/executions/{world.execution.number}/steps/{world.failed_step.pk}/"'
        in failed
    )
