"""Controlling a run from its page: every mistake is said at its field and changes nothing."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from executions import control
from executions.models import Execution
from records.models import RecordChange
from tests.pages.conftest import World

FORM = {"HX-Request": "true", "HX-Target": "control-body"}


def form(world: World, what: str) -> str:
    answer = world.owner.get(f"/executions/{world.execution.number}/control/{what}/", headers=FORM)
    assert answer.status_code == 200
    return answer.content.decode()


def send(world: World, address: str, /, **given):
    return world.owner.post(f"/executions/{world.execution.number}/{address}/", given, headers=FORM)


def end(execution: Execution) -> None:
    """What follows a cancel when nothing is walked any more, which another session of the database would do."""
    over = {"status": "cancelled", "finished_at": timezone.now()}
    execution.frames.filter(status="waiting").update(waiting_for="", **over)
    Execution.objects.filter(pk=execution.pk).update(control="", **over)


def now(world: World) -> Execution:
    return Execution.objects.get(pk=world.execution.pk)


@pytest.mark.parametrize("what", ["pause", "resume", "change", "cancel"])
def test_a_form_is_for_those_who_may_see_the_run(world: World, what: str):
    url = f"/executions/{world.execution.number}/control/{what}/"

    assert world.stranger.get(url, headers=FORM).status_code == 404
    assert world.nobody.get(url, headers=FORM).status_code == 401
    assert world.owner.get(url).url == f"/executions/{world.execution.number}/"  # the form is a part of that page
    assert world.owner.get(url.replace(what, "explode"), headers=FORM).status_code == 404
    assert f"#{world.execution.number}" in form(world, what)


def test_a_run_is_paused_before_a_step_for_some_time_with_what_follows_and_why(world: World):
    answer = send(world, "pause", what="step", step="book", length="2", unit="hours", then="cancel", reason="Look.")

    assert answer.status_code == 200
    assert "data-close-dialog" in answer.content.decode()
    assert answer["HX-Trigger"] == "director:refresh"
    execution = now(world)
    assert execution.breakpoints["steps"] == ["book"]
    assert timedelta(minutes=119) < execution.pause_until - timezone.now() <= timedelta(hours=2)
    assert execution.pause_then == "cancel"
    done = execution.interventions.get()
    assert (done.user.username, done.reason) == ("olivia", "Look.")


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"what": "step", "step": "bok"}, "pause-step", "Did you mean &quot;book&quot;?"),
        ({"what": "records", "records": "invoice_001\ninvoice_999"}, "pause-records", "invoice_999"),
        ({"what": "records", "records": " "}, "pause-records", "Say at least one id."),
        ({"length": "soon"}, "pause-length", "31 days at most"),
        ({"length": "99", "unit": "days"}, "pause-length", "31 days at most"),
    ],
)
def test_what_is_wrong_with_a_pause_is_said_at_its_field_and_nothing_is_paused(world: World, given, field, said):
    answer = send(world, "pause", reason="Look.", **given)

    html = answer.content.decode()
    assert answer.status_code == 422
    assert re.search(rf'id="{field}"[^>]*aria-invalid="true" aria-describedby="{field}-e"', html)
    assert said in html[html.index(f'id="{field}-e"') :]
    assert 'value="Look."' in html
    assert (now(world).control, now(world).breakpoints) == ("", {})
    assert not world.execution.interventions.exists()


def test_a_run_goes_on_with_changed_inputs_fields_and_variables(world: World):
    control.pause(world.execution)

    answer = send(
        world,
        "resume",
        reason="The supplier called.",
        **{"change": "a", "step-a": "book", "part-a": "output", "for-a": "invoice_002", "json-a": "4500"},
        **{"edit": "b", "record-b": "invoice_002", "path-b": "fields.amount", "kind-b": "number", "value-b": "41"},
        **{"variable": "c", "path-c": "limit", "kind-c": "number", "value-c": "10"},
    )

    assert answer.status_code == 200
    execution = now(world)
    assert execution.control == ""
    assert execution.overrides["steps"]["book"]["records"][str(world.waiting.pk)] == {"output": 4500}
    world.waiting.refresh_from_db()
    assert world.waiting.data["fields"]["amount"] == 41
    assert RecordChange.objects.get(record=world.waiting.pk).source == "page"
    assert world.workflow.variables.get().value == 10
    page = world.owner.get(f"/executions/{execution.number}/").content.decode()
    people = re.sub(r"<[^>]+>", " ", page[page.index('id="exec-people"') :])
    assert (
        "let the run go on and changed inputs or outputs of book, fields of invoice_002, the variables limit" in people
    )
    assert "“The supplier called.”" in people


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"change": "a", "step-a": "book", "part-a": "input", "json-a": "{"}, "is not JSON"),
        ({"change": "a", "step-a": "book", "part-a": "input", "json-a": "[1]"}, "is no object"),
        ({"change": "a", "step-a": "large", "part-a": "output", "json-a": "{}"}, "must say which branch is taken"),
        ({"change": "a", "step-a": "bok", "part-a": "output", "json-a": "1"}, "Did you mean &quot;book&quot;?"),
        ({"edit": "a", "record-a": "invoice_999", "path-a": "fields.x", "value-a": "1"}, "does not walk a record"),
        ({"edit": "a", "record-a": "invoice_002", "path-a": "amount", "value-a": "1"}, "amount"),
        (
            {"edit": "a", "record-a": "invoice_002", "path-a": "fields.x", "kind-a": "number", "value-a": "ten"},
            "no number",
        ),
        ({"edit": "a", "record-a": "invoice_002", "path-a": "fields.api_key", "value-a": "••••••••"}, "is a mask"),
        ({"variable": "a", "path-a": "", "value-a": "1"}, "has no name"),
        ({"which": "some", "records": "invoice_999"}, "does not walk a record"),
        ({"which": "some", "records": ""}, "Say at least one id."),
    ],
)
def test_what_is_wrong_with_a_change_is_said_beside_it_and_nothing_goes_on(world: World, given, said):
    control.pause(world.execution)

    answer = send(world, "resume", reason="Try.", **given)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert now(world).control == "pause"
    assert now(world).overrides == {}
    assert list(world.execution.interventions.values_list("kind", flat=True)) == ["paused"]


def test_resuming_what_is_not_paused_is_refused_with_the_reason(world: World):
    world.execution.frames.filter(waiting_for="pause").update(waiting_for="timer")

    answer = send(world, "resume")

    assert answer.status_code == 409
    assert "there is nothing to resume" in answer.content.decode()


def test_a_breakpoint_is_set_and_cleared_on_the_card_and_both_are_kept(world: World):
    send(world, "breakpoint", step="book", on="1")
    page = world.owner.get(f"/executions/{world.execution.number}/").content.decode()
    assert 'aria-label="Records stop before book: let them pass"' in page

    send(world, "breakpoint", step="book", on="0")

    page = world.owner.get(f"/executions/{world.execution.number}/").content.decode()
    assert 'aria-label="Stop every record before book"' in page
    assert "steps" not in now(world).breakpoints
    kinds = list(world.execution.interventions.order_by("id").values_list("kind", flat=True))
    assert kinds == ["paused", "cleared"]


def test_the_cancel_dialog_tells_what_stops_and_a_cancelled_run_what_was_done(world: World):
    assert "1 record will not be walked to its end" in re.sub(r"\s+", " ", form(world, "cancel"))
    assert "2 records are done already and stay as they are" in form(world, "cancel")

    send(world, "cancel", reason="Enough.")
    assert now(world).control == "cancel"
    end(world.execution)

    page = world.owner.get(f"/executions/{world.execution.number}/").content.decode()
    assert "What was done before it was cancelled." in page
    assert "Nothing was done outside." in page
    assert "control/pause" not in page
    assert send(world, "pause").status_code == 409


def test_every_row_that_does_not_run_says_why(world: World):
    page = world.owner.get(f"/executions/{world.execution.number}/").content.decode()

    row = page[page.index("invoice_002") :]
    assert "Step book is tried again at" in row[: row.index("</tr>")]
    assert "invoice_002: Step book is tried again at" in page[page.index('id="exec-why"') :]


def test_what_people_did_is_paged_by_key(world: World):
    for number in range(12):
        control.pause(world.execution, user=world.workflow.owner, reason=f"Pause {number}")
    url = f"/executions/{world.execution.number}/interventions/"

    first = world.owner.get(url).content.decode()
    older = re.search(r'people=([\w-]+)"', first).group(1)
    second = world.owner.get(f"{url}?people={older}").content.decode()

    assert re.findall(r"“Pause (\d+)”", first) == [str(number) for number in range(11, 1, -1)]
    assert re.findall(r"“Pause (\d+)”", second) == ["1", "0"]
