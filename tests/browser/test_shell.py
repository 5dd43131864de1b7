"""What every page does in a real browser: sign-in, keys, themes, accessibility, and when things go away."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.factories import keep_counts, make_execution, make_frame, make_journal_row, make_record
from tests.pages.conftest import INVOICES, make_invoice, walk
from workflows.models import Workflow
from workflows.services import import_workflow

AXE = Path(settings.BASE_DIR, "tests/vendor/axe.min.js")


@pytest.fixture
def paths(owner: Any) -> dict[str, str]:
    """The main pages, with something on each."""
    workflow = import_workflow(INVOICES, owner=owner).workflow
    execution = make_execution(workflow, started_by=owner, labels={"client": "acme"})
    complete = make_invoice(workflow, 1, status="complete", vars={"supplier": "Kestrel Print"})
    failed = make_invoice(workflow, 3, status="failed", error_message="Invoice of invoice_003 is over the limit")
    walk(execution, complete, ends="complete")
    walk(execution, make_invoice(workflow, 2, status="waiting"), ends="waiting")
    make_frame(execution, make_invoice(workflow, 4, status="processing"), alias="each_invoice", status="running")
    step = walk(execution, failed, ends="failed")
    keep_counts(execution)
    return {
        "home": "/",
        "workflows": "/workflows/",
        "workflow": f"/workflows/{workflow.slug}/?step=large",
        "executions": "/executions/",
        "monitor": f"/executions/{execution.number}/",
        "log": f"/executions/{execution.number}/?view=log",
        "step": f"/executions/{execution.number}/steps/{step.pk}/",
        "records": "/records/?status=failed",
        "record": f"/records/{failed.pk}/",
    }


def violations(page: Page) -> list[str]:
    """What axe finds against the A and AA rules. It is evaluated, because the page's policy allows no added script."""
    page.evaluate(AXE.read_text())
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_breaks_the_accessibility_rules(page: Page, paths: dict[str, str], server: Any, theme: str):
    page.context.add_cookies([{"name": "theme", "value": theme, "url": server.url}])
    page.emulate_media(reduced_motion="reduce")

    found = {}
    for name, path in paths.items():
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
        found[name] = violations(page)
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    found["sign-in"] = violations(page)

    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_no_page_is_wider_than_a_phone(page: Page, paths: dict[str, str]):
    page.set_viewport_size({"width": 390, "height": 844})

    for name, path in paths.items():
        page.goto(path)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{name} is {wider} px too wide"
    page.get_by_role("button", name="More").click()
    expect(page.get_by_role("dialog", name="More")).to_be_visible()


def test_signing_in_leads_to_where_one_wanted_to_go(browser_page: Page, owner: Any):
    browser_page.goto("/records/")
    browser_page.get_by_label("User name").fill("olivia")
    browser_page.get_by_label("Password", exact=True).fill("wrong")
    browser_page.keyboard.press("Enter")
    expect(browser_page.get_by_role("alert")).to_contain_text("do not match")
    browser_page.get_by_label("Password", exact=True).fill("correct horse")
    browser_page.get_by_role("button", name="Show password").click()
    expect(browser_page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    browser_page.get_by_role("button", name="Sign in").click()

    expect(browser_page.get_by_role("heading", name="Records", exact=True)).to_be_visible()


def test_everything_can_be_reached_by_keys(page: Page, paths: dict[str, str]):
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()

    page.keyboard.press("Control+k")
    page.keyboard.type("invoice_00")
    options = page.get_by_role("option")
    expect(options.first).to_contain_text("invoice_001")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="invoice_002")).to_be_visible()

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Records", exact=True)).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("[data-search]").first).to_be_focused()
    page.locator("[data-search]").first.blur()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("[data-rows] tbody tr").first).to_have_attribute("aria-current", "true")
    page.keyboard.press("Enter")
    expect(page.locator("#rec-story")).to_be_visible()


