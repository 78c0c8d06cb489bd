-- The address of an event in a form that is in the order of the addresses, so that those of
-- a network are found: audit.AddressKey. Events of before are not found by a network.
ALTER TABLE audit_events ADD COLUMN address_key TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_events_address ON audit_events (address_key, id) WHERE address_key <> '';
