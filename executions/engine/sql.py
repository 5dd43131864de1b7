"""The engine's statements: each named, with its purpose and the index it runs on."""

# --- slices ---------------------------------------------------------------------------------------------------------

# A slice exists only while its execution is not over and nobody holds it back; it moves queued and waiting to running.
OPEN_SLICE = """
WITH begun AS (
    UPDATE executions SET status = 'running', started_at = coalesce(started_at, now())
    WHERE id = %(execution)s AND status IN ('queued', 'running', 'waiting') AND control = ''
    RETURNING id
)
INSERT INTO execution_slices (execution_id, worker, backend_pid, backend_start, expires_at)
SELECT begun.id, %(worker)s, a.pid, a.backend_start, now() + %(lease)s
FROM begun, pg_stat_activity a WHERE a.pid = pg_backend_pid()
RETURNING id
"""

CLOSE_SLICE = "DELETE FROM execution_slices WHERE id = %(slice)s"

EXTEND_LEASE = """
UPDATE execution_slices s SET expires_at = now() + %(lease)s FROM executions e
WHERE s.id = %(slice)s AND e.id = s.execution_id RETURNING e.control, e.breakpoints
"""

# First statement of every commit (I3). KEY SHARE stands in the way of the sweep's DELETE, not of the lease's UPDATE.
FENCE = """
SELECT e.control, e.breakpoints FROM execution_slices s JOIN executions e ON e.id = s.execution_id
WHERE s.id = %(slice)s FOR KEY SHARE OF s
"""

# What people want of the run, until this commit: a resume either is seen here or sees the frames that are parked here.
WANTED = "SELECT control, breakpoints FROM executions WHERE id = %s FOR SHARE"

# --- claiming -------------------------------------------------------------------------------------------------------

_TAKE = """
claimed AS (
    UPDATE execution_frames f
    SET status = 'running', slice_id = %(slice)s, waiting_for = '', wake_at = NULL, started_at = coalesce(f.started_at, now())
    FROM picked WHERE f.id = picked.id
    RETURNING f.id, f.parent_id, f.alias, f.position, f.walked, f.retries, f.forgiven, f.passes, f.record_id
), taken AS (
    UPDATE workflow_records r
    SET status = 'processing', frame_id = c.id, iteration_node_alias = c.alias, updated_at = now(), revision = r.revision + 1
    FROM claimed c JOIN unnest(%(aliases)s::text[], %(statuses)s::text[]) AS eligible (alias, status) ON eligible.alias = c.alias
    WHERE r.id = c.record_id AND (r.frame_id = c.id OR (r.frame_id IS NULL AND r.status = eligible.status))
    RETURNING r.id, r.record_id, r.record_type, r.data, r.execution_id IS NOT NULL AS temporary
)
SELECT c.id, c.parent_id, c.alias, c.position, c.walked, c.retries, c.forgiven, c.passes, c.record_id,
    t.record_id, t.record_type, t.data, t.temporary
FROM claimed c LEFT JOIN taken t ON t.id = c.record_id
ORDER BY c.id
"""

# The next ready frames in order. Index frame_by_status; `after` steps over what this slice has taken already, so that the
# index entries those left behind are not read again.
CLAIM = (
    """
WITH picked AS (
    SELECT id FROM execution_frames
    WHERE execution_id = %(execution)s AND status = 'ready' AND id > %(after)s AND crashes = 0
        AND alias <> ALL (%(limited)s) AND alias <> ALL (%(leased)s)
    ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
), """
    + _TAKE
)

# Two claims that count at the same time would both find the same room; a statement of its own, so that the count that
# follows sees what the claim before it committed.
LOCK_LIMITED = "SELECT pg_advisory_xact_lock(hashtextextended(%(execution)s::text, 7))"

