-- The number in an id that is made of prefix, number and suffix; null for any other id.
CREATE OR REPLACE FUNCTION director_number_in(id text, prefix text, suffix text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN starts_with(id, prefix) AND right(id, length(suffix)) = suffix
            AND substr(id, length(prefix) + 1, greatest(length(id) - length(prefix) - length(suffix), 0)) ~ '^[0-9]{1,18}$'
        THEN substr(id, length(prefix) + 1, length(id) - length(prefix) - length(suffix))::bigint
    END
$$;
