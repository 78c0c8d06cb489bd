-- The issuers whose JWTs are a way to a token, with their rules as JSON.
CREATE TABLE issuers (
    name       TEXT NOT NULL PRIMARY KEY,
    issuer     TEXT NOT NULL UNIQUE, -- the iss of their JWTs
    version    TEXT NOT NULL,        -- another one after each change
    definition TEXT NOT NULL
) STRICT, WITHOUT ROWID;
