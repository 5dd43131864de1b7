"""Following a run from a terminal: a progress bar, then the outcome per record as a table."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from executions.models import Execution, ExecutionFrame
from executions.queries.progress import Progress as RunProgress
from executions.queries.progress import progress
from executions.states import EXECUTION_TERMINAL
from records.secrets import Secrets, secrets_of
from workflows.expressions.values import to_text

INTERVAL_SECONDS = 0.1
STYLES = {"complete": "green", "failed": "bold red", "waiting": "yellow", "skipped": "dim", "cancelled": "dim"}
TABLE_ROWS = 200  # a table for reading; beyond it the pages are better


def watch(execution: Execution, console: Console) -> Execution:
    """Show the run's progress until it is over or waits for a person or a time; return it as it then is."""
    told = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[counts]}"))
    with Progress(*told, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task(f"#{execution.number} queued", total=None, counts="")
        for state in _states(execution):
            counts = ", ".join(f"{count} {name}" for name, count in state.records.items() if count)
            label = f"#{execution.number} {execution.status}"
            bar.update(task, description=label, total=state.total or None, completed=state.done, counts=counts)
    return execution


def _states(execution: Execution) -> Iterator[RunProgress]:
    while True:
        execution.refresh_from_db()
        yield progress(execution)
        if execution.status in EXECUTION_TERMINAL or execution.status in ("waiting", "paused"):
            return
        time.sleep(INTERVAL_SECONDS)


def outcome_table(execution: Execution) -> Table:
    """Return the records of the run with their status, where they stand and what went wrong; at most TABLE_ROWS."""
    table = Table("Record", "Status", "At step", "What happened")
    frames = ExecutionFrame.objects.filter(execution=execution, parent__isnull=False).select_related("record")
    secrets = secrets_of(execution.workflow_id, execution.trigger_data)
    for frame in frames.order_by("id")[:TABLE_ROWS]:
        name = frame.record.record_id if frame.record else "(deleted)"
        cells = (
            Text(frame.status, STYLES.get(frame.status, "blue")),
            frame.at_step or "-",
            Text(_happened(frame, secrets)),
        )
        table.add_row(Text(name), *cells)  # Text: brackets in what people wrote are no mark-up
    return table


def _happened(frame: ExecutionFrame, secrets: Secrets) -> str:
    if frame.error:
        return str(secrets.hide(frame.error["message"]))
    data = frame.record.data if frame.record else {}
    found = secrets.among(data).hide(data.get("vars", {}))
    return ", ".join(f"{key} {to_text(value)}" for key, value in found.items())[:120]


def counts_add_up(execution: Execution) -> bool:
    """Whether every record that went in came out in a terminal state (the database holds it too, see the CHECK)."""
    done = execution.records_complete + execution.records_failed
    left = execution.records_skipped + execution.records_cancelled
    return execution.status == "completed" and execution.records_total == done + left


def summary(execution: Execution) -> str:
    """Return the counts of a finished run as one sentence."""
    if not execution.records_total:
        return f"#{execution.number} {execution.status}{': nothing to process' if not execution.error else ''}."
    return (
        f"#{execution.number} {execution.status}: {execution.records_total} records in, "
        f"{execution.records_complete} complete, {execution.records_failed} failed, "
        f"{execution.records_skipped} skipped, {execution.records_cancelled} cancelled."
    )
