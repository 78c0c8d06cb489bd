-- How many device codes of a client wait.
CREATE INDEX devices_client ON devices (client_id, expires_at);
