"""What `manage.py benchmark` measures: N records through three steps, by real worker processes, every step journalled."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection

from director import processes
from director.errors import SetupError
from executions.engine.context import RunContext
from executions.models import Execution, TriggerType
from executions.services import latest_version, start_execution
from executions.states import EXECUTION_TERMINAL
from workflows.definition.compile import compile_plan
from workflows.expressions import RecordView
from workflows.models import Workflow
from workflows.services import import_workflow
from workflows.step_types.base import StepCall

# One record in a hundred has no `priority`: the condition of step 2 raises, the record fails, the others go on.
DEFINITION = """
director: 1
name: Benchmark {run}
steps:
  - alias: each_email
    type: iterate
    config: {{over_records: email}}
    body:
      - alias: headline
        type: set
        config: {{value: "{{{{ (current.sender ~ ': ' ~ current.subject) | upper }}}}"}}
      - alias: urgent
        type: condition
        branches:
          - if: "{{{{ current.priority > 8 }}}}"
            steps: []
          - else:
            steps: []
      - alias: classify
        type: set
        config: {{value: "{{{{ 'investor' if 'fund' in current.subject else 'other' }}}}"}}
        store_to_record: true
        as: classification
"""
STEPS = 3
WORKER_START_SECONDS = 60

# About 350 bytes of data each; ids rise with the order of creation, as those that Director gives (uuid7) do.
INSERT_RECORDS = """
INSERT INTO workflow_records (id, workflow_id, record_id, record_type, data)
SELECT (left(%(workflow)s::text, 24) || lpad(to_hex(n), 12, '0'))::uuid, %(workflow)s,
    'email_' || lpad(n::text, 7, '0'), 'email', jsonb_build_object(
    'fields', jsonb_build_object(
        'sender', 'person' || n || '@example.com', 'subject', 'Question ' || n || ' about the new fund and its terms',
        'message_id', '<' || md5(n::text) || '@mail.example.com>', 'received_at', '2026-11-20T09:14:02+00:00',
        'body', repeat('All the best from the team. ', 4))
        || CASE WHEN n %% 100 = 0 THEN '{}' ELSE jsonb_build_object('priority', n %% 10) END,
    'vars', '{}'::jsonb, 'targets', '{}'::jsonb)
FROM generate_series(1, %(count)s) AS n
"""
# Those whose session did not end yet are left out; what they wrote is small.
WRITTEN = """
SELECT pg_current_wal_lsn() - '0/0'::pg_lsn, (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables),
    (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of one run. Seconds are the database's: from the first claim to the end of the execution."""

    records: int
    workers: int
    seconds: float
    records_per_second: float
    record_steps_per_second: float
    peak_worker_mb: float
    complete: int
    failed: int
    journal_rows: int
    rows_written: int
    wal_bytes: int
    transactions: int
    flushes: int
    queries: int
    queries_per_record: float
    loop_record_steps_per_second: float
    loop_ratio: float
    template_median_ms: float

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def measure(records: int, workers: int, say: Callable[[str], None]) -> Result:
    """Run the benchmark in the database that Director uses, as a workflow of its own that is removed afterwards."""
    workflow = _prepare(records, say)
    try:
        loop = _bare_loop(workflow, min(records, 20_000))
        say(f"Starting {workers} worker(s).")
        with _worker_processes(workers) as (pids, said):
            before = _written()
            execution = start_execution(workflow, trigger_type=TriggerType.COMMAND).execution
            _wait(execution)
            peak = max(_peak_mb(pid) for pid in pids)
            written = [after - first for after, first in zip(_written(), before, strict=True)]
            slices = _slices(said)
        return _result(execution, workers, peak, written, slices, loop)
    finally:
        _remove(workflow)


def _prepare(records: int, say: Callable[[str], None]) -> Workflow:
    owner, _ = get_user_model().objects.get_or_create(username="benchmark")
    workflow = import_workflow(DEFINITION.format(run=time.time_ns()), owner=owner).workflow
    say(f"Making {records:,} records.")
    with connection.cursor() as cursor:
        cursor.execute(INSERT_RECORDS, {"workflow": workflow.pk, "count": records})
        # What earlier runs left would else be cleared away by autovacuum while this one is measured.
        cursor.execute(
            "VACUUM (ANALYZE) workflow_records, execution_frames, execution_steps, record_counts, record_search"
        )
        cursor.execute("CHECKPOINT")
    return workflow


def _wait(execution: Execution) -> None:
    while execution.status not in EXECUTION_TERMINAL:
        time.sleep(0.25)  # seldom: each look takes from the cores that are measured
        execution.refresh_from_db()


@contextmanager
def _worker_processes(count: int) -> Iterator[tuple[list[int], Path]]:
    """Real workers and a beat; yields the workers' process ids and the folder of their logs."""
    with tempfile.TemporaryDirectory() as folder:
        # The clock first, so that it is up before anything is measured.
        beat = _start(processes.beat(), Path(folder) / "beat.txt")
        started = [
            _start(processes.worker(f"bench{number}-{os.getpid()}"), Path(folder) / f"worker{number}.log")
            for number in range(count)
        ]
        try:
            _wait_for_workers(count)
            yield [process.pid for process in started], Path(folder)
        finally:
            for process in (*started, beat):
                process.terminate()
            for process in (*started, beat):
                process.wait()


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=output, stderr=subprocess.STDOUT)


