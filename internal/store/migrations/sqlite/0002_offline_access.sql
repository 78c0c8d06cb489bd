-- What refresh tokens, regenerated API tokens and device codes need.

ALTER TABLE tokens ADD COLUMN audience TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN replaces TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN ends_at INTEGER NOT NULL DEFAULT 0;

-- A token's value is renewed once.
CREATE UNIQUE INDEX tokens_replaces ON tokens (replaces) WHERE replaces <> '';

CREATE TABLE devices (
    digest     BLOB    NOT NULL PRIMARY KEY,
    user_code  TEXT    NOT NULL UNIQUE,
    client_id  TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    audience   TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    polled_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_expired ON devices (expires_at);