# Ready frames of iterates with `concurrency`: per parent at most what is left of it. Index frame_by_parent.
CLAIM_LIMITED = (
    """
WITH parents AS MATERIALIZED (
    SELECT p.id, k.alias, k.concurrency FROM execution_frames p,
        unnest(%(limited)s::text[], %(concurrency)s::int[]) AS k (alias, concurrency)
    WHERE p.execution_id = %(execution)s AND p.status = 'waiting' AND p.waiting_for = 'children'
), room AS MATERIALIZED (
    SELECT p.id, p.alias, p.concurrency - (
        SELECT count(*) FROM execution_frames c WHERE c.parent_id = p.id AND c.alias = p.alias AND c.status = 'running'
    ) AS free FROM parents p
), picked AS (
    SELECT f.id FROM room CROSS JOIN LATERAL (
        SELECT c.id FROM execution_frames c
        WHERE c.parent_id = room.id AND c.alias = room.alias AND c.status = 'ready' AND c.crashes = 0
        ORDER BY c.id LIMIT greatest(room.free, 0) FOR NO KEY UPDATE SKIP LOCKED
    ) f LIMIT %(limit)s
), """
    + _TAKE
)

# Frames of inline bodies are leased: read with their records, and the slice says which ids it walks. Neither row is
# written before the walk has an end; only then is it seen whether both are as they were read (I12). One at a time, so that
# what the one before leased is seen; nothing that must outlive a crash is said here, so nobody waits for the disk.
LOCK_LEASES = """
SELECT pg_advisory_xact_lock(hashtextextended(%(execution)s::text, 8)), set_config('synchronous_commit', 'off', true)
"""
_LEASE = """
picked AS MATERIALIZED (
    SELECT f.id, f.parent_id, f.alias, f.position, f.walked, f.retries, f.forgiven, f.passes, f.record_id
    FROM execution_frames f
    WHERE f.execution_id = %(execution)s AND f.status = 'ready' AND f.crashes = 0 AND f.alias = ANY (%(leased)s)
        AND {free}
    ORDER BY f.id LIMIT %(limit)s
), lease AS (
    UPDATE execution_slices s SET leased_from = {leased_from}, leased_to = p.upper
    FROM (SELECT min(id) AS lower, max(id) AS upper FROM picked) p
    WHERE s.id = %(slice)s AND {when}
)
SELECT p.*, r.record_id, r.record_type, r.data, r.execution_id IS NOT NULL, r.revision
FROM picked p LEFT JOIN workflow_records r ON r.id = p.record_id AND (r.frame_id = p.id OR (r.frame_id IS NULL AND EXISTS (
    SELECT 1 FROM unnest(%(aliases)s::text[], %(statuses)s::text[]) AS eligible (alias, status)
    WHERE eligible.alias = p.alias AND eligible.status = r.status)))
ORDER BY p.id
"""
# Past everything that any slice has leased. Index frame_by_status.
LEASE = "WITH " + _LEASE.format(
    free="""f.id > (
            SELECT coalesce(max(leased_to), 0) FROM execution_slices WHERE execution_id = %(execution)s)""",
    leased_from="coalesce(s.leased_from, p.lower)",
    when="p.upper IS NOT NULL",
)
# Those left behind: ready again, or overtaken. Only when nothing this slice leased is still under way.
LEASE_LEFT = """
WITH others AS MATERIALIZED (
    SELECT leased_from, leased_to FROM execution_slices
    WHERE execution_id = %(execution)s AND id <> %(slice)s AND leased_to IS NOT NULL
), """ + _LEASE.format(
    free="NOT EXISTS (SELECT 1 FROM others o WHERE f.id BETWEEN o.leased_from AND o.leased_to)",
    leased_from="p.lower",
    when="true",
)

# Whether anything is ready that no slice has leased. Index frame_by_status.
HAS_READY = """
SELECT EXISTS (SELECT 1 FROM execution_frames f WHERE f.execution_id = %s AND f.status = 'ready' AND NOT EXISTS (
    SELECT 1 FROM execution_slices s WHERE s.execution_id = f.execution_id AND f.id BETWEEN s.leased_from AND s.leased_to))
"""

# Frames that were in a batch whose worker died (I9): first some together, then, if a worker dies over those again, each
# alone and named on the slice; the least suspicious come first.
CLAIM_SUSPECTS = (
    """
WITH least AS (
    SELECT min(crashes) AS crashes FROM execution_frames
    WHERE execution_id = %(execution)s AND status = 'ready' AND crashes > 0
), picked AS (
    SELECT id FROM execution_frames
    WHERE execution_id = %(execution)s AND status = 'ready' AND crashes = (SELECT crashes FROM least)
    ORDER BY id LIMIT (SELECT CASE WHEN crashes > 1 THEN 1 ELSE %(limit)s END FROM least)
    FOR NO KEY UPDATE SKIP LOCKED
), named AS (
    UPDATE execution_slices
    SET suspect_frame_id = (SELECT CASE WHEN count(*) = 1 THEN min(id) END FROM picked) WHERE id = %(slice)s
), """
    + _TAKE
)

