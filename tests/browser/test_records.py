"""Records in a real browser: filter, select all that match, skip them, see it told; edit a value and look back."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from playwright.sync_api import Page, expect

from records.models import ChangeSource, WorkflowRecord
from records.patches import set_at
from records.services import WorkflowData
from tests.factories import make_workflow

AXE = Path(settings.BASE_DIR, "tests/vendor/axe.min.js")


@pytest.fixture
def archive(owner: Any) -> WorkflowData:
    """Ninety e-mails of which sixty failed."""
    data = WorkflowData(make_workflow(owner, name="Inbox", slug="inbox"), owner, source=ChangeSource.PAGE)
    data.records.create_many("email", [{"subject": f"Offer {number}", "amount": number} for number in range(90)])
    failed = [record.pk for record in data.records.iterate() if record.data["fields"]["amount"] < 60]
    WorkflowRecord.objects.filter(pk__in=failed).update(status="failed", error_message="HTTP 429")
    return data


def create(archive: WorkflowData, name: str) -> None:
    """Make a record; in a thread of its own, since Playwright's is busy with an event loop and pages are told by one."""
    archive.records.create("email", {"subject": "New"}, record_id=name)
    connection.close()


def test_all_that_match_are_skipped_and_the_toast_leads_to_them(
    page: Page, archive: WorkflowData, worker: Callable[[], Any]
):
    worker()
    page.goto("/records/?status=failed")
    page.locator("body").press("/")
    page.keyboard.type("offer")
    expect(page).to_have_url(re.compile("q=offer"))
    page.locator("summary", has_text="Field").click()
    page.get_by_label("Field", exact=True).fill("fields.amount")
    page.get_by_label("Comparison").select_option("ge")
    page.get_by_label("Value").fill("5")
    page.get_by_role("button", name="Add filter").click()
    expect(page.locator("tr[id^=record-]")).to_have_count(50)

    page.locator("body").press("j")
    page.locator("body").press("x")
    expect(page.locator("#bulkbar")).to_contain_text("1 selected on this page.")
    page.get_by_label("Select this page").check()
    page.get_by_role("button", name="Select all that match").click()
    expect(page.locator("#bulkbar")).to_contain_text("All that match are selected.")
    page.get_by_role("button", name="Skip…").click()
    expect(page.locator("#bulk-dialog")).to_contain_text("Skip 55 records?")
    page.locator("#bulk-yes").click()

    toast = page.locator(".toastx", has_text="55 records are skipped")
    expect(toast).to_be_visible()
    expect(page.locator("#rec-table")).to_contain_text("No record matches")
    toast.get_by_role("link", name="View").click()
    expect(page.locator("#bulk-live")).to_contain_text("55 of 55")
    expect(page.locator("#bulk-outcomes tbody tr")).to_have_count(50)
    assert WorkflowRecord.objects.filter(status="skipped").count() == 55


def test_a_row_is_acted_on_by_keyboard_and_new_records_wait_to_be_shown(
    page: Page, archive: WorkflowData, worker: Callable[[], Any]
):
    worker()
    page.goto("/records/?status=failed&order=record_id")
    expect(page.locator("[data-live-dot]").first).to_have_text("Live")
    row = page.locator("tbody tr").first
    name = row.locator(".row-link").inner_text()

    row.locator("summary").press("Enter")
    expect(row.get_by_role("button", name="Skip")).to_be_visible()
    page.keyboard.press("Escape")
    expect(row.locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    row.get_by_role("button", name="Skip").press("Enter")
    expect(page.locator(".toastx", has_text="1 record is skipped")).to_be_visible()
    expect(page.locator("#rec-table")).not_to_contain_text(name)

    page.goto("/records/")
    expect(page.locator("[data-live-dot]").first).to_have_text("Live")
    with ThreadPoolExecutor(1) as another:
        another.submit(create, archive, "new_1").result()
    page.locator("#live-new", has_text="1 new record.").get_by_role("link", name="Show").click()
    expect(page.locator("tbody tr").first).to_contain_text("new_1")


def test_a_value_is_edited_where_it_stands_and_the_record_seen_as_it_was(page: Page, archive: WorkflowData):
    record = archive.records.query(order="record_id").rows[0]
    archive.records.patch(record.record_id, [set_at(("vars", "category"), "lead")])
    page.goto(f"/records/{record.pk}/")

    page.get_by_role("link", name="Edit vars.category").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="vars.category")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("invoice")
    page.locator("#edit-reason").fill("it has a total")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".toastx")).to_contain_text("vars.category is set")
    expect(page.locator("#rec-story")).to_contain_text("“it has a total”")
    expect(page.get_by_role("link", name="Edit vars.category")).to_be_focused()

    page.get_by_role("link", name="Edit vars.category").press("Enter")
    page.locator("#edit-kind").select_option("number")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("is no number")
    page.keyboard.press("Escape")
    expect(page.locator("#edit-form")).to_have_count(0)

    category = page.locator("[id='node-vars.category']")
    page.get_by_label("As of").press("ArrowLeft")
    expect(category).to_contain_text("lead")
    expect(page).to_have_url(re.compile("point=1"))
    page.get_by_label("As of").press("Home")
    expect(category).to_have_count(0)
    page.get_by_label("As of").press("End")
    expect(category).to_contain_text("invoice")
    expect(page).not_to_have_url(re.compile("point="))


def test_what_another_changes_meanwhile_is_shown_before_it_is_saved_over(page: Page, archive: WorkflowData):
    record = archive.records.query(order="record_id").rows[0]
    archive.records.patch(record.record_id, [set_at(("vars", "category"), "lead")])
    page.goto(f"/records/{record.pk}/?edit=vars.category")

    page.get_by_role("textbox", name="vars.category").fill("spam")
    archive.records.patch(record.record_id, [set_at(("vars", "category"), "newsletter")])
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("alert")).to_contain_text("It was changed meanwhile")
    expect(page.get_by_role("alert")).to_contain_text("newsletter")
    page.get_by_role("button", name="Save over it").click()
    expect(page.locator("[id='node-vars.category']")).to_contain_text("spam")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_pages_have_no_accessibility_faults_and_fit(
    page: Page, archive: WorkflowData, server: Any, theme: str, width: int
):
    archive.variables.set("min_confidence", 0.8, schema={"type": "number"})
    archive.variables.set("api_key", "sk-1234567")
    record = archive.records.query(order="record_id").rows[0]
    archive.records.patch(
        record.record_id, [set_at(("vars", "lead"), {"company": "Nordwerk", "lines": [1, {"a": None}]})]
    )
    page.context.add_cookies([{"name": "theme", "value": theme, "url": server.url}])
    page.set_viewport_size({"width": width, "height": 900})

    for path in (
        "/records/?status=failed&where=fields.amount+ge+5",
        f"/records/{record.pk}/?edit=vars.lead.company",
        f"/records/{record.pk}/?point=0",
        "/records/import/?workflow=inbox",
        "/variables/?scope=inbox&key=api_key",
        "/variables/?scope=inbox&history=1",
    ):
        page.goto(path)
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
        faults = [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found["violations"]]
        assert not faults, f"{path}: {json.dumps(faults, indent=1)}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
