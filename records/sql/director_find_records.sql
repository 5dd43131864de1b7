-- The records of a workflow by id, or by type and source key (unique indexes record_id_unique, record_source_key_unique).
-- With `alone`, others who make records of the type wait until this transaction is over; the function is volatile, so
-- what those before committed is seen.
CREATE OR REPLACE FUNCTION director_find_records(workflow uuid, type text, ids text[], keys text[], alone bool)
RETURNS TABLE (id uuid, record_id varchar, source_key varchar, record_type varchar)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF alone THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(workflow::text || ':' || type, 3));
    END IF;
    RETURN QUERY SELECT r.id, r.record_id, r.source_key, r.record_type FROM workflow_records r
        WHERE r.workflow_id = workflow AND (r.record_id = ANY (ids) OR (r.record_type = type AND r.source_key = ANY (keys)));
END $$;