# --- journal --------------------------------------------------------------------------------------------------------

COPY_STEPS = """
COPY execution_steps (execution_id, frame_id, record_id, alias, attempt, status, input, output, error, fingerprint,
    started_at, duration_ms) FROM STDIN
"""

FINISH_STEPS = """
UPDATE execution_steps s
SET status = u.status, output = u.output::jsonb, error = u.error::jsonb, duration_ms = u.duration_ms
FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::float8[])
    AS u (frame_id, alias, attempt, status, output, error, duration_ms)
WHERE s.frame_id = u.frame_id AND s.alias = u.alias AND s.attempt = u.attempt AND s.status = 'running'
"""

MARK_WALKED = """
UPDATE execution_frames f SET walked = true, at_step = u.at_step
FROM unnest(%s::bigint[], %s::text[]) AS u (id, at_step) WHERE f.id = u.id
"""

# `began`: of a leased frame, which must still be ready; null for one that was taken, whose beginning is known.
END_FRAMES = """
UPDATE execution_frames f
SET status = u.status, waiting_for = u.waiting_for, wake_at = u.wake_at, at_step = u.at_step, error = u.error::jsonb,
    slice_id = NULL, walked = true, retries = f.retries + u.retried, forgiven = coalesce(u.forgiven, f.forgiven),
    started_at = coalesce(f.started_at, to_timestamp(u.began)),
    finished_at = CASE WHEN u.status IN ('complete', 'failed', 'skipped', 'cancelled') THEN now() END
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::int[], %s::int[],
    %s::float8[]) AS u (id, status, waiting_for, wake_at, at_step, error, retried, forgiven, began)
WHERE f.id = u.id AND f.status = CASE WHEN u.began IS NULL THEN 'running' ELSE 'ready' END
"""

# Of leased frames, those that are still ready, and whose record is as it was read (I12). Both stay locked.
STANDING_FRAMES = """
SELECT id FROM execution_frames WHERE id = ANY (%s) AND status = 'ready' ORDER BY id FOR NO KEY UPDATE
"""
STANDING_RECORDS = """
SELECT r.id FROM workflow_records r JOIN unnest(%s::uuid[], %s::int[]) AS u (id, revision) ON r.id = u.id
WHERE r.revision = u.revision ORDER BY r.id FOR NO KEY UPDATE OF r
"""

# Data by patch, so that a person's edit of another path in the meantime is kept; status only where the frame says one.
# `revision`, `frame` and `alias`: of a leased frame, whose record must be as it was read and was not taken before.
WRITE_RECORDS = """
UPDATE workflow_records r
SET data = CASE WHEN u.operations IS NULL THEN r.data ELSE director_patch(r.data, u.operations::jsonb) END,
    status = coalesce(u.status, r.status),
    error_message = CASE WHEN u.status IS NULL THEN r.error_message ELSE u.error END,
    retry_count = r.retry_count + u.retried,
    frame_id = CASE WHEN u.status IN ('complete', 'failed', 'skipped', 'discovered') THEN NULL
        ELSE coalesce(u.frame, r.frame_id) END,
    iteration_node_alias = coalesce(u.alias, r.iteration_node_alias),
    processed_at = CASE WHEN u.status IN ('complete', 'failed') THEN now() ELSE r.processed_at END,
    updated_at = now(), revision = r.revision + 1
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[], %s::int[], %s::bigint[], %s::text[])
    AS u (id, operations, status, error, retried, revision, frame, alias)
WHERE r.id = u.id AND (u.revision IS NULL OR r.revision = u.revision)
"""

