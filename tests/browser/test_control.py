"""A person holds a run back, changes it and lets it go on, in a real browser with a real worker, the page never reloaded."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from records.models import WorkflowRecord
from tests.factories import make_record
from workflows.models import Workflow
from workflows.services import import_workflow

INVOICES = """
director: 1
name: Supplier invoices
steps:
  - alias: each_invoice
    type: iterate
    name: For each invoice
    config: {over_records: invoice}
    body:
      - {alias: settle, type: delay, name: Let it settle, config: {duration: "{{ current.wait }}s"}}
      - {alias: note, type: log_event, name: Note it, config: {level: warning, message: "Books {{ current.amount }}"}}
      - {alias: book, type: set, name: Book it, config: {value: "{{ current.amount }}"}, store_to_record: true, as: booked}
"""
SECONDS = 20_000


def invoices(owner: Any, *, count: int, wait: int) -> Workflow:
    workflow = import_workflow(INVOICES, owner=owner).workflow
    for number in range(1, count + 1):
        fields = {"amount": number * 100, "wait": wait}
        make_record(workflow, record_id=f"invoice_{number:03}", record_type="invoice", fields=fields)
    return workflow


def run(page: Page, workflow: Workflow) -> None:
    page.goto(f"/workflows/{workflow.slug}/")
    page.get_by_role("button", name="Run Supplier invoices").click()
    expect(page.locator("#live-dot")).to_have_text("Live")
    page.evaluate("window.sameDocument = true")


def test_records_stop_before_a_step_are_changed_and_go_on(page: Page, owner: Any, worker: Callable[[], Any], beat: Any):
    worker()
    workflow = invoices(owner, count=3, wait=3)
    run(page, workflow)

    page.locator("#step-book").hover()
    page.get_by_role("button", name="Stop every record before book").click()
    expect(page.locator("#step-book")).to_contain_text("3 are held before it", timeout=SECONDS)
    expect(page.locator("#exec-why")).to_contain_text("3 records are held: Paused by olivia")
    expect(page.locator("#exec-records tbody tr").first).to_contain_text("Paused by olivia before step book.")
    page.get_by_label("More ways to resume").click()
    page.get_by_role("link", name="Resume with changes…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Change a field").click()
    dialog.get_by_label("Record id", exact=True).fill("invoice_002")
    dialog.get_by_label("Path").fill("fields.amount")
    dialog.get_by_label("Type of the value").select_option("number")
    dialog.get_by_label("Value", exact=True).fill("forty")
    dialog.get_by_label("Why").fill("The supplier called.")
    dialog.get_by_role("button", name="Resume", exact=True).click()
    expect(dialog.get_by_text("which is no number")).to_be_visible()
    expect(dialog.get_by_label("Value", exact=True)).to_be_focused()
    dialog.get_by_label("Value", exact=True).fill("40")
    dialog.get_by_role("button", name="Resume", exact=True).click()

    expect(page.locator("#exec-status")).to_have_text("Completed", timeout=SECONDS)
    expect(dialog).to_have_count(0)
    expect(page.locator("#exec-people")).to_contain_text("let the run go on and changed fields of invoice_002")
    expect(page.locator("#exec-people")).to_contain_text("The supplier called.")
    assert page.evaluate("window.sameDocument") is True
    booked = dict(WorkflowRecord.objects.values_list("record_id", "data__vars__booked"))
    assert booked == {"invoice_001": 100, "invoice_002": 40, "invoice_003": 300}


def test_p_pauses_and_resumes_and_a_pause_may_have_a_time_limit(
    page: Page, owner: Any, worker: Callable[[], Any], beat: Any
):
    worker()
    workflow = invoices(owner, count=2, wait=600)
    run(page, workflow)

    page.keyboard.press("p")
    expect(page.locator("#exec-status")).to_have_text("Paused", timeout=SECONDS)
    page.keyboard.press("p")
    expect(page.locator("#exec-status")).to_have_text("Waiting", timeout=SECONDS)
    page.get_by_label("More ways to pause").click()
    page.get_by_role("link", name="Pause a step, records, for some time…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("For at most").fill("3")
    dialog.get_by_label("Then").select_option("Go on")
    dialog.get_by_role("button", name="Pause").click()

    expect(page.locator("#exec-why")).to_contain_text(re.compile(r"Paused by olivia; at .+ it goes on by itself"))
    assert page.evaluate("window.sameDocument") is True


def test_the_log_grows_and_the_waterfall_scrolls_to_any_record(
    page: Page, owner: Any, worker: Callable[[], Any], beat: Any
):
    worker()
    workflow = invoices(owner, count=400, wait=0)
    run(page, workflow)

    page.locator("#exec-timeline").get_by_role("link", name="Log").click()
    page.locator("#exec-timeline").get_by_role("link", name="Warning").click()
    expect(page).to_have_url(re.compile(r"level=warning"))
    expect(page.locator("#exec-timeline")).to_contain_text("Books 40000", timeout=SECONDS)
    expect(page.locator("#exec-status")).to_have_text("Completed", timeout=SECONDS)
    page.locator("#exec-timeline").get_by_role("link", name="Records").click()
    region = page.get_by_role("region", name="Records with their steps as bars")
    expect(region.get_by_text("invoice_001")).to_be_visible()
    assert region.get_by_role("listitem").count() < 40
    region.focus()
    page.keyboard.press("End")
    expect(region.get_by_text("invoice_400")).to_be_visible()
    assert region.get_by_role("listitem").count() < 40
    assert page.evaluate("window.sameDocument") is True
