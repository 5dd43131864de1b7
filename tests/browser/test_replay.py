"""A replay in a real browser with a real worker: the panel, a changed input, the effect, the new run and what differs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from playwright.sync_api import Page, expect

from executions.models import Execution, Notification
from tests.factories import make_record
from workflows.services import import_workflow

AXE = Path(settings.BASE_DIR, "tests/vendor/axe.min.js")
LETTERS = """
director: 1
name: Letters
steps:
  - alias: each_letter
    type: iterate
    config: {over_records: "letter_*"}
    body:
      - {alias: score, type: set, name: Score the letter, config: {value: "{{ current.amount * 2 }}"}, store_to_record: true}
      - {alias: tell, type: notify, name: Tell Olivia, config: {to: olivia, title: "{{ score }} points"}}
      - {alias: note, type: write_file, name: Note it, config: {path: "{{ current.ledger }}", rows: [{points: "{{ score }}"}]}}
"""


def violations(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())  # a script tag would be refused by the page's own policy
    found = page.evaluate("async () => (await axe.run({runOnly: ['wcag2a', 'wcag2aa']})).violations")
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]


def test_a_failed_record_is_replayed_with_another_input_and_seen_beside_the_original(
    page: Page, owner: Any, worker: Callable[[], Any], beat: Any
):
    worker()
    workflow = import_workflow(LETTERS, owner=owner).workflow
    for number, ledger in ((1, "letters.csv"), (2, "/etc/letters.csv")):
        fields = {"amount": number * 6, "ledger": ledger}
        make_record(workflow, record_id=f"letter_{number}", record_type="letter", fields=fields)
    page.goto(f"/workflows/{workflow.slug}/")
    page.get_by_role("button", name="Run Letters").click()
    expect(page.locator("#exec-status")).to_have_text("Completed", timeout=20_000)
    original = Execution.objects.get()

    page.keyboard.press("Shift+R")
    panel = page.get_by_role("dialog")
    expect(panel.get_by_label("Start")).to_be_focused()
    expect(panel.locator("#replay-effect")).to_contain_text("2 records, up to 3 steps will run. Nothing is reused.")
    expect(panel.locator("#replay-effect")).to_contain_text("tell runs 2 more times")
    assert violations(page) == []

    panel.get_by_label("Start").select_option("note")
    panel.get_by_label("Records", exact=True).select_option("failed")
    expect(panel.locator("#replay-effect")).to_contain_text("note runs at most 1 time")
    expect(panel.locator("#replay-effect")).not_to_contain_text("tell")
    panel.get_by_role("button", name="Change a step").click()
    editor = panel.get_by_label("Input of note as JSON")
    editor.fill("{")
    expect(panel.locator(".change .tf-err")).to_contain_text("is not JSON")
    editor.fill("{}")
    panel.get_by_role("button", name="path", exact=True).click()
    page.keyboard.type('"mended.csv"')
    expect(editor).to_have_value('{\n  "path": "mended.csv"\n}')
    expect(panel.locator(".change .tf-out")).to_contain_text("Changes path")
    assert violations(page) == []
    panel.get_by_role("button", name="Replay 1 record").click()

    expect(page.get_by_role("status").filter(has_text=f"replays #{original.number}")).to_be_visible()
    expect(page.locator("#exec-status")).to_have_text("Completed", timeout=20_000)
    again = Execution.objects.get(replay_of=original)
    assert page.url.endswith(f"/executions/{again.number}/")
    assert Notification.objects.filter(user=owner).count() == 2, "nobody was told once more"
    page.locator("#exec-replays").get_by_role("link", name=f"Compare with #{original.number}").click()
    expect(page.locator("#compare-counts")).to_contain_text("1 record differs")
    expect(page.locator("#compare-rows")).to_contain_text("cannot be written")
    assert violations(page) == []
    page.get_by_role("link", name="Side by side").last.click()
    page.locator("#step-comparison").get_by_role("link", name="Input").click()
    expect(page.locator("#step-comparison .del")).to_contain_text("/etc/letters.csv")
    expect(page.locator("#step-comparison .add")).to_contain_text("mended.csv")
    expect(page.locator("#replay-effect")).to_contain_text("1 record, up to 1 step will run.")
    page.keyboard.press("Shift+R")
    expect(page.get_by_label("Start")).to_be_focused()
    assert violations(page) == []


def test_many_records_are_asked_about_and_the_dialog_can_be_left(
    page: Page, owner: Any, worker: Callable[[], Any], beat: Any
):
    worker()
    workflow = import_workflow(LETTERS, owner=owner).workflow
    for number in range(1, 31):
        make_record(
            workflow,
            record_id=f"letter_{number:02}",
            record_type="letter",
            fields={"amount": 2, "ledger": "letters.csv"},
        )
    page.goto(f"/workflows/{workflow.slug}/")
    page.get_by_role("button", name="Run Letters").click()
    expect(page.locator("#exec-status")).to_have_text("Completed", timeout=20_000)
    page.keyboard.press("Shift+R")

    page.get_by_role("button", name="Replay 30 records…").click()
    asked = page.locator("#replay-ask")
    expect(asked).to_contain_text("tell runs 30 more times")
    expect(asked.get_by_role("button", name="Leave them")).to_be_focused()
    page.keyboard.press("Enter")
    expect(asked).to_be_hidden()
    assert Execution.objects.count() == 1
    page.get_by_label("Dry run").check()
    expect(page.locator("#replay-effect")).to_contain_text("Nothing is written and nothing sent")
    page.get_by_role("button", name="Dry run 30 records…").click()
    asked.get_by_role("button", name="Dry run 30 records", exact=True).click()

    expect(page.locator("#exec-replays")).to_contain_text("Every call had its recording.", timeout=20_000)
    assert Notification.objects.filter(user=owner).count() == 30
