-- director_patch(data, ops): what records/patches.py `apply` does, inside PostgreSQL. It never fails.
-- ops: [{"op": "set" | "delete", "path": ["vars", "lines", 2], "value": ...}, ...]

-- One operation anywhere in the document: walk as far as the path leads, then make what is missing.
CREATE OR REPLACE FUNCTION director_patch_deep(data jsonb, op jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    keys jsonb := op -> 'path';
    depth int := jsonb_array_length(keys);
    reached text[] := '{}';
    node jsonb := data;
    key jsonb;
    content jsonb := coalesce(op -> 'value', 'null');
BEGIN
    WHILE cardinality(reached) < depth LOOP
        key := keys -> cardinality(reached);
        EXIT WHEN jsonb_typeof(node)
            IS DISTINCT FROM CASE jsonb_typeof(key) WHEN 'string' THEN 'object' ELSE 'array' END;
        node := CASE jsonb_typeof(key) WHEN 'string' THEN node -> (key #>> '{}') ELSE node -> key::int END;
        reached := reached || (key #>> '{}');
    END LOOP;
    IF depth = 0 THEN
        RETURN data;
    ELSIF op ->> 'op' = 'delete' THEN
        RETURN CASE WHEN cardinality(reached) = depth AND node IS NOT NULL THEN data #- reached ELSE data END;
    END IF;
    FOR place IN REVERSE depth - 1 .. cardinality(reached) LOOP
        key := keys -> place;
        content := CASE jsonb_typeof(key)
            WHEN 'string' THEN jsonb_build_object(key #>> '{}', content) ELSE jsonb_build_array(content) END;
    END LOOP;
    RETURN CASE WHEN reached = '{}' THEN content ELSE jsonb_set(data, reached, content) END;
END $$;

-- One operation. The common one, setting a key two levels deep, is a single expression that the planner inlines.
CREATE OR REPLACE FUNCTION director_patch_one(data jsonb, op jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN op ->> 'op' = 'set'
            AND jsonb_array_length(op -> 'path') = 2
            AND jsonb_typeof(op #> '{path,0}') = 'string'
            AND jsonb_typeof(op #> '{path,1}') = 'string'
            AND jsonb_typeof(data -> (op #>> '{path,0}')) = 'object'
        THEN jsonb_set(
            data, ARRAY[op #>> '{path,0}', op #>> '{path,1}'], coalesce(op -> 'value', 'null'))
        ELSE director_patch_deep(data, op)
    END
$$;

CREATE OR REPLACE FUNCTION director_patch(data jsonb, ops jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    FOR place IN 0 .. jsonb_array_length(ops) - 1 LOOP
        data := director_patch_one(data, ops -> place);
    END LOOP;
    RETURN data;
END $$;
