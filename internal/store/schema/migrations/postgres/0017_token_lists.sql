-- Lists of the tokens that people look after, across users: the newest, those that end
-- first, those that were never used, by name, by the end of their value, by scope.
-- never_used changes once in a token's life, so that other uses touch no index.
ALTER TABLE tokens ADD COLUMN never_used BIGINT NOT NULL GENERATED ALWAYS AS (CASE WHEN last_used_at = 0 THEN 1 ELSE 0 END) STORED;

CREATE INDEX tokens_made ON tokens (created_at, id) WHERE kind IN ('api-token', 'api-key', 'grant');
CREATE INDEX tokens_unused ON tokens (created_at, id) WHERE kind IN ('api-token', 'api-key', 'grant') AND never_used = 1;
CREATE INDEX tokens_ending ON tokens ((coalesce(nullif(expires_at, 0), 9223372036854775807)), id)
    WHERE kind IN ('api-token', 'api-key', 'grant') AND revoked_at = 0;
CREATE INDEX tokens_named ON tokens ((lower(name)), id) WHERE kind IN ('api-token', 'api-key', 'grant');
CREATE INDEX tokens_last4 ON tokens (last4) WHERE kind IN ('api-token', 'api-key', 'grant');

CREATE TABLE token_scopes (
    scope      TEXT COLLATE "C" NOT NULL,
    created_at BIGINT           NOT NULL,
    token_id   TEXT COLLATE "C" NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    PRIMARY KEY (scope, created_at, token_id)
);

CREATE INDEX token_scopes_token ON token_scopes (token_id);

CREATE FUNCTION bearerd_token_scopes() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO token_scopes (scope, created_at, token_id)
    SELECT s.scope, NEW.created_at, NEW.id FROM json_array_elements_text(NEW.scope::json) AS s (scope) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER tokens_scopes AFTER INSERT ON tokens
FOR EACH ROW WHEN (NEW.kind IN ('api-token', 'api-key', 'grant') AND NEW.scope <> '[]') EXECUTE FUNCTION bearerd_token_scopes();

INSERT INTO token_scopes (scope, created_at, token_id)
SELECT s.scope, t.created_at, t.id FROM tokens t CROSS JOIN LATERAL json_array_elements_text(t.scope::json) AS s (scope)
WHERE t.kind IN ('api-token', 'api-key', 'grant') AND t.scope <> '[]' ON CONFLICT DO NOTHING;
