"""Times single operations of the record service in a workflow with many records.

    python -m bench.records --records 1000000

Uses the database of the settings (DATABASE_URL, or the embedded stack, which must be up: `manage.py up`), in a workflow
of its own that is removed at the end. Prints the median and the 99th percentile of each operation in milliseconds, and
how many statements it took.
"""
# ruff: noqa: E402, S311 - Django is set up before what needs it is imported; chance makes data here, no secrets

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Iterator
from statistics import quantiles
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "director.settings")

import django

django.setup()

from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from records.creation import create_records
from records.filters import read_filter
from records.history import changes_of
from records.models import RecordChange, RecordSearch
from records.patches import set_at
from records.services import WorkflowData
from workflows.definition.plan import CreateRecords
from workflows.models import Workflow
from workflows.readers.items import Item, Position

REPEATS = 200
WORDS = [
    f"{start}{end}"
    for start in ("in", "de", "co", "re", "pro", "trans", "sub", "over")
    for end in (
        "voice",
        "livery",
        "ntract",
        "quest",
        "duct",
        "port",
        "ject",
        "view",
        "mand",
        "form",
        "fer",
        "sult",
        "cept",
        "tain",
    )
]
# A few records of each rare kind, so that looking for them is looking for a needle.
SPREAD = """
UPDATE workflow_records SET status = CASE WHEN right(record_id, 4) = '0007' THEN 'failed' ELSE 'complete' END,
    data = jsonb_set(data, '{vars,score}', to_jsonb(length(record_id)))
WHERE workflow_id = %s
"""


def messages(number: int) -> Iterator[Item]:
    chance = random.Random(7)
    for index in range(1, number + 1):
        words = chance.choices(WORDS, k=40)
        data = {
            "message_id": f"<{index}@bench.example>",
            "sender": f"person{index % 5000}@company{index % 900}.example",
            "subject": f"{' '.join(words[:5])} {index}",
            "body": " ".join(words[5:]),
        }
        yield Item(Position(index, "message", "bench"), data)


def filled(number: int) -> Workflow:
    """Return a workflow with so many records, and say how fast they came."""
    user, _ = get_user_model().objects.get_or_create(username="bench")
    workflow = Workflow.objects.create(name="Bench", slug=f"bench-{time.time_ns()}", owner=user)
    began = time.perf_counter()
    create_records(workflow.pk, messages(number), CreateRecords("email"), alias="inbox")
    seconds = time.perf_counter() - began
    print(f"{number:,} records created in {seconds:.1f} s, {number / seconds:,.0f} a second")
    with connection.cursor() as cursor:
        cursor.execute(SPREAD, [workflow.pk])
        cursor.execute("VACUUM ANALYZE workflow_records, record_search")
    return workflow


def operations(data: WorkflowData, number: int) -> dict[str, Callable[[], Any]]:
    records, variables = data.records, data.variables
    fresh = iter(range(10**9))

    def any_id() -> str:
        return f"email_{random.randrange(1, number + 1):03d}"

    def a_page(order: str = "-id", size: int = 50, **given: Any) -> Callable[[], Any]:
        narrow = read_filter(given)
        return lambda: records.query(narrow, order=order, size=size, whole=False).rows

    def further_page() -> Any:
        cursor = records.query(read_filter({"pattern": any_id()}), order="record_id").rows
        return records.query(order="updated_at", cursor=deep, size=50, whole=False).rows if cursor else None

    deep = records.query(order="updated_at", size=1000, whole=False).next
    variables.set("bench", 0)
    return {
        "get": lambda: records.get(any_id()),
        "get 50 by ids": lambda: records.get_many([any_id() for _ in range(50)]),
        "create, numbered": lambda: records.create("email", {"message_id": f"<new {next(fresh)}>", "subject": "New"}),
        "create, with its id": lambda: records.create("email", {"subject": "New"}, record_id=f"new_{next(fresh)}"),
        "patch a variable path": lambda: records.patch(any_id(), [set_at(("vars", "score"), next(fresh))]),
        "patch a field": lambda: records.patch(any_id(), [set_at(("fields", "subject"), f"Changed {next(fresh)}")]),
        "move to discovered": lambda: records.move(any_id(), "discovered"),
        "delete": lambda: records.delete(records.query(size=1).rows[0].record_id),
        "newest page": a_page(),
        "page by last change": a_page("-updated_at"),
        "page by id": a_page("record_id"),
        "a page far down": further_page,
        "page of failed ones (rare)": a_page(status=["failed"]),
        "page of complete ones (nearly all)": a_page(status=["complete"]),
        "page by pattern": a_page(pattern="email_99*"),
        "page by type and status": a_page(type="email", status=["failed", "discovered"]),
        "page by creator (none)": a_page(created_by="nobody"),
        "search a rare word": a_page(text="person77 company77"),
        "search a word that is nearly everywhere": a_page(text="invoice"),
        "search by beginnings": a_page(text="trans sub pro"),
        "search with a rare status": a_page(text="invoice", status=["failed"]),
        "field test that many pass": a_page(fields=[{"path": "vars.score", "is": "ge", "value": 3}]),
        "field equals, rare": a_page(fields=[{"path": "fields.message_id", "value": "<77777@bench.example>"}]),
        "field equals, 200 records": a_page(fields=[{"path": "fields.sender", "value": "person77@company77.example"}]),
        "field begins": a_page(fields=[{"path": "fields.sender", "is": "begins", "value": "person4321@"}]),
        "field equals what none does": a_page(fields=[{"path": "fields.sender", "value": "nobody"}]),
        "other test that none passes (one portion)": a_page(fields=[{"path": "vars.score", "value": -1}]),
        "count by status": lambda: records.count(read_filter({"status": ["failed"]})),
        "count a search, up to 10,000": lambda: records.count(read_filter({"text": "invoice"}), limit=10_000),
        "stats": data.stats,
        "data, first page": lambda: data.data(size=50),
        "history of a record": lambda: changes_of(records.query(size=1).rows[0].pk),
        "variable get": lambda: variables.get("bench"),
        "variable set": lambda: variables.set("bench", next(fresh)),
        "variable increment": lambda: variables.increment("bench"),
    }


def measure(operation: Callable[[], Any]) -> tuple[float, float, int]:
    """Return the median and the 99th percentile in milliseconds, and the statements of one call."""
    with CaptureQueriesContext(connection) as queries:
        operation()
    statements = sum(not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")) for query in queries)
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        operation()
        times.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(times, n=100)
    return cuts[49], cuts[98], statements


def remove(workflow: Workflow) -> None:
    WorkflowData(workflow).records.clear()
    RecordSearch.objects.filter(workflow=workflow).delete()
    RecordChange.objects.filter(workflow=workflow).delete()
    workflow.delete()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    number = parser.parse_args().records
    workflow = filled(number)
    print(f"{'operation':44} {'p50 ms':>8} {'p99 ms':>8} {'queries':>8}")
    for name, operation in operations(WorkflowData(workflow), number).items():
        median, worst, statements = measure(operation)
        print(f"{name:44} {median:8.1f} {worst:8.1f} {statements:8}")
    remove(workflow)


if __name__ == "__main__":
    main()
