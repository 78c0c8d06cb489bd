-- An import of another system's tokens that is under way. Nobody sees its tokens until its
-- row is deleted, which publishes all of them. There is one at a time.
CREATE TABLE imports (
    id        BIGINT NOT NULL PRIMARY KEY,
    one       BIGINT NOT NULL UNIQUE CHECK (one = 1),
    active_at BIGINT NOT NULL, -- when it last did something
    ended     BIGINT NOT NULL  -- its tokens are being deleted
);

-- The import that a token came with; 0: bearerd issued it. The digest of an imported one
-- may be a SHA-512.
ALTER TABLE tokens ADD COLUMN import_id BIGINT NOT NULL DEFAULT 0;
CREATE INDEX tokens_import ON tokens (import_id) WHERE import_id > 0;
