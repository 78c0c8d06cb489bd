-- The keys by which a client authenticates itself: a JWK Set, or where it is.
ALTER TABLE clients ADD COLUMN jwks TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN jwks_uri TEXT COLLATE "C" NOT NULL DEFAULT '';

-- The same of clients that nobody registered, as the document said that a person allowed last:
-- until the last grant ends.
CREATE TABLE document_keys (
    client_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    jwks      TEXT COLLATE "C" NOT NULL,
    jwks_uri  TEXT COLLATE "C" NOT NULL,
    until     BIGINT NOT NULL
);

CREATE INDEX document_keys_until ON document_keys (until);
