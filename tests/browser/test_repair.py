"""Putting failures right in a real browser: a step that may have happened is treated as done; a group is retried five first."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections
from playwright.sync_api import Page, expect

from executions.models import Execution, Notification
from records.models import WorkflowRecord
from tests.executions.running import drive, email, start, wake_all
from tests.executions.test_effects import body, interrupt
from workflows.models import Workflow
from workflows.services import import_workflow


def aside(do: Callable[[], Any]) -> Any:
    """Do it in a thread of its own: the browser's event loop runs in this one, and a walk wants to run its own."""

    def done() -> Any:
        try:
            return do()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(done).result()


def interrupted(owner: Any) -> WorkflowRecord:
    """A record whose notification may or may not have been made."""
    steps = (
        "alias: send, type: notify, config: {to: olivia, title: Booked}, store_to_record: true",
        "alias: rest, type: delay, config: {duration: 3600}",
    )
    workflow = import_workflow(body(*steps), owner=owner).workflow
    record = email(workflow, 1)
    execution = aside(lambda: drive(start(workflow)))
    aside(lambda: interrupt(execution, "send"))
    aside(lambda: wake_all(execution))
    aside(lambda: drive(execution))
    return record


def without_tax(owner: Any, count: int) -> tuple[Workflow, Execution]:
    """A run whose records all failed because they lack their tax."""
    workflow = import_workflow(
        body('alias: total, type: set, config: {value: "{{ current.amount + current.tax }}"}, store_to_record: true'),
        owner=owner,
    ).workflow
    for number in range(1, count + 1):
        email(workflow, number, amount=number)
    return workflow, aside(lambda: drive(start(workflow)))


def test_an_interrupted_step_is_looked_up_and_treated_as_done(
    page: Page, owner: Any, worker: Callable[[], Any], beat: Any
):
    record = interrupted(owner)
    worker()
    page.goto(f"/records/{record.pk}/")

    panel = page.locator("#rec-repair")
    expect(panel).to_contain_text("Whether send happened is not known")
    expect(page.get_by_role("button", name="Retry send")).to_have_count(0)
    panel.get_by_role("link", name="It happened: treat it as done").click()
    expect(page).to_have_url(re.compile(r"repair=done"))
    output = panel.get_by_label("Output, as JSON")
    output.fill('{"id": \n "m-7" "a"}')
    expect(panel.locator("[data-json-error]")).to_contain_text("line 2")
    output.fill('{"id": "m-7"}')
    expect(output).to_have_attribute("aria-invalid", "false")
    panel.get_by_label("Why").fill("It is in the outbox.")
    page.keyboard.press("Control+Enter")

    expect(page.locator(".toastx")).to_contain_text("email_001 is being retried")
    expect(page.locator("#rec-status")).to_have_text("Complete", timeout=20_000)
    expect(page.locator("#rec-data")).to_contain_text("m-7")
    expect(panel).to_be_hidden()
    assert Notification.objects.count() == 1


def test_a_group_is_retried_five_first_and_the_rest_once_these_are_seen(
    page: Page, owner: Any, worker: Callable[[], Any], beat: Any
):
    workflow, execution = without_tax(owner, 8)
    WorkflowRecord.objects.filter(record_id__lt="email_005").update(
        data={"fields": {"amount": 1, "tax": 1}, "vars": {}}
    )
    worker()
    page.goto(f"/executions/{execution.number}/")

    group = page.locator("#exec-causes .cause")
    expect(group).to_contain_text("Same cause for 8")
    group.get_by_role("button", name="Retry 5 first").click()
    expect(group).to_contain_text("5 were retried: 4 complete, 1 failed again", timeout=20_000)
    WorkflowRecord.objects.filter(status="failed").update(data={"fields": {"amount": 1, "tax": 1}, "vars": {}})
    group.get_by_role("button", name="Retry the rest, 4").click()

    expect(group).to_contain_text("None of them is failed any more", timeout=20_000)
    assert workflow.records.filter(status="complete").count() == 8
