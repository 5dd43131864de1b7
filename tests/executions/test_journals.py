"""Golden journals: what walks of certain definitions record, so that a change of meaning is seen as one.

Each file of `journals/` holds a definition, the records it meets, and what is to be in the database afterwards: how the
execution ended, the journal of each frame (alias, attempt, status, then output or error), the records, the variables.
When a change of meaning is meant, `REWRITE_JOURNALS=1 .venv/bin/pytest tests/executions/test_journals.py` writes what is
recorded now; read the difference before committing it.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from executions.models import Execution, ExecutionFrame
from tests.executions.running import drive, publish, start, wake_all
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)

FILES = sorted((Path(__file__).parent / "journals").glob("*.json"))
WIDTH = 118
TEMPORARY = re.compile(r"temp:\d+:(\w+):(?:\d+\.)?(\d+)")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_walk_records_what_it_always_did(file: Path):
    golden = json.loads(file.read_text())
    workflow = publish(json.dumps(golden["definition"]))
    _make_records(workflow, golden["records"])

    execution = drive(start(workflow))
    while execution.status == "waiting":  # for a retry's pause, never for a person
        wake_all(execution)
        drive(execution)

    recorded = _recorded(execution, workflow)
    if os.environ.get("REWRITE_JOURNALS"):
        file.write_text(_laid_out({**golden, "recorded": recorded}) + "\n")
        return
    assert recorded == golden["recorded"]


def _make_records(workflow: Workflow, records: dict[str, dict[str, Any]]) -> None:
    for record_id, fields in records.items():
        data = {"fields": fields, "vars": {}, "targets": {}}
        workflow.records.create(record_id=record_id, record_type=record_id.partition("_")[0], data=data)


def _recorded(execution: Execution, workflow: Workflow) -> dict[str, Any]:
    """What the database holds of the run, without the numbers that differ from run to run."""
    return json.loads(TEMPORARY.sub(r"temp:\1:\2", json.dumps(_everything(execution, workflow))))


def _everything(execution: Execution, workflow: Workflow) -> dict[str, Any]:
    counts = ("total", "complete", "failed", "skipped", "cancelled")
    return {
        "status": execution.status,
        "error": _error(execution.error),
        "counts": {name: getattr(execution, f"records_{name}") for name in counts},
        "frames": _frames(execution),
        "records": {
            record.record_id: [record.status, record.record_type, record.data, record.error_message]
            for record in workflow.records.filter(execution_id=None).order_by("record_id")
        },
        "variables": dict(workflow.variables.order_by("key").values_list("key", "value")),
    }


def _frames(execution: Execution) -> dict[str, list[Any]]:
    """The journal of each frame, by its way from the top."""
    names: dict[int | None, str] = {None: ""}
    for frame in execution.frames.select_related("record").order_by("id"):
        names[frame.pk] = _name(frame, names[frame.parent_id])
    ended = dict(execution.frames.values_list("id", "status"))
    journals: dict[str, list[Any]] = {names[pk]: [status] for pk, status in sorted(ended.items())}
    for row in execution.steps.order_by("id"):
        said = _error(row.error) if row.error else row.output
        journals[names[row.frame_id]].append([row.alias, row.attempt, row.status, said])
    return journals


def _name(frame: ExecutionFrame, parent: str) -> str:
    if frame.record is None:
        return "top"
    return f"{parent}/{frame.alias}/{frame.record.record_id}"


def _error(error: dict[str, Any] | None) -> str | None:
    return error and f"{error['code']}: {error['message']}"


def _laid_out(value: Any, indent: str = "") -> str:
    """JSON in which what fits in a line stands in one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + " "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {_laid_out(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _laid_out(item, inner) for item in value) + f"\n{indent}]"
