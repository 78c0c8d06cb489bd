-- The keys by which a client authenticates itself: a JWK Set, or where it is.
ALTER TABLE clients ADD COLUMN jwks TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN jwks_uri TEXT NOT NULL DEFAULT '';

-- The same of clients that nobody registered, as the document said that a person allowed last:
-- until the last grant ends.
CREATE TABLE document_keys (
    client_id TEXT NOT NULL PRIMARY KEY,
    jwks      TEXT NOT NULL,
    jwks_uri  TEXT NOT NULL,
    until     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX document_keys_until ON document_keys (until);
