-- How many device codes of a client wait.
CREATE INDEX devices_client ON devices (client_id, expires_at);

-- An event may stand for as many refusals. Its tally names the row that they are added
-- to while their minute goes on.
ALTER TABLE audit_events ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE audit_events ADD COLUMN tally TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX audit_events_tally ON audit_events (tally) WHERE tally <> '';
CREATE INDEX audit_events_at ON audit_events (at);

-- From where accounts signed in lately, as digests.
CREATE TABLE known_addresses (
    account TEXT NOT NULL,
    address TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (account, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX known_addresses_last ON known_addresses (last_at);
