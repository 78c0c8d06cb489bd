-- What a client of the authorization code grant is registered with.
ALTER TABLE clients ADD COLUMN name TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN redirect_uris TEXT COLLATE "C" NOT NULL DEFAULT '[]';

-- Of a refresh token: it comes of a grant, and is for the grant's audience alone.
ALTER TABLE tokens ADD COLUMN granted BIGINT NOT NULL DEFAULT 0;

-- Authorization codes (RFC 6749 §4.1.2), by the SHA-256 of their value. A used one stays
-- until it expires: its second use ends the grant.
CREATE TABLE codes (
    digest       BYTEA NOT NULL PRIMARY KEY,
    grant_id     TEXT COLLATE "C" NOT NULL,
    client_id    TEXT COLLATE "C" NOT NULL,
    redirect_uri TEXT COLLATE "C" NOT NULL,
    challenge    TEXT COLLATE "C" NOT NULL,
    used_at      BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

CREATE INDEX codes_expired ON codes (expires_at);

-- What a user has allowed a client before, so that they aren't asked again.
CREATE TABLE consents (
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT COLLATE "C" NOT NULL,
    audience   TEXT COLLATE "C" NOT NULL,
    scope      TEXT COLLATE "C" NOT NULL,
    collection BIGINT,
    digest     BYTEA NOT NULL, -- of the client's name and redirect URIs at the time
    at         BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id, audience)
);
