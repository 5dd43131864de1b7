"""The shipped samples, run as the demo runs them."""

from collections import Counter
from pathlib import Path

import pytest

from tests.executions.running import outputs, publish, run
from workflows.models import Workflow

SAMPLES = Path(__file__).parents[2] / "samples"

pytestmark = pytest.mark.django_db(transaction=True)


def records(workflow: Workflow, key: str) -> dict[str, dict]:
    """The records' vars with status and error, by one of their fields."""
    return {
        record.data["fields"][key]: {"status": record.status, "error": record.error_message, **record.data["vars"]}
        for record in workflow.records.all()
    }


def test_inbox_triage_sorts_the_mailbox_and_has_nothing_to_do_a_second_time():
    workflow = publish((SAMPLES / "inbox_triage.yaml").read_text())

    first = run(workflow)

    assert first.status == "completed"
    assert outputs(first, "summary") == ["37 new e-mails, 1 known already: 29 sorted, 5 left aside, 3 to look at"]
    emails = records(workflow, "message_id")
    kinds = Counter(email["category"] for email in emails.values() if "category" in email)
    assert kinds == {"lead": 10, "invoice": 8, "support": 7, "other": 5, "newsletter": 3, "auto_reply": 2}
    amounts = [email["amount"] for email in emails.values() if email.get("amount")]
    assert sorted((amount["currency"], amount["value"]) for amount in amounts) == [
        ("EUR", 1102.5),
        ("EUR", 1139.8),
        ("EUR", 2676.4),
        ("EUR", 5725),
        ("GBP", 372),
        ("GBP", 8390),
        ("USD", 114.2),
    ]
    failed = {key: email["error"] for key, email in emails.items() if email["status"] == "failed"}
    assert "names no amount. Ask kontakt@schreinerei-falk.example" in failed.pop(
        "montage-rathaus@schreinerei-falk.example"
    )
    assert "has no text; attached: scan0113.tif." in failed.pop("scan-0113@scanner.harbourpine.example")
    assert "current.recipients[0]" in failed.pop("x9x9x9@megadeal-lights.example")
    assert not failed

    second = run(workflow)

    assert outputs(second, "summary") == ["0 new e-mails, 38 known already: 0 sorted, 0 left aside, 0 to look at"]
    assert [problem["position"].split(" (")[0] for problem in outputs(second, "inbox")[0]["problems"]] == [
        "message 17 of inbox.mbox",
        "message 31 of inbox.mbox",
    ]


def test_lead_scoring_grades_the_leads_and_names_the_rows_it_could_not_read():
    workflow = publish((SAMPLES / "lead_scoring.yaml").read_text())

    execution = run(workflow)

    assert outputs(execution, "summary") == ["28 new leads, 0 known already: 26 scored, 2 to look at"]
    assert [problem["position"] for problem in outputs(execution, "leads")[0]["problems"]] == [
        "row 25 of leads.csv (line 26)",
        "row 29 of leads.csv (line 30)",
    ]
    leads = records(workflow, "id")
    assert leads["1006"]["next_step"] == "Call Jonathan Whitlock today about boardroom table, side units"
    assert Counter(lead["grade"] for lead in leads.values() if "grade" in lead) == {"A": 10, "B": 7, "C": 9}
    assert leads["1013"]["error"] == "Nordkontor AB has no e-mail address. Ask Elsa Lund and retry."
    assert "`about 90`" in leads["1021"]["error"]
