-- Searching users for a part of their names: an index of every three characters in a row.
CREATE FUNCTION bearerd_grams(TEXT) RETURNS TEXT[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT coalesce(array_agg(DISTINCT substr($1, i, 3)), '{}') FROM generate_series(1, char_length($1) - 2) AS i
$$;

CREATE INDEX users_search ON users USING gin (bearerd_grams(search));
CREATE INDEX users_disabled ON users (username) WHERE disabled = 1;
