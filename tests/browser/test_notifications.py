"""News in a real browser: a notification arrives and is read; a prompt is withdrawn while its dialog is open."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection
from playwright.sync_api import Page, expect

from executions import control
from executions.models import Execution, HumanPrompt
from executions.services import start_execution
from tests.browser.test_inbox import shot, violations
from tests.executions.prompting import person
from tests.executions.running import publish
from tests.rig.browser import sign_in

DEFINITION = """
director: 1
name: News
steps:
  - {alias: tell, type: notify, config: {to: owner, title: "Three invoices are late", message: "Look at them", link: /records/}}
  - alias: review
    type: human_prompt
    config: {title: Check the lead, fields: {properties: {company: {type: string, title: Company}}}}
"""


def cancel(user: Any) -> None:
    control.cancel(Execution.objects.get(), user=user)
    connection.close()


def test_a_notification_arrives_and_is_read_and_a_withdrawn_prompt_says_so(browser_page: Page, server, worker, beat):
    page, owner = browser_page, person("owner")
    sign_in(page, server.url, owner)
    worker()
    workflow = publish(DEFINITION)
    page.goto("/notifications/")
    expect(page.get_by_text("No notifications")).to_be_visible()
    expect(page.locator("#live-dot")).to_have_text("Live")

    start_execution(workflow, trigger_type="manual", user=owner)

    expect(page.get_by_text("1 new notification.")).to_be_visible(timeout=15_000)
    expect(page.locator("#nav-count-notifications")).to_contain_text("1", timeout=15_000)
    page.get_by_role("link", name="Show").click()
    page.wait_for_load_state()
    shot(page, "notifications")
    assert violations(page) == []
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/records/$"))
    page.goto("/notifications/?tab=unread")
    expect(page.get_by_text("Everything is read")).to_be_visible()

    page.goto(f"/prompts/{HumanPrompt.objects.get().pk}/")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Company").fill("typed already")
    expect(page.locator("#live-dot")).to_have_text("Live")
    with ThreadPoolExecutor(1) as elsewhere:  # this thread has the browser's event loop
        elsewhere.submit(cancel, owner).result()
    expect(dialog.get_by_text("is not asked any more")).to_be_visible(timeout=15_000)
    expect(dialog.get_by_role("button", name="Send")).to_have_count(0)
    expect(dialog.get_by_label("Company")).to_have_value("typed already")
    shot(page, "withdrawn")
    assert violations(page) == []
