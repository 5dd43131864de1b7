-- The records of a workflow by id, or by type and source key.
--
-- With `alone`, others who make records of the type wait until this transaction is over. The function is volatile, so the
-- search that follows sees what those before have committed.
--
-- Each id is looked up by itself in its unique index (record_id_unique, record_source_key_unique). That has to be forced: of
-- a workflow that is newer than the statistics the planner thinks it has hardly any records, takes any index that
-- begins with the workflow, and reads all its records for every id. A range of one value in order, where sorting is
-- not allowed, leaves only the right one.
CREATE OR REPLACE FUNCTION director_find_records(workflow uuid, type text, ids text[], keys text[], alone bool)
RETURNS TABLE (id uuid, record_id varchar, source_key varchar, record_type varchar)
LANGUAGE plpgsql VOLATILE SET enable_sort = off AS $$
BEGIN
    IF alone THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(workflow::text || ':' || type, 3));
    END IF;
    RETURN QUERY SELECT found.* FROM unnest(ids) AS wanted CROSS JOIN LATERAL (
        SELECT r.id, r.record_id, r.source_key, r.record_type FROM workflow_records r
        WHERE r.workflow_id = workflow AND r.record_id >= wanted AND r.record_id <= wanted
        ORDER BY r.record_id LIMIT 1
    ) AS found;
    RETURN QUERY SELECT found.* FROM unnest(keys) AS wanted CROSS JOIN LATERAL (
        SELECT r.id, r.record_id, r.source_key, r.record_type FROM workflow_records r
        WHERE r.workflow_id = workflow AND r.record_type = type AND r.source_key >= wanted AND r.source_key <= wanted
        ORDER BY r.source_key LIMIT 1
    ) AS found;
END $$;
