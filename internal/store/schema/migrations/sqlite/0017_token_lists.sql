-- Lists of the tokens that people look after, across users: the newest, those that end
-- first, those that were never used, by name, by the end of their value, by scope.
ALTER TABLE tokens ADD COLUMN never_used INTEGER NOT NULL GENERATED ALWAYS AS (last_used_at = 0) VIRTUAL;

CREATE INDEX tokens_made ON tokens (created_at, id) WHERE kind IN ('api-token', 'api-key', 'grant');
CREATE INDEX tokens_unused ON tokens (created_at, id) WHERE kind IN ('api-token', 'api-key', 'grant') AND never_used = 1;
CREATE INDEX tokens_ending ON tokens (coalesce(nullif(expires_at, 0), 9223372036854775807), id)
    WHERE kind IN ('api-token', 'api-key', 'grant') AND revoked_at = 0;
CREATE INDEX tokens_named ON tokens (lower(name), id) WHERE kind IN ('api-token', 'api-key', 'grant');
CREATE INDEX tokens_last4 ON tokens (last4) WHERE kind IN ('api-token', 'api-key', 'grant');

CREATE TABLE token_scopes (
    scope      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    token_id   TEXT    NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    PRIMARY KEY (scope, created_at, token_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX token_scopes_token ON token_scopes (token_id);

CREATE TRIGGER tokens_scopes AFTER INSERT ON tokens
WHEN NEW.kind IN ('api-token', 'api-key', 'grant') AND NEW.scope <> '[]'
BEGIN
    INSERT OR IGNORE INTO token_scopes (scope, created_at, token_id)
    SELECT s.value, NEW.created_at, NEW.id FROM json_each(NEW.scope) AS s;
END;

INSERT OR IGNORE INTO token_scopes (scope, created_at, token_id)
SELECT s.value, t.created_at, t.id FROM tokens t, json_each(t.scope) AS s
WHERE t.kind IN ('api-token', 'api-key', 'grant') AND t.scope <> '[]';