def test_single_letters_can_be_switched_off(page: Page, paths: dict[str, str]):
    page.goto("/")
    page.keyboard.press("?")
    page.get_by_label("Single-letter shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.keyboard.press("?")

    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    assert page.url.endswith("/")


def test_the_theme_stays_chosen(page: Page, paths: dict[str, str]):
    page.goto("/")
    page.get_by_role("button", name="Dark theme").first.click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.goto("/records/")

    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_without_a_socket_the_page_says_so_and_asks_by_itself(page: Page, paths: dict[str, str]):
    sockets: list[WebSocketRoute] = []
    page.route_web_socket("**/ws/live/**", lambda socket: socket.close() if sockets else sockets.append(socket))
    page.clock.install()
    page.goto(paths["monitor"])
    expect(page.locator("#live-dot")).to_have_text("Live")

    sockets[0].close()
    page.clock.run_for(6_000)
    expect(page.locator("#live-notice")).to_contain_text("Live updates stopped.")
    expect(page.locator("#live-dot")).to_have_text("Not live")
    with page.expect_request("**/live/**"):
        page.clock.run_for(6_000)
    page.unroute_all()


def test_an_event_changes_only_what_it_names_and_nothing_that_is_in_use(page: Page, paths: dict[str, str], owner: Any):
    workflow = Workflow.objects.get()
    execution = workflow.executions.get()
    sockets: list[WebSocketRoute] = []
    page.route_web_socket("**/ws/live/**", lambda socket: sockets.append(socket))
    page.goto(paths["monitor"])
    page.locator("#exec-q").fill("inv")
    expect(page).to_have_url(re.compile(r"\?q=inv"))
    expect(page.locator("#exec-records tbody tr")).to_have_count(4)
    page.locator("#exec-q").focus()
    order = page.locator("#exec-records tbody tr").evaluate_all("rows => rows.map(row => row.id)")

    frame = execution.frames.get(status="running")
    make_journal_row(frame, "book")
    frame.status, frame.finished_at = "complete", frame.started_at
    frame.save()
    make_frame(execution, make_record(workflow, record_id="invoice_900"), alias="each_invoice", status="ready")
    keep_counts(execution)
    event = {"type": "execution.changed", "execution": execution.number, "status": "running", "records": []}
    sockets[0].send(json.dumps(event))

    row = page.locator(f"#rec-{frame.pk}")
    expect(row).to_contain_text("Complete")
    expect(row).to_have_class("flash")
    expect(page.locator("#exec-progress")).to_contain_text("2 complete")
    expect(page.locator("#exec-q")).to_be_focused()
    expect(page.locator("#exec-q")).to_have_value("inv")
    assert page.locator("#exec-records tbody tr").evaluate_all("rows => rows.map(row => row.id)") == order


def test_new_records_do_not_jump_in(page: Page, paths: dict[str, str]):
    workflow = Workflow.objects.get()
    sockets: list[WebSocketRoute] = []
    page.route_web_socket("**/ws/live/**", lambda socket: sockets.append(socket))
    page.goto("/records/")
    expect(page.locator("#rec-table tbody tr")).to_have_count(4)

    make_invoice(workflow, 800)
    sockets[0].send(json.dumps({"type": "records.changed", "workflow": str(workflow.pk), "records": []}))

    expect(page.locator("#live-new")).to_contain_text("1 new record.")
    expect(page.locator("#rec-table tbody tr")).to_have_count(4)
    page.locator("#live-new").get_by_role("link", name="Show").click()
    expect(page.locator("#rec-table tbody tr")).to_have_count(5)


def test_who_was_signed_out_meanwhile_signs_in_where_they_are(page: Page, paths: dict[str, str]):
    page.goto(paths["monitor"])
    Session.objects.all().delete()

    page.locator("#exec-filter").get_by_role("link", name="Failed").dispatch_event("click")
    dialog = page.locator("#signin-dialog")
    dialog.get_by_label("User name").fill("olivia")
    dialog.get_by_label("Password", exact=True).fill("correct horse")
    dialog.get_by_role("button", name="Sign in").click()

    expect(dialog).to_be_hidden()
    expect(page.locator("#exec-records tbody tr")).to_have_count(1)


def test_what_could_not_be_loaded_is_said_where_it_would_be(page: Page, paths: dict[str, str]):
    page.goto(paths["monitor"])
    page.route("**/executions/*/?status=failed", lambda route: route.fulfill(status=502, body="bad gateway"))
    page.locator("#exec-filter").get_by_role("link", name="Failed").click()
    notice = page.locator("#exec-records [data-fetch-failed]")
    expect(notice).to_contain_text("The server answered 502.")

    page.unroute("**/executions/*/?status=failed")
    notice.get_by_role("button", name="Try again").click()

    expect(page.locator("#exec-records tbody tr")).to_have_count(1)
    expect(notice).to_have_count(0)
