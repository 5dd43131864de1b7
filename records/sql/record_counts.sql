-- Counts of records by workflow, type and status, kept as differences: a row per statement and status that it moved.
-- Temporary records of an array iterate (execution_id set) are not counted.

CREATE OR REPLACE FUNCTION director_count_records() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO record_counts (workflow_id, record_type, status, count)
        SELECT workflow_id, record_type, status, count(*) FROM added
        WHERE execution_id IS NULL GROUP BY 1, 2, 3;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO record_counts (workflow_id, record_type, status, count)
        SELECT workflow_id, record_type, status, -count(*) FROM removed
        WHERE execution_id IS NULL GROUP BY 1, 2, 3;
    ELSE
        INSERT INTO record_counts (workflow_id, record_type, status, count)
        SELECT workflow_id, record_type, status, sum(count) FROM (
            SELECT workflow_id, record_type, status, count(*) FROM added WHERE execution_id IS NULL GROUP BY 1, 2, 3
            UNION ALL
            SELECT workflow_id, record_type, status, -count(*) FROM removed WHERE execution_id IS NULL GROUP BY 1, 2, 3
        ) AS moved GROUP BY 1, 2, 3 HAVING sum(count) <> 0;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER record_counted_when_added AFTER INSERT ON workflow_records
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION director_count_records();
CREATE TRIGGER record_counted_when_moved AFTER UPDATE ON workflow_records
REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION director_count_records();
CREATE TRIGGER record_counted_when_removed AFTER DELETE ON workflow_records
REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION director_count_records();

INSERT INTO record_counts (workflow_id, record_type, status, count)
SELECT workflow_id, record_type, status, count(*) FROM workflow_records WHERE execution_id IS NULL GROUP BY 1, 2, 3;
