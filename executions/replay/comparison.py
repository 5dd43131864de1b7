"""Comparing two runs, step by step and record by record: the same, different, or only in one of them.

Frames belong together by what they were copied from, where one run replays the other, else by their record and iterate.
What is compared is each step's last outcome: its output, or the error it failed with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from director import jsontools
from executions.models import Execution
from records.history import difference
from records.patterns import like
from records.secrets import Secrets, secrets_of

SAME, DIFFERENT, ONLY_A, ONLY_B = "same", "different", "only_a", "only_b"
VERDICTS = (SAME, DIFFERENT, ONLY_A, ONLY_B)

# Frames of run a and b that belong together: by what they were copied from, or as the nth walk of a record by an iterate.
# Indexes frame_by_status and frame_by_origin.
_FRAMES = """
    SELECT *, row_number() OVER (PARTITION BY alias, whose ORDER BY id) AS turn
    FROM (SELECT f.id, f.record_id, f.alias, f.origin_id, ({whose}) COLLATE "C" AS whose
        FROM execution_frames f {records} WHERE f.execution_id = %({run})s) each
"""
_PAIRS = """
SELECT o.id AS a, n.id AS b, coalesce(o.record_id, n.record_id) AS record, coalesce(o.alias, n.alias) AS iterate
FROM ({frames_a}) o {join} JOIN ({frames_b}) n ON {belong}
"""
_NOBODY = "CASE WHEN f.alias = '' THEN '' ELSE f.id::text END"
_BY_KEY = {"whose": f"coalesce(f.record_id::text, {_NOBODY})", "records": ""}
# A dry run walks copies: what they are copies of is known by its id.
_NAME = "coalesce(r.data ->> 'copy_of', r.record_id)"
_BY_NAME = {
    "whose": f"coalesce({_NAME}, {_NOBODY})",
    "records": "LEFT JOIN workflow_records r ON r.id = f.record_id",
}
_OUTCOME = (
    "({row}.status IN ('failed', 'interrupted'), {row}.output, {row}.error ->> 'code', {row}.error ->> 'message')"
)
# An output as it is compared. What an iterate says of the elements of an array that failed names their temporary records,
# which are called otherwise in each run: only which iterate and element it was counts.
OUTPUT = r"""CASE WHEN jsonb_typeof(s.output -> 'errors') = 'array' THEN regexp_replace(s.output::text,
    '("record": "temp:)\d+:(\w+)(?:\.\d+)?:(?:\d+\.)?(\d+")', '\1\2:\3', 'g')::jsonb ELSE s.output END"""
# The last row of each step in each frame of a pair. Index journal_one_row_per_attempt.
_LAST = f"""
    SELECT DISTINCT ON (p.key, s.alias) p.key, p.record, p.iterate, s.id, s.alias, s.status, {OUTPUT} AS output, s.error
    FROM pairs p JOIN execution_steps s ON s.frame_id = p.{{side}} ORDER BY p.key, s.alias, s.attempt DESC
"""  # noqa: S608 - made of constants
_FOUND = f"""
WITH pairs AS MATERIALIZED (SELECT coalesce(b, a) AS key, * FROM ({{pairs}}) each
    WHERE coalesce(b, a) >= %(after_frame)s),
x AS ({_LAST.format(side="a")}), y AS ({_LAST.format(side="b")}), found AS (
    SELECT coalesce(x.key, y.key) AS key, coalesce(x.record, y.record) AS record,
        coalesce(x.iterate, y.iterate) AS iterate, coalesce(x.alias, y.alias) AS alias,
        x.id AS row_a, y.id AS row_b, x.status AS status_a, y.status AS status_b, x.output AS output_a,
        y.output AS output_b, x.error AS error_a, y.error AS error_b,
        CASE WHEN x.id IS NULL THEN 'only_b' WHEN y.id IS NULL THEN 'only_a'
            WHEN {_OUTCOME.format(row="x")} IS NOT DISTINCT FROM {_OUTCOME.format(row="y")} THEN 'same'
            ELSE 'different' END AS verdict
    FROM x FULL JOIN y ON y.key = x.key AND y.alias = x.alias
)
"""  # noqa: S608 - made of constants
COUNTS = f"""{_FOUND}
SELECT alias, verdict, count(*) FROM found GROUP BY 1, 2
UNION ALL
SELECT '', verdict, count(*) FROM (
    SELECT CASE WHEN bool_and(verdict = 'same') THEN 'same' ELSE 'different' END AS verdict
    FROM found WHERE iterate <> '' GROUP BY key
) r GROUP BY 2
"""  # noqa: S608 - made of constants
DIFFERENCES = f"""{_FOUND}
SELECT f.key, {_NAME}, f.record, f.iterate, f.alias, f.verdict, f.row_a, f.row_b, f.status_a, f.status_b,
    f.output_a, f.output_b, f.error_a, f.error_b, r.data