# The frame whose children an iterate's outcome stands for: the given one, or where that outcome was reused, the one
# it was taken over from, however many replays ago. Index frame_by_parent, journal_one_row_per_attempt.
BEGUN_IN = """
WITH RECURSIVE chain AS (
    SELECT {frame} AS id, 0 AS hop
    UNION ALL
    SELECT o.origin_id, c.hop + 1 FROM chain c JOIN execution_frames o ON o.id = c.id
    WHERE o.origin_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM execution_steps s WHERE s.frame_id = o.id AND s.alias = {alias} AND s.status = 'reused')
)
SELECT id FROM chain
WHERE EXISTS (SELECT 1 FROM execution_frames x WHERE x.parent_id = chain.id AND x.alias = {alias}) ORDER BY hop LIMIT 1
"""
# Temporary copies of records: {source} gives (copy, source record, iterate, record id of the copy). What steps stored
# that are run again is taken from them, so that these see what they saw; `copy_of` is the name that templates see.
COPY_RECORDS = """
INSERT INTO workflow_records (id, workflow_id, record_id, record_type, execution_id, iteration_node_alias, data)
SELECT u.copy, r.workflow_id, u.name, r.record_type, %(execution)s, u.alias,
    director_patch(r.data, coalesce(%(forget)s::jsonb -> u.alias, '[]'))
        || jsonb_build_object('copy_of', coalesce(r.data ->> 'copy_of', r.record_id))
FROM {source} AS u (copy, source, alias, name) JOIN workflow_records r ON r.id = u.source
"""
STILL_OPEN = {
    "code": "still_open",
    "message": "The replayed run is still working on this record; replay it again when that is over.",
}

SHIFT_COUNTS = """
INSERT INTO execution_counts AS c (execution_id, kind, alias, status, shard, count, duration_ms)
SELECT %s, u.kind, u.alias, u.status, %s, u.count, u.duration_ms
FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::float8[]) AS u (kind, alias, status, count, duration_ms)
ORDER BY 2, 3, 4
ON CONFLICT (execution_id, kind, alias, status, shard)
DO UPDATE SET count = c.count + excluded.count, duration_ms = c.duration_ms + excluded.duration_ms
"""

# Columns as in `executions.models.HumanPrompt`; what a step does not say is left to the columns' defaults.
INSERT_PROMPTS = """
INSERT INTO human_prompts (id, workflow_id, execution_id, frame_id, record_id, alias, attempt, title, message, schema,
    context, actions, users, groups, quorum, no_self_approval, on_timeout, ladder, due_at, next_at)
SELECT id, workflow_id, execution_id, frame_id, record_id, alias, attempt, title, coalesce(message, ''),
    coalesce(schema, '{}'), coalesce(context, '[]'), coalesce(actions, '[]'), coalesce(users, '{}'),
    coalesce(groups, '{}'), coalesce(quorum, 1), coalesce(no_self_approval, false), coalesce(on_timeout, '{}'),
    coalesce(ladder, '[]'), due_at, next_at
FROM json_to_recordset(%s::json) AS p (id uuid, workflow_id uuid, execution_id uuid, frame_id bigint, record_id uuid,
    alias text, attempt int, title text, message text, schema jsonb, context jsonb, actions jsonb, users int[],
    groups int[], quorum int, no_self_approval bool, on_timeout jsonb, ladder jsonb, due_at timestamptz,
    next_at timestamptz)
"""

# Everything open below the named frames: what a stop or a cancel ends. Running ones end at their own next commit.
CANCEL_BELOW = """
WITH RECURSIVE below AS (
    SELECT id, status FROM execution_frames WHERE parent_id = ANY(%(parents)s) AND status IN ('ready', 'running', 'waiting')
    UNION ALL
    SELECT f.id, f.status FROM execution_frames f JOIN below b ON f.parent_id = b.id
    WHERE f.status IN ('ready', 'running', 'waiting')
), ended AS (
    UPDATE execution_frames f SET status = 'cancelled', waiting_for = '', wake_at = NULL, finished_at = now()
    FROM below b WHERE f.id = b.id AND b.status IN ('ready', 'waiting')
    RETURNING f.id, f.alias, f.record_id, b.status AS was
), given_back AS (
    UPDATE workflow_records r SET status = 'discovered', frame_id = NULL, updated_at = now(), revision = r.revision + 1
    FROM ended e WHERE r.id = e.record_id AND r.frame_id = e.id
), withdrawn AS (
    UPDATE human_prompts p SET status = 'withdrawn', answered_at = now()
    FROM ended e WHERE p.frame_id = e.id AND p.status = 'open'
)
SELECT alias, was, count(*) FROM ended GROUP BY alias, was
"""
