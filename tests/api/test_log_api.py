"""A run's log by REST: by level, by pages, secrets masked, for those who may see the run."""

import pytest
from django.test import Client

from executions import control
from executions.models import LogEvent
from tests.pages.conftest import World, world  # noqa: F401 - the fixture

pytestmark = pytest.mark.django_db


def lines(client: Client, url: str) -> list[dict]:
    found = []
    while url:
        answer = client.get(url).json()
        found += answer["results"]
        url = answer["next"]
    return found


def test_the_log_is_listed_by_pages_and_by_level_with_secrets_masked(world: World):  # noqa: F811
    frame = world.execution.frames.order_by("pk").last()
    for number, level in enumerate(["debug", "warning", "warning"]):
        LogEvent.objects.create(
            execution=world.execution,
            frame_id=frame.pk,
            alias=f"note_{number}",
            level=level,
            message=f"Line {number}",
            data={"token": "s3cret"},
        )
    control.pause(world.execution, user=world.workflow.owner, reason="Look.")
    url = f"/api/executions/{world.execution.number}/log"

    whole = lines(world.owner, f"{url}?limit=2")

    assert len(whole) == 3 + 3  # what was written; it began, one failed, it was paused
    assert whole == lines(world.owner, url)
    assert [line["message"] for line in lines(world.owner, f"{url}?level=warning")] == ["Line 2", "Line 1"]
    written = next(line for line in whole if line["message"] == "Line 2")
    assert (written["kind"], written["step"], written["record"]) == ("step", "note_2", "invoice_003")
    assert "s3cret" not in str(whole)
    failed = next(line for line in whole if line["kind"] == "failure")
    assert (failed["level"], failed["step_id"]) == ("error", world.failed_step.pk)
    person = next(line for line in whole if line["kind"] == "person")
    assert (person["by"], person["message"]) == ("olivia", "paused the run: Look.")


def test_what_cannot_be_asked_is_refused_and_a_stranger_sees_no_log(world: World):  # noqa: F811
    url = f"/api/executions/{world.execution.number}/log"

    assert world.stranger.get(url).status_code == 404
    assert world.owner.get(f"{url}?level=loud").status_code in (400, 422)
    assert world.owner.get(f"{url}?cursor=broken").status_code == 400
