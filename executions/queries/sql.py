"""The statements behind the execution pages: each named, with its purpose and the index it runs on.

They stay quick at 1,000,000 records and 5,000,000 journal rows: nothing here counts or sorts a big table. Ranges are
written as comparisons of whole index keys, ordered by the whole key: with `execution_id = .. AND status = .. ORDER BY
id` the planner may walk the primary key instead and read everything where few rows match.
"""

# ruff: noqa: S608 - the statements are put together from constants; what people say comes as parameters

from records.secrets import MAYBE_SQL
from records.titles import TITLE_SQL

LAST = 2**63 - 1  # beyond every key

# Frames in the order a person needs them: what failed, what waits, what is being walked, what is to come, what is done.
STATUS_ORDER = ("failed", "waiting", "running", "ready", "complete", "skipped", "cancelled")

# What the parts below give: a rank and a key to page by, and the frame's own columns.
_FRAME = """f.id, f.parent_id, f.alias, f.record_id, f.position, f.status, f.waiting_for, f.wake_at, f.at_step,
    f.started_at, f.finished_at, f.error"""

# One status of the table, from the key on. Index frame_by_status.
FRAMES_OF_STATUS = f"""
(SELECT {{rank}} AS rank, f.id AS key, {_FRAME}, f.at_step AS step FROM execution_frames f
WHERE (f.execution_id, f.status, f.id) > (%(execution)s, '{{status}}', {{above}})
    AND (f.execution_id, f.status, f.id) < (%(execution)s, '{{status}}', {{below}}) {{narrow}}
ORDER BY f.execution_id {{direction}}, f.status {{direction}}, f.id {{direction}} LIMIT %(limit)s)
"""

# The frames of some records, whatever their status. Index frame_by_record.
FRAMES_OF_RECORDS = f"""
(SELECT p.* FROM (
    SELECT array_position(%(order)s, f.status::text) - 1 AS rank, f.id AS key, {_FRAME}, f.at_step AS step
    FROM execution_frames f
    WHERE f.record_id = ANY(%(records)s) AND f.execution_id = %(execution)s AND f.status = ANY(%(statuses)s) {{narrow}}
) p WHERE (p.rank, p.key) {{beyond}} ORDER BY p.rank {{direction}}, p.key {{direction}} LIMIT %(limit)s)
"""

# Frames in which a step ended in one of these ways, by its journal rows. Index journal_by_step.
FRAMES_OF_STEP = f"""
(SELECT 0 AS rank, s.id AS key, {_FRAME}, s.alias AS step
FROM execution_steps s JOIN execution_frames f ON f.id = s.frame_id
WHERE (s.execution_id, s.alias, s.id) > (%(execution)s, %(step)s, {{above}})
    AND (s.execution_id, s.alias, s.id) < (%(execution)s, %(step)s, {{below}})
    AND s.status = ANY(%(step_statuses)s)
ORDER BY s.execution_id {{direction}}, s.alias {{direction}}, s.id {{direction}} LIMIT %(limit)s)
"""

# Named frames again: the rows that are on a screen. Primary key.
FRAMES_BY_ID = f"""
(SELECT 0 AS rank, f.id AS key, {_FRAME}, f.at_step AS step FROM execution_frames f
WHERE f.execution_id = %(execution)s AND f.id = ANY(%(ids)s))
"""

# The rows of the records table: frame, record, journal row of the step shown. Index journal_one_row_per_attempt.
ROWS = (
    """
SELECT f.rank, f.key, f.id, f.parent_id, f.alias, f.record_id, f.status, f.waiting_for, f.wake_at, f.step,
    f.started_at, f.finished_at, f.error ->> 'message',
    r.record_id, r.record_type, """
    + TITLE_SQL.format(data="r.data")
    + ", j.step_id, j.attempt, "
    + MAYBE_SQL.format(data="r.data")
    + """
FROM (SELECT * FROM ({parts}) p ORDER BY rank {direction}, key {direction} LIMIT %(limit)s) f
LEFT JOIN workflow_records r ON r.id = f.record_id
LEFT JOIN LATERAL (
    SELECT s.id AS step_id, s.attempt FROM execution_steps s
    WHERE s.frame_id = f.id AND s.alias = f.step ORDER BY s.attempt DESC LIMIT 1
) j ON true
ORDER BY f.rank {direction}, f.key {direction}
"""
)

# Where the open and the failed frames are, up to a limit for each status; for the flow. Index frame_by_status.
PLACES = """
SELECT alias, at_step, status, waiting_for, count(*) FROM (
    (SELECT alias, at_step, status, waiting_for FROM execution_frames
     WHERE execution_id = %(execution)s AND status = 'running' LIMIT %(limit)s)
    UNION ALL
    (SELECT alias, at_step, status, waiting_for FROM execution_frames
     WHERE execution_id = %(execution)s AND status = 'waiting' AND waiting_for <> 'children' LIMIT %(limit)s)
    UNION ALL
    (SELECT alias, at_step, status, waiting_for FROM execution_frames
     WHERE execution_id = %(execution)s AND status = 'failed' LIMIT %(limit)s)
) f GROUP BY 1, 2, 3, 4
"""

