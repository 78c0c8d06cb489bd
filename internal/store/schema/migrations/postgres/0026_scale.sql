-- How many users each source maintains, by how their ids begin: the sum is the length of the
-- list, and a part of it far from the beginning is found without reading what comes before.
CREATE TABLE owned_users (
    owner TEXT COLLATE "C" NOT NULL,
    part  TEXT COLLATE "C" NOT NULL,
    n     BIGINT           NOT NULL,
    PRIMARY KEY (owner, part)
);

CREATE FUNCTION bearerd_owned_users() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.owner <> '' THEN
        INSERT INTO owned_users (owner, part, n) VALUES (OLD.owner, substr(OLD.id, 1, 3), -1)
        ON CONFLICT (owner, part) DO UPDATE SET n = owned_users.n + excluded.n;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.owner <> '' THEN
        INSERT INTO owned_users (owner, part, n) VALUES (NEW.owner, substr(NEW.id, 1, 3), 1)
        ON CONFLICT (owner, part) DO UPDATE SET n = owned_users.n + excluded.n;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER users_owned AFTER INSERT OR DELETE OR UPDATE OF owner ON users
FOR EACH ROW EXECUTE FUNCTION bearerd_owned_users();

INSERT INTO owned_users (owner, part, n)
SELECT owner, substr(id, 1, 3), count(*) FROM users WHERE owner <> '' GROUP BY owner, substr(id, 1, 3);

CREATE INDEX source_groups_listed ON source_groups (owner, id);
CREATE INDEX source_groups_external ON source_groups (owner, external_id) WHERE external_id <> '';

-- The scopes that clients list, which count as declared.
CREATE TABLE client_scopes (
    scope     TEXT COLLATE "C" NOT NULL,
    client_id TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    PRIMARY KEY (scope, client_id)
);

CREATE INDEX client_scopes_client ON client_scopes (client_id);

CREATE FUNCTION bearerd_client_scopes() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM client_scopes WHERE client_id = NEW.id;
    INSERT INTO client_scopes (scope, client_id)
    SELECT s.scope, NEW.id FROM json_array_elements_text(NEW.scopes::json) AS s (scope) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER clients_scopes AFTER INSERT OR UPDATE OF scopes ON clients
FOR EACH ROW EXECUTE FUNCTION bearerd_client_scopes();

INSERT INTO client_scopes (scope, client_id)
SELECT s.scope, c.id FROM clients c CROSS JOIN LATERAL json_array_elements_text(c.scopes::json) AS s (scope) ON CONFLICT DO NOTHING;