def _wait_for_workers(count: int) -> None:
    deadline = time.monotonic() + WORKER_START_SECONDS
    while _answering() < count:
        if time.monotonic() > deadline:
            raise SetupError(f"The {count} workers did not start within {WORKER_START_SECONDS} s.")


def _answering() -> int:
    answers = current_app.control.ping(timeout=0.5) or ()
    return sum(f"-{os.getpid()}@" in name for answer in answers for name in answer)


def _written() -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(WRITTEN)
        found: tuple[int, ...] = cursor.fetchone()
    return tuple(int(value) for value in found)


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _slices(folder: Path) -> dict[str, int]:
    """Sum what each slice said of itself in the workers' logs."""
    total = {"commits": 0, "queries": 0}
    for log in folder.glob("*.log"):
        for line in log.read_text().splitlines():
            if "slice closed" in line:
                said = dict(part.split("=") for part in line.rsplit(": ", 1)[1].split())
                for key in total:
                    total[key] += int(said[key])
    return total


def _bare_loop(workflow: Workflow, records: int) -> tuple[float, float]:
    """The same steps over the same data in one Python loop, nothing stored: (steps per second, median ms of a template)."""
    plan = compile_plan(latest_version(workflow))
    body = plan.steps["each_email"].blocks[0]
    rows = [data for (data,) in workflow.records.order_by("record_id").values_list("data")[:records]]
    run = RunContext(workflow.pk, workflow.pk, 0, {}, {}, 1)
    begin = time.perf_counter()
    for number, data in enumerate(rows):
        scope = {**run.roots(), "current": RecordView(f"email_{number}", "email", "processing", data)}
        _walk_bare(body.steps, scope, workflow)
    seconds = time.perf_counter() - begin
    return STEPS * len(rows) / seconds, _template_median_ms(body.steps[0], scope)


def _walk_bare(steps: Any, scope: dict[str, Any], workflow: Workflow) -> None:
    try:
        for step in steps:
            call = StepCall(step, step.render(scope), scope, 1, workflow.pk, workflow.pk, 0, None)
            scope[step.alias] = step.type.run(call)
    except Exception:  # noqa: S110 - the one in a hundred that fails, as it does in the real run
        pass


def _template_median_ms(step: Any, scope: dict[str, Any]) -> float:
    timings = []
    for _ in range(2_001):
        begin = time.perf_counter()
        step.render(scope)
        timings.append(time.perf_counter() - begin)
    return sorted(timings)[1_000] * 1000


def _result(
    execution: Execution,
    workers: int,
    peak: float,
    written: list[int],
    slices: dict[str, int],
    loop: tuple[float, float],
) -> Result:
    assert execution.started_at is not None
    assert execution.finished_at is not None
    seconds = (execution.finished_at - execution.started_at).total_seconds()
    records = execution.records_total
    rows = execution.steps.count()
    return Result(
        records=records,
        workers=workers,
        seconds=round(seconds, 3),
        records_per_second=round(records / seconds, 1),
        record_steps_per_second=round(rows / seconds, 1),
        peak_worker_mb=round(peak, 1),
        complete=execution.records_complete,
        failed=execution.records_failed,
        journal_rows=rows,
        rows_written=written[1],
        wal_bytes=written[0],
        transactions=written[2],
        flushes=slices["commits"],
        queries=slices["queries"],
        queries_per_record=round(slices["queries"] / max(records, 1), 4),
        loop_record_steps_per_second=round(loop[0], 1),
        loop_ratio=round(loop[0] / (rows / seconds), 2),
        template_median_ms=round(loop[1], 5),
    )


def _remove(workflow: Workflow) -> None:
    """Remove all of it, newest tables first; set-wise, since a cascade through the ORM would load a million rows."""
    with connection.cursor() as cursor:
        for table in ("execution_counts", "execution_steps", "execution_frames", "execution_slices"):
            runs = "SELECT id FROM executions WHERE workflow_id = %s"
            cursor.execute(f"DELETE FROM {table} WHERE execution_id IN ({runs})", (workflow.pk,))  # noqa: S608
        cursor.execute("DELETE FROM executions WHERE workflow_id = %s", (workflow.pk,))
        cursor.execute("DELETE FROM workflow_records WHERE workflow_id = %s", (workflow.pk,))
    workflow.delete()