_FAILED = """
    FROM execution_frames
    WHERE (execution_id, status, id) > (%(execution)s, 'failed', 0)
        AND (execution_id, status) <= (%(execution)s, 'failed')
    ORDER BY execution_id DESC, status DESC, id DESC LIMIT %(limit)s
"""

# The newest failures with their messages, alike ones together; how many of them are failed still, and the first of these.
# Indexes frame_by_status, primary key of records.
CAUSES = (
    """
SELECT f.at_step, f.code, f.message, count(*), max(f.finished_at),
    count(*) FILTER (WHERE still), (array_agg(r.id ORDER BY f.id) FILTER (WHERE still))[1],
    (array_agg(r.record_id ORDER BY f.id) FILTER (WHERE still))[1]
FROM (
    SELECT id, record_id, at_step, error ->> 'code' AS code, left(error ->> 'message', 300) AS message, finished_at"""
    + _FAILED
    + """) f
LEFT JOIN workflow_records r ON r.id = f.record_id
CROSS JOIN LATERAL (SELECT r.status = 'failed' AND r.frame_id IS NULL AS still) s GROUP BY 1, 2, 3"""
)
# What was last retried of each group of the run, here or in the run in which it went on. Index intervention_by_execution.
TRIED = """
SELECT DISTINCT ON (i.changes ->> 'cause') i.changes ->> 'cause', i.changes -> 'records'
FROM execution_interventions i JOIN executions run ON run.id = i.execution_id
WHERE (run.id = %(execution)s OR run.replay_of_id = %(execution)s) AND i.kind = 'retried'
    AND i.changes ->> 'cause' = ANY (%(causes)s)
ORDER BY i.changes ->> 'cause', i.id DESC
"""
# The same of one group of a workflow, in its newest runs. Index execution_by_workflow.
TRIED_IN_WORKFLOW = """
SELECT i.changes ->> 'cause', i.changes -> 'records'
FROM (SELECT id FROM executions WHERE workflow_id = %(workflow)s ORDER BY number DESC LIMIT 200) run
JOIN execution_interventions i ON i.execution_id = run.id
WHERE i.kind = 'retried' AND i.changes ->> 'cause' = ANY (%(causes)s)
ORDER BY i.id DESC LIMIT 1
"""

# When the newest failures were, for their marks on the timeline. Index frame_by_status.
FAILURE_MARKS = "SELECT at_step, finished_at" + _FAILED

# From when to when each step was worked on: its first and its last journal row. Index journal_by_step.
EXTENTS = """
SELECT a.alias, first.started_at, last.ended_at FROM unnest(%(aliases)s::text[]) AS a (alias)
CROSS JOIN LATERAL (
    SELECT execution_id, alias, started_at FROM execution_steps
    WHERE (execution_id, alias, id) > (%(execution)s, a.alias, 0)
    ORDER BY execution_id, alias, id LIMIT 1
) first
CROSS JOIN LATERAL (
    SELECT started_at + make_interval(secs => coalesce(duration_ms, 0) / 1000) AS ended_at FROM execution_steps
    WHERE (execution_id, alias) <= (%(execution)s, a.alias)
    ORDER BY execution_id DESC, alias DESC, id DESC LIMIT 1
) last
WHERE first.execution_id = %(execution)s AND first.alias = a.alias
"""

# The newest journal rows of some steps: the newest of each, merged. Index journal_by_step.
JOURNAL = """
SELECT s.id, s.alias, s.attempt, s.status, s.started_at, s.duration_ms, s.error ->> 'message', r.record_id, s.record_id
FROM (
    SELECT l.* FROM unnest(%(aliases)s::text[]) AS a (alias) CROSS JOIN LATERAL (
        SELECT * FROM execution_steps
        WHERE (execution_id, alias, id) > (%(execution)s, a.alias, %(above)s)
            AND (execution_id, alias, id) < (%(execution)s, a.alias, %(below)s)
        ORDER BY execution_id {direction}, alias {direction}, id {direction} LIMIT %(limit)s
    ) l ORDER BY l.id {direction} LIMIT %(limit)s
) s LEFT JOIN workflow_records r ON r.id = s.record_id
ORDER BY s.id {direction}
"""

# The newest executions of some workflows, so many of each. Index execution_by_workflow.
NEWEST_OF_EACH = """
SELECT e.id FROM unnest(%(workflows)s::uuid[]) AS w (id) CROSS JOIN LATERAL (
    SELECT id FROM executions WHERE workflow_id = w.id ORDER BY number DESC LIMIT %(each)s
) e
"""
