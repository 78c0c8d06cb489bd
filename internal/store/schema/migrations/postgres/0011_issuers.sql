-- The issuers whose JWTs are a way to a token, with their rules as JSON.
CREATE TABLE issuers (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    issuer     TEXT COLLATE "C" NOT NULL UNIQUE, -- the iss of their JWTs
    version    TEXT COLLATE "C" NOT NULL,        -- another one after each change
    definition TEXT COLLATE "C" NOT NULL
);
