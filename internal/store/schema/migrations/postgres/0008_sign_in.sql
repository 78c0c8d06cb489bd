-- Who set a membership: a source, which replaces only its own; empty: an administrator.
ALTER TABLE user_groups ADD COLUMN set_by TEXT COLLATE "C" NOT NULL DEFAULT '';

-- How a session began: by which source, in which session of the source's, and when the
-- person authenticated, 0 where that is not known.
ALTER TABLE tokens ADD COLUMN source TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN source_session TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN authenticated_at BIGINT NOT NULL DEFAULT 0;

CREATE INDEX tokens_source ON tokens (source, source_session) WHERE source <> '';

-- What is good once, by its SHA-256, until it would be refused anyway.
CREATE TABLE spent (
    digest BYTEA NOT NULL PRIMARY KEY,
    until  BIGINT NOT NULL
);

CREATE INDEX spent_until ON spent (until);

-- Links with which a user sets a password, by the SHA-256 of their secret part.
CREATE TABLE password_links (
    digest     BYTEA NOT NULL PRIMARY KEY,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_by TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX password_links_user ON password_links (user_id);
CREATE INDEX password_links_expired ON password_links (expires_at);
