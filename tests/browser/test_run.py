"""The way of a person through a run, in a real browser with a real worker: start, watch, open what failed, retry."""

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
variables: {limit: 8000, pause: 2}
steps:
  - alias: each_invoice
    type: iterate
    name: For each invoice
    config: {over_records: "invoice_*", concurrency: 4}
    body:
      - {alias: settle, type: delay, name: Let it settle, config: {duration: "{{ pause }}s"}}
      - alias: check
        type: set
        name: Check the amount
        config: {value: "{{ current.amount / limit }}"}
        store_to_record: true
        as: share
"""


OPEN = re.compile("Running|Waiting")


def invoices(owner: Any, *, amounts: tuple[Any, ...], pause_seconds: int = 2) -> Workflow:
    document = INVOICES.replace("pause: 2", f"pause: {pause_seconds}")
    workflow = import_workflow(document, owner=owner).workflow
    for number, amount in enumerate(amounts, start=1):
        make_record(workflow, record_id=f"invoice_{number:03}", record_type="invoice", fields={"amount": amount})
    return workflow


def test_a_run_is_started_and_its_records_change_before_ones_eyes(
    page: Page, owner: Any, worker: Callable[[], Any], beat: Any
):
    worker()
    workflow = invoices(owner, amounts=(100, 200, "unknown", 400))

    page.goto("/workflows/")
    page.get_by_role("link", name="Supplier invoices").click()
    expect(page.get_by_text("Never run", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Run Supplier invoices").click()

    expect(page.locator("#exec-status")).to_have_text(OPEN)
    page.evaluate("window.sameDocument = true")
    expect(page.locator("#live-dot")).to_have_text("Live")
    rows = page.locator("#exec-records tbody tr")
    expect(rows).to_have_count(4)
    order = rows.all_inner_texts()
    expect(page.locator("#exec-status")).to_have_text("Completed", timeout=20_000)
    expect(page.locator("#exec-progress")).to_contain_text("3 complete")
    expect(page.locator("#exec-progress")).to_contain_text("1 failed")
    expect(page.locator("#step-check .ct.failed")).to_contain_text("1")
    expect(page.locator("#live-region")).to_contain_text("is completed: 3 complete, 1 failed")
    assert page.evaluate("window.sameDocument") is True
    shown = [text.split()[0] for text in rows.all_inner_texts()]
    assert shown == [text.split()[0] for text in order]  # rows change in place, they do not move
    assert workflow.executions.count() == 1


def test_a_failed_record_is_opened_and_retried(page: Page, owner: Any, worker: Callable[[], Any], beat: Any):
    worker()
    workflow = invoices(owner, amounts=("unknown",))
    page.goto(f"/workflows/{workflow.slug}/")
    page.get_by_role("button", name="Run Supplier invoices").click()
    expect(page.locator("#exec-status")).to_have_text("Completed", timeout=20_000)

    page.locator("#exec-filter").get_by_role("link", name="Failed 1").click()
    expect(page).to_have_url(re.compile(r"\?status=failed$"))
    page.locator("#exec-records").get_by_role("link", name="invoice_001").click()
    expect(page.locator("#rec-status")).to_have_text("Failed at check")
    expect(page.locator("#rec-story")).to_contain_text("Check the amount")

    record = WorkflowRecord.objects.get(workflow=workflow)
    record.data["fields"]["amount"] = 4000
    record.save(update_fields=["data"])
    page.get_by_role("button", name="Retry check").click()
    expect(page.get_by_role("status").filter(has_text="invoice_001 is being retried")).to_be_visible()
    page.evaluate("window.sameDocument = true")

    expect(page.locator("#rec-status")).to_have_text("Complete", timeout=20_000)
    expect(page.locator("#rec-data")).to_contain_text("0.5")
    expect(page.get_by_role("button", name="Retry check")).to_have_count(0)
    assert page.evaluate("window.sameDocument") is True


def test_a_run_is_paused_resumed_and_cancelled(page: Page, owner: Any, worker: Callable[[], Any], beat: Any):
    worker()
    workflow = invoices(owner, amounts=(1, 2, 3), pause_seconds=60)
    page.goto(f"/workflows/{workflow.slug}/")
    page.get_by_role("button", name="Run Supplier invoices").click()
    expect(page.locator("#exec-status")).to_have_text(OPEN)

    page.keyboard.press("p")
    expect(page.locator("#exec-status")).to_have_text("Paused", timeout=20_000)
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#exec-status")).to_have_text(OPEN)
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("will not be walked to their end")
    expect(dialog.get_by_role("button", name="Let it run")).to_be_focused()
    dialog.get_by_role("button", name="Cancel the execution").click()

    expect(page.locator("#exec-status")).to_have_text("Cancelled", timeout=20_000)
    assert workflow.records.filter(status="discovered").count() == 3
