-- Of a refresh token: the one for whose use it was issued. Those that have the same are
-- siblings.
ALTER TABLE tokens ADD COLUMN issued_for TEXT NOT NULL DEFAULT '';
CREATE INDEX tokens_issued_for ON tokens (issued_for) WHERE issued_for <> '';

-- Whose tokens a client may exchange besides its own, and the secret that goes on beside
-- the present one until an overlap ends.
ALTER TABLE clients ADD COLUMN exchange_from TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN old_secret_digest BLOB NOT NULL DEFAULT x'';
ALTER TABLE clients ADD COLUMN old_secret_until INTEGER NOT NULL DEFAULT 0;
