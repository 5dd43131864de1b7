"""A workflow with one run of three records (complete, waiting, failed), and those who look at it."""

from dataclasses import dataclass

import pytest
from django.test import Client
from django.utils import timezone

from executions.models import Execution, ExecutionStep
from records.models import WorkflowRecord
from tests.factories import keep_counts, make_execution, make_frame, make_journal_row, make_record, make_user
from workflows.models import Workflow
from workflows.services import import_workflow

INVOICES = """
director: 1
name: Supplier invoices
description: Read, match with the order, book
steps:
  - {alias: inbox, type: set, config: {value: 3}}
  - alias: each_invoice
    type: iterate
    name: For each invoice
    config: {over_records: "invoice_*", concurrency: 4}
    body:
      - {alias: supplier, type: set, config: {value: "{{ current.supplier }}"}, store_to_record: true, as: supplier}
      - alias: large
        type: condition
        branches:
          - if: "{{ current.amount > 5000 }}"
            steps:
              - {alias: refuse, type: fail, config: {message: "over the limit"}}
          - else:
            steps:
              - {alias: book, type: set, config: {value: 4400}, store_to_record: true, as: targets.ledger}
  - {alias: summary, type: set, config: {value: "{{ each_invoice.processed }} booked"}}
"""


@dataclass
class World:
    """The rows, and a client for each persona: owner, team-mate, stranger, nobody (not signed in)."""

    workflow: Workflow
    execution: Execution
    complete: WorkflowRecord
    waiting: WorkflowRecord
    failed: WorkflowRecord
    failed_step: ExecutionStep
    owner: Client
    mate: Client
    stranger: Client
    nobody: Client


def client_of(user: object) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make_invoice(workflow: Workflow, number: int, **over: object) -> WorkflowRecord:
    fields = {
        "subject": f"Invoice {20000 + number} from Kestrel Print",
        "supplier": "Kestrel Print",
        "api_key": "s3cret",
    }
    return make_record(workflow, record_id=f"invoice_{number:03}", record_type="invoice", fields=fields, **over)


def walk(execution: Execution, record: WorkflowRecord, *, ends: str) -> ExecutionStep:
    """Add the frame and journal rows of a record that came to this end; return the last row."""
    error = {"code": "step_failed", "message": f"Invoice of {record.record_id} is over the limit", "step": "refuse"}
    at_step = {"failed": "refuse", "waiting": "book"}.get(ends, "")
    waits = {"waiting_for": "retry"} if ends == "waiting" else {}
    frame = make_frame(
        execution,
        record,
        alias="each_invoice",
        status=ends,
        at_step=at_step,
        error=error if ends == "failed" else None,
        **waits,
    )
    make_journal_row(frame, "supplier", output="Kestrel Print", input={"value": "Kestrel Print", "token": "s3cret"})
    branch = "0" if ends == "failed" else "1"
    make_journal_row(frame, "large", output={"branch": None, "index": int(branch), "key": branch})
    if ends == "failed":
        last = make_journal_row(frame, "refuse", status="failed", output=None, error=error)
    else:
        last = make_journal_row(frame, "book", output=4400)
    if ends != "waiting":
        frame.finished_at = timezone.now()
        frame.save(update_fields=["finished_at"])
    return last


@pytest.fixture
def world(db: None) -> World:
    owner = make_user("olivia", first_name="Olivia", last_name="Owen")
    mate, stranger = make_user("tom"), make_user("steve")
    workflow = import_workflow(INVOICES, owner=owner).workflow
    workflow.collaborators.add(mate)
    execution = make_execution(workflow, started_by=owner, labels={"client": "acme"})
    complete = make_invoice(workflow, 1, status="complete", vars={"supplier": "Kestrel Print"})
    waiting = make_invoice(workflow, 2, status="waiting")
    failed = make_invoice(workflow, 3, status="failed", error_message="Invoice of invoice_003 is over the limit")
    walk(execution, complete, ends="complete")
    walk(execution, waiting, ends="waiting")
    failed_step = walk(execution, failed, ends="failed")
    keep_counts(execution)
    clients = [client_of(user) for user in (owner, mate, stranger)]
    return World(workflow, execution, complete, waiting, failed, failed_step, *clients, Client())
