-- Who set a membership: a source, which replaces only its own; empty: an administrator.
ALTER TABLE user_groups ADD COLUMN set_by TEXT NOT NULL DEFAULT '';

-- How a session began: by which source, in which session of the source's, and when the
-- person authenticated, 0 where that is not known.
ALTER TABLE tokens ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN source_session TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN authenticated_at INTEGER NOT NULL DEFAULT 0;

CREATE INDEX tokens_source ON tokens (source, source_session) WHERE source <> '';

-- What is good once, by its SHA-256, until it would be refused anyway.
CREATE TABLE spent (
    digest BLOB    NOT NULL PRIMARY KEY,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_until ON spent (until);

-- Links with which a user sets a password, by the SHA-256 of their secret part.
CREATE TABLE password_links (
    digest     BLOB    NOT NULL PRIMARY KEY,
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX password_links_user ON password_links (user_id);
CREATE INDEX password_links_expired ON password_links (expires_at);
