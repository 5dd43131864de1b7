"""The inbox in a real browser with real processes: a prompt arrives, is answered by keyboard, its record goes on."""

import os
import re
import time
from pathlib import Path

from playwright.sync_api import Page, expect

from executions.models import HumanPrompt
from executions.services import start_execution
from records.models import WorkflowRecord
from tests.executions.prompting import lead, person
from tests.executions.running import email, publish
from tests.rig.browser import sign_in
from tests.rig.waiting import wait_for

AXE = Path(__file__).parent.parent / "vendor/axe.min.js"
CONTEXT = """context:
  - {label: Mail, value: "Hello,\\n\\nwe run a small freight office in Valencia.\\nWhat would it cost?\\n\\nSara"}
  - {label: Seats said, value: "around 15"}
  - {label: Their site, url: "https://kestrel.example"}
confidence: {company: 0.97}
timeout: 20m
on_timeout: {branch: reject}"""
GOES_ON_SECONDS = 1.0


def violations(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())  # a script tag would be refused by the page's own policy
    found = page.evaluate("async () => (await axe.run({runOnly: ['wcag2a', 'wcag2aa']})).violations")
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]


def shot(page: Page, name: str) -> None:
    """Keep a picture where one is asked for, to be looked at."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


def test_a_prompt_arrives_is_answered_by_keyboard_and_its_record_goes_on(browser_page: Page, server, worker, beat):
    page, owner = browser_page, person("owner")
    sign_in(page, server.url, owner)
    worker()
    workflow = publish(lead(CONTEXT, message="confidence 0.64 is below 0.80"))
    for number in (1, 2):
        email(workflow, number, company=f"Kestrel {number}")
    page.goto("/prompts/")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    expect(page.locator("#live-dot")).to_have_text("Live")

    start_execution(workflow, trigger_type="manual", user=owner)

    expect(page.get_by_text("2 new prompts.")).to_be_visible()
    expect(page.locator("#nav-count-prompts")).to_contain_text("2")
    page.get_by_role("link", name="Show").click()
    page.wait_for_load_state()  # its scripts have run
    expect(page.locator(".prompt-list > li")).to_have_count(2)
    shot(page, "inbox")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Company")).to_have_value(re.compile("Kestrel"))
    expect(dialog.get_by_label("Company")).to_be_focused()
    expect(dialog.get_by_label("Contract")).to_be_hidden()
    shot(page, "dialog")
    assert violations(page) == []

    dialog.get_by_text("enterprise").click()
    expect(dialog.get_by_label("Contract")).to_be_visible()
    expect(dialog.locator("[data-field=contract]").get_by_text("optional", exact=True)).to_be_hidden()
    page.keyboard.press("Control+Enter")
    expect(dialog.get_by_text("An answer is needed here.")).to_be_visible()
    expect(dialog.get_by_label("Contract")).to_be_focused()
    shot(page, "errors")
    page.keyboard.type("C-1")
    title = dialog.locator(".prompt-h .mono").inner_text()
    sent = time.monotonic()
    page.keyboard.press("Control+Enter")
    wait_for(lambda: WorkflowRecord.objects.get(workflow=workflow, record_id=title).status == "complete")
    assert time.monotonic() - sent < GOES_ON_SECONDS + 1, "the answer nudges; the page's own way is counted in"
    expect(dialog.locator(".prompt-h .mono")).not_to_have_text(title)

    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(re.compile(r"/prompts/$"))
    expect(page.locator(".prompt-list > li.is-done")).to_contain_text("Approve")
    expect(page.locator("#nav-count-prompts")).to_contain_text("1", timeout=15_000)
    assert violations(page) == []

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".bulkbar")).to_contain_text("1 selected")
    shot(page, "selected")
    page.locator("[data-alike-answer]").click()
    expect(dialog.get_by_text("Answer 1 alike")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(dialog.get_by_text("A decision is missing.")).to_be_visible()
    expect(dialog.get_by_role("radio", name="Approve")).to_be_focused()
    shot(page, "undecided")
    page.keyboard.press("Escape")
    number = HumanPrompt.objects.filter(status="open").get().execution.number
    page.goto(f"/executions/{number}/")
    expect(page.get_by_text("1 record waits for a person.")).to_be_visible()
    page.locator("#exec-prompts").get_by_role("link", name="Answer").click()
    expect(dialog.get_by_label("Company")).to_be_visible()
    shot(page, "run")
    for theme, width in (("dark", 1440), ("light", 390)):
        page.context.add_cookies([{"name": "theme", "value": theme, "url": server.url}])
        page.set_viewport_size({"width": width, "height": 900 if width > 400 else 1100})
        page.goto(f"/prompts/{HumanPrompt.objects.get(status='open').pk}/")
        expect(dialog.get_by_label("Company")).to_be_visible()
        shot(page, f"dialog-{theme}-{width}")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dialog.get_by_role("radio", name="Reject").click()
    dialog.get_by_role("button", name="Send").click()
    expect(dialog).to_be_hidden()
    shot(page, "inbox-phone")
    wait_for(lambda: WorkflowRecord.objects.filter(workflow=workflow, status="complete").count() == 2)
