-- The next number in ids that are made of prefix, number and suffix: after the highest there is, and kept for the caller by
-- the lock of the counter until the commit. The first use of a form looks the highest number up.
CREATE OR REPLACE FUNCTION director_take_number(workflow uuid, before text, after text, least_number bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    taken bigint;
BEGIN
    LOOP
        UPDATE record_counters c SET last = greatest(c.last, least_number - 1) + 1
        WHERE c.workflow_id = workflow AND c.prefix = before AND c.suffix = after RETURNING c.last INTO taken;
        EXIT WHEN FOUND;
        INSERT INTO record_counters (workflow_id, prefix, suffix, last)
        SELECT workflow, before, after, coalesce(max(director_number_in(r.record_id, before, after)), 0)
        FROM workflow_records r
        WHERE r.workflow_id = workflow AND r.record_id >= before AND r.record_id < before || U&'\+10FFFF'
        ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN taken;
END $$;