FROM found f LEFT JOIN workflow_records r ON r.id = f.record
WHERE f.verdict = ANY (%(verdicts)s) AND (%(step)s = '' OR f.alias = %(step)s)
    AND (%(record)s::text IS NULL OR {_NAME} LIKE %(record)s)
    AND (f.key, f.alias) > (%(after_frame)s, %(after_step)s)
ORDER BY f.key, f.alias LIMIT %(limit)s
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Comparison:
    """steps: {alias: {verdict: count}}. records: how many are the same in every step, and how many are not."""

    steps: Mapping[str, Mapping[str, int]]
    same: int
    different: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One step of one record (None: of the run itself) that is not the same. diff: JSON Patch from a to b, masked.

    key: what the next page begins after. row_a, row_b: the journal rows. output_a, output_b: masked.
    """

    key: tuple[int, str]
    record: str | None
    iterate: str
    step: str
    verdict: str
    row_a: int | None
    row_b: int | None
    status_a: str | None
    status_b: str | None
    error_a: Any
    error_b: Any
    output_a: Any
    output_b: Any
    diff: list[dict[str, Any]]


def compare(a: Execution, b: Execution) -> Comparison:
    """Return how the outcomes of run b differ from those of run a, as counts. One query."""
    steps: dict[str, dict[str, int]] = {}
    with connection.cursor() as cursor:
        query = COUNTS.format(pairs=_pairs(a, b))
        cursor.execute(query, {"a": a.pk, "b": b.pk, "after_frame": 0})
        for alias, verdict, count in cursor.fetchall():
            steps.setdefault(alias, dict.fromkeys(VERDICTS, 0))[verdict] = count
    records = steps.pop("", {})
    return Comparison(steps, records.get(SAME, 0), records.get(DIFFERENT, 0))


def differences(
    a: Execution,
    b: Execution,
    *,
    step: str = "",
    record: str = "",
    verdicts: tuple[str, ...] = (DIFFERENT, ONLY_A, ONLY_B),
    after: tuple[int, str] | None = None,
    limit: int = 100,
) -> list[Difference]:
    """Return what is not the same, by record and step, a page at a time. Two queries.

    record: a pattern of record ids (`email_*`); "" for all, and the run itself.
    """
    frame, alias = after or (0, "")
    parameters: dict[str, Any] = {"a": a.pk, "b": b.pk, "step": step, "verdicts": list(verdicts), "limit": limit}
    parameters["record"] = like(record) if record else None
    with connection.cursor() as cursor:
        query = DIFFERENCES.format(pairs=_pairs(a, b))
        cursor.execute(query, {**parameters, "after_frame": frame, "after_step": alias})
        found = cursor.fetchall()
    secrets = secrets_of(b.workflow_id, a.trigger_data, b.trigger_data)
    return [_difference(secrets.among(_loaded(data)), *row) for *row, data in found]


def _pairs(a: Execution, b: Execution) -> str:
    """Return the query for the frames that belong together. Of a replay of some records the others are no difference."""
    if b.replay_of_id == a.pk:
        return _of_two("n.origin_id = o.id", join="RIGHT" if b.overrides.get("stop_after") else "FULL")
    if a.replay_of_id == b.pk:
        return _of_two("o.origin_id = n.id", join="LEFT" if a.overrides.get("stop_after") else "FULL")
    is_dry = any(run.overrides.get("dry") for run in (a, b))
    return _of_two("n.alias = o.alias AND n.whose = o.whose AND n.turn = o.turn", by=_BY_NAME if is_dry else _BY_KEY)


def _of_two(belong: str, *, join: str = "FULL", by: Mapping[str, str] = _BY_KEY) -> str:
    frames = {f"frames_{run}": _FRAMES.format(run=run, **by) for run in ("a", "b")}
    return _PAIRS.format(belong=belong, join=join, **frames)


def _difference(
    secrets: Secrets,
    frame: int,
    name: str | None,
    record: Any,
    iterate: str,
    step: str,
    verdict: str,
    row_a: int | None,
    row_b: int | None,
    status_a: str | None,
    status_b: str | None,
    output_a: str | None,
    output_b: str | None,
    error_a: str | None,
    error_b: str | None,
) -> Difference:
    told = name or (str(record) if record else None)  # a record that is gone is known by its key alone
    errors = (secrets.hide(_loaded(error_a)), secrets.hide(_loaded(error_b)))
    outputs = (secrets.hide(_loaded(output_a)), secrets.hide(_loaded(output_b)))
    rows = (row_a, row_b, status_a, status_b, *errors, *outputs)
    return Difference((frame, step), told, iterate, step, verdict, *rows, difference(*outputs))


def _loaded(json: str | None) -> Any:
    return None if json is None else jsontools.loads(json)
