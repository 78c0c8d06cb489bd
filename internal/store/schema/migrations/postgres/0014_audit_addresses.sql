-- The address of an event in a form that is in the order of the addresses, so that those of
-- a network are found: audit.AddressKey. Events of before are not found by a network.
ALTER TABLE audit_events ADD COLUMN address_key TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX audit_events_address ON audit_events (address_key, id) WHERE address_key <> '';

-- For what bearerd_revoke and versions before this one record.
CREATE FUNCTION bearerd_event_address() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    parsed INET;
BEGIN
    parsed := NEW.address::inet;
    NEW.address_key := family(parsed)::text || substr(encode(inet_send(parsed), 'hex'), 9);
    RETURN NEW;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN NEW;
END
$$;

CREATE TRIGGER audit_events_address BEFORE INSERT ON audit_events
FOR EACH ROW WHEN (NEW.address_key = '' AND NEW.address <> '') EXECUTE FUNCTION bearerd_event_address();
