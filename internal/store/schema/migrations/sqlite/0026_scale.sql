-- How many users each source maintains, by how their ids begin: the sum is the length of the
-- list, and a part of it far from the beginning is found without reading what comes before.
CREATE TABLE owned_users (
    owner TEXT    NOT NULL,
    part  TEXT    NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (owner, part)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER users_owned_insert AFTER INSERT ON users WHEN NEW.owner <> ''
BEGIN
    INSERT INTO owned_users (owner, part, n) VALUES (NEW.owner, substr(NEW.id, 1, 3), 1)
    ON CONFLICT (owner, part) DO UPDATE SET n = n + excluded.n;
END;

CREATE TRIGGER users_owned_delete AFTER DELETE ON users WHEN OLD.owner <> ''
BEGIN
    INSERT INTO owned_users (owner, part, n) VALUES (OLD.owner, substr(OLD.id, 1, 3), -1)
    ON CONFLICT (owner, part) DO UPDATE SET n = n + excluded.n;
END;

CREATE TRIGGER users_owned_update AFTER UPDATE OF owner ON users WHEN OLD.owner <> NEW.owner
BEGIN
    INSERT INTO owned_users (owner, part, n) SELECT OLD.owner, substr(OLD.id, 1, 3), -1 WHERE OLD.owner <> ''
    ON CONFLICT (owner, part) DO UPDATE SET n = n + excluded.n;
    INSERT INTO owned_users (owner, part, n) SELECT NEW.owner, substr(NEW.id, 1, 3), 1 WHERE NEW.owner <> ''
    ON CONFLICT (owner, part) DO UPDATE SET n = n + excluded.n;
END;

INSERT INTO owned_users (owner, part, n)
SELECT owner, substr(id, 1, 3), count(*) FROM users WHERE owner <> '' GROUP BY owner, substr(id, 1, 3);

CREATE INDEX source_groups_listed ON source_groups (owner, id);
CREATE INDEX source_groups_external ON source_groups (owner, external_id) WHERE external_id <> '';

-- The scopes that clients list, which count as declared.
CREATE TABLE client_scopes (
    scope     TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    PRIMARY KEY (scope, client_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX client_scopes_client ON client_scopes (client_id);

CREATE TRIGGER clients_scopes_insert AFTER INSERT ON clients
BEGIN
    INSERT OR IGNORE INTO client_scopes (scope, client_id) SELECT s.value, NEW.id FROM json_each(NEW.scopes) AS s;
END;

CREATE TRIGGER clients_scopes_update AFTER UPDATE OF scopes ON clients
BEGIN
    DELETE FROM client_scopes WHERE client_id = NEW.id;
    INSERT OR IGNORE INTO client_scopes (scope, client_id) SELECT s.value, NEW.id FROM json_each(NEW.scopes) AS s;
END;

INSERT OR IGNORE INTO client_scopes (scope, client_id) SELECT s.value, c.id FROM clients c, json_each(c.scopes) AS s;
