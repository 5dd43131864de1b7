"""Who may see and do what: the owner and a team-mate everything, a stranger nothing, nobody only the sign-in page."""

import pytest

from executions.models import Execution
from tests.pages.conftest import World

PAGES = {
    "home": "/",
    "workflow list": "/workflows/",
    "workflow": "/workflows/{w.workflow.slug}/",
    "workflow, live": "/workflows/{w.workflow.slug}/live/",
    "workflow's executions": "/workflows/{w.workflow.slug}/executions/",
    "execution list": "/executions/",
    "execution": "/executions/{w.execution.number}/",
    "execution, live": "/executions/{w.execution.number}/live/",
    "timeline": "/executions/{w.execution.number}/timeline/",
    "waterfall": "/executions/{w.execution.number}/waterfall/",
    "interventions": "/executions/{w.execution.number}/interventions/",
    "step": "/executions/{w.execution.number}/steps/{w.failed_step.pk}/",
    "step's error": "/executions/{w.execution.number}/steps/{w.failed_step.pk}/error.json",
    "record list": "/records/",
    "record": "/records/{w.failed.pk}/",
    "record, live": "/records/{w.failed.pk}/live/",
    "record, raw": "/records/{w.failed.pk}/raw.json",
    "palette": "/jump/?q=invoice",
    "navigation": "/navigation/",
}
SHARED = {"home", "workflow list", "execution list", "record list", "palette", "navigation"}
ACTIONS = {
    "run": "/workflows/{w.workflow.slug}/run/",
    "pause": "/executions/{w.execution.number}/pause/",
    "resume": "/executions/{w.execution.number}/resume/",
    "change": "/executions/{w.execution.number}/change/",
    "breakpoint": "/executions/{w.execution.number}/breakpoint/",
    "cancel": "/executions/{w.execution.number}/cancel/",
    "retry": "/executions/{w.execution.number}/retry/",
    "retry a record": "/records/{w.failed.pk}/retry/",
}


@pytest.mark.parametrize("name", PAGES)
def test_owner_and_team_mate_see_the_page_and_a_stranger_nothing_of_it(world: World, name: str):
    url = PAGES[name].format(w=world)

    assert world.owner.get(url).status_code == 200
    assert world.mate.get(url).status_code == 200
    refused = world.stranger.get(url)
    if name in SHARED:
        assert refused.status_code == 200
        assert "invoice_0" not in refused.content.decode()
        assert "Supplier invoices" not in refused.content.decode()
    else:
        assert refused.status_code == 404


@pytest.mark.parametrize("name", PAGES)
def test_nobody_is_asked_to_sign_in_first(world: World, name: str):
    url = PAGES[name].format(w=world)

    answer = world.nobody.get(url)
    fragment = world.nobody.get(url, headers={"HX-Request": "true"})

    assert answer.status_code == 302
    assert answer.url.startswith("/accounts/login/?next=/")
    assert fragment.status_code == 401  # a fragment would otherwise be filled with the sign-in page


@pytest.mark.parametrize("name", ACTIONS)
def test_a_stranger_can_do_nothing_and_a_team_mate_can(world: World, name: str):
    url = ACTIONS[name].format(w=world)

    assert world.stranger.post(url).status_code == 404
    assert world.nobody.post(url).status_code == 302
    assert world.owner.get(url).status_code == 405
    runs = Execution.objects.count()
    assert runs == 1
    if name in ("run", "retry a record"):
        assert world.mate.post(url).status_code == 302


def test_a_page_that_is_not_there_looks_like_one_that_may_not_be_seen(world: World):
    answers = [world.stranger.get(f"/executions/{number}/") for number in (world.execution.number, 999_999)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "or you may not see it" in answers[0].content.decode()
