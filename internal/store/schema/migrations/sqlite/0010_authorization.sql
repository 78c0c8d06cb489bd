-- What a client of the authorization code grant is registered with.
ALTER TABLE clients ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN redirect_uris TEXT NOT NULL DEFAULT '[]';

-- Of a refresh token: it comes of a grant, and is for the grant's audience alone.
ALTER TABLE tokens ADD COLUMN granted INTEGER NOT NULL DEFAULT 0;

-- Authorization codes (RFC 6749 §4.1.2), by the SHA-256 of their value. A used one stays
-- until it expires: its second use ends the grant.
CREATE TABLE codes (
    digest       BLOB    NOT NULL PRIMARY KEY,
    grant_id     TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    used_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX codes_expired ON codes (expires_at);

-- What a user has allowed a client before, so that they aren't asked again.
CREATE TABLE consents (
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT    NOT NULL,
    audience   TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    collection INTEGER,
    digest     BLOB    NOT NULL, -- of the client's name and redirect URIs at the time
    at         INTEGER NOT NULL,
    PRIMARY KEY (user_id, client_id, audience)
) STRICT, WITHOUT ROWID;
