CREATE TABLE attempts (
    key   TEXT    NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX attempts_until ON attempts (until);

CREATE TABLE audit_events (
    id         INTEGER NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    token_id   TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    reason     TEXT    NOT NULL
, count INTEGER NOT NULL DEFAULT 1, tally TEXT NOT NULL DEFAULT '', actor_name TEXT NOT NULL DEFAULT '', target_name TEXT NOT NULL DEFAULT '', address_key TEXT NOT NULL DEFAULT '') STRICT;

CREATE INDEX audit_events_action ON audit_events (action, id);

CREATE INDEX audit_events_actor ON audit_events (actor, id);

CREATE INDEX audit_events_address ON audit_events (address_key, id) WHERE address_key <> '';

CREATE INDEX audit_events_at ON audit_events (at);

CREATE INDEX audit_events_outcome ON audit_events (outcome, id) WHERE outcome <> 'ok';

CREATE UNIQUE INDEX audit_events_tally ON audit_events (tally) WHERE tally <> '';

CREATE INDEX audit_events_target ON audit_events (target, id);

CREATE INDEX audit_events_token ON audit_events (token_id, id);

CREATE TABLE bindings (
    id          TEXT NOT NULL PRIMARY KEY,
    user_id     TEXT REFERENCES users (id) ON DELETE CASCADE,
    group_name  TEXT,
    role        TEXT REFERENCES roles (name) ON DELETE CASCADE,
    action      TEXT,
    action_path TEXT,
    path        TEXT NOT NULL, owner TEXT NOT NULL DEFAULT '',
    CHECK ((user_id IS NULL) <> (group_name IS NULL)),
    CHECK ((role IS NULL) <> (action IS NULL)),
    CHECK ((action IS NULL) = (action_path IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX bindings_equal ON bindings (
    path,
    (coalesce(user_id, '')),
    (coalesce(group_name, '')),
    (coalesce(role, '')),
    (coalesce(action, '')),
    (coalesce(action_path, ''))
);

CREATE INDEX bindings_group ON bindings (group_name, path);

CREATE INDEX bindings_listed ON bindings (path, id);

CREATE INDEX bindings_role ON bindings (role);

CREATE INDEX bindings_role_listed ON bindings (role, path, id) WHERE role IS NOT NULL;

CREATE INDEX bindings_user ON bindings (user_id, path);

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

CREATE TABLE clients (
    id            TEXT NOT NULL PRIMARY KEY,
    secret_digest BLOB NOT NULL,
    grants        TEXT NOT NULL,
    scopes        TEXT NOT NULL,
    audiences     TEXT NOT NULL
, exchange_from TEXT NOT NULL DEFAULT '[]', old_secret_digest BLOB NOT NULL DEFAULT x'', old_secret_until INTEGER NOT NULL DEFAULT 0, owner TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '', redirect_uris TEXT NOT NULL DEFAULT '[]', jwks TEXT NOT NULL DEFAULT '', jwks_uri TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;

CREATE TABLE codes (
    digest       BLOB    NOT NULL PRIMARY KEY,
    grant_id     TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    used_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX codes_expired ON codes (expires_at);

CREATE TABLE collections (
    id   INTEGER NOT NULL PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
, owner TEXT NOT NULL DEFAULT '') STRICT;

CREATE TABLE consents (
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT    NOT NULL,
    audience   TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    collection INTEGER,
    digest     BLOB    NOT NULL, -- of the client's name and redirect URIs at the time
    at         INTEGER NOT NULL,
    PRIMARY KEY (user_id, client_id, audience)
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    digest     BLOB    NOT NULL PRIMARY KEY,
    user_code  TEXT    NOT NULL UNIQUE,
    client_id  TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    audience   TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    polled_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_client ON devices (client_id, expires_at);

CREATE INDEX devices_expired ON devices (expires_at);

CREATE TABLE document_keys (
    client_id TEXT NOT NULL PRIMARY KEY,
    jwks      TEXT NOT NULL,
    jwks_uri  TEXT NOT NULL,
    until     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX document_keys_until ON document_keys (until);

CREATE TABLE figures (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    begun_at   INTEGER NOT NULL, -- when somebody last began to count
    counted_at INTEGER NOT NULL, -- when the last counting began that was finished; 0: none was
    took       INTEGER NOT NULL,
    users      INTEGER NOT NULL,
    live       INTEGER NOT NULL,
    expiring   INTEGER NOT NULL,
    unused     INTEGER NOT NULL,
    endless    INTEGER NOT NULL,
    revoked    INTEGER NOT NULL
) STRICT;

CREATE TABLE hourly_counts (
    hour  INTEGER NOT NULL, -- when it began
    name  TEXT    NOT NULL,
    node  TEXT    NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, name, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE imports (
    id        INTEGER NOT NULL PRIMARY KEY,
    one       INTEGER NOT NULL UNIQUE CHECK (one = 1),
    active_at INTEGER NOT NULL, -- when it last did something
    ended     INTEGER NOT NULL  -- its tokens are being deleted
) STRICT;

CREATE TABLE issuers (
    name       TEXT NOT NULL PRIMARY KEY,
    issuer     TEXT NOT NULL UNIQUE, -- the iss of their JWTs
    version    TEXT NOT NULL,        -- another one after each change
    definition TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE known_addresses (
    account TEXT NOT NULL,
    address TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (account, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX known_addresses_last ON known_addresses (last_at);

CREATE TABLE log_entries (
    seq   INTEGER NOT NULL PRIMARY KEY,
    what  TEXT    NOT NULL,
    id    TEXT    NOT NULL,
    until INTEGER NOT NULL, -- 0: for ever
    at    INTEGER NOT NULL
) STRICT;

CREATE INDEX log_entries_id ON log_entries (what, id, seq);

CREATE INDEX log_entries_until ON log_entries (until) WHERE until > 0;

CREATE TABLE log_head (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seq    INTEGER NOT NULL,
    purged INTEGER NOT NULL
, purged_until INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE log_settled (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n   INTEGER NOT NULL
);

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE migrations (
    name TEXT    NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    node    TEXT    NOT NULL PRIMARY KEY,
    seq     INTEGER NOT NULL,
    lease   INTEGER NOT NULL, -- microseconds
    seen_at INTEGER NOT NULL
, verifiers INTEGER NOT NULL DEFAULT 0, verifiers_seq INTEGER NOT NULL DEFAULT 0, verifiers_behind INTEGER NOT NULL DEFAULT 0, edges INTEGER NOT NULL DEFAULT 0, edges_behind INTEGER NOT NULL DEFAULT 0, edges_seq INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    seq      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    receiver TEXT    NOT NULL,
    jti      TEXT    NOT NULL,
    event    TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    fact     TEXT    NOT NULL, -- JSON, without secrets
    at       INTEGER NOT NULL,
    due_at   INTEGER NOT NULL,
    attempts INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_age ON outbox (at);

CREATE INDEX outbox_due ON outbox (receiver, due_at, subject, seq);

CREATE INDEX outbox_old ON outbox (receiver, at);

CREATE INDEX outbox_order ON outbox (receiver, seq);

CREATE TABLE outbox_turns (
    receiver TEXT    NOT NULL PRIMARY KEY,
    node     TEXT    NOT NULL,
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE owned_users (
    owner TEXT    NOT NULL,
    part  TEXT    NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (owner, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE passed_confirmations (
    to_node       TEXT    NOT NULL,
    from_node     TEXT    NOT NULL,
    n             INTEGER NOT NULL, -- counts those of from_node
    confirmations TEXT    NOT NULL, -- as JSON
    at            INTEGER NOT NULL,
    PRIMARY KEY (to_node, from_node, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX passed_confirmations_at ON passed_confirmations (at);

CREATE TABLE password_links (
    digest     BLOB    NOT NULL PRIMARY KEY,
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX password_links_expired ON password_links (expires_at);

CREATE INDEX password_links_user ON password_links (user_id);

CREATE TABLE roles (
    name        TEXT NOT NULL PRIMARY KEY,
    permissions TEXT NOT NULL -- JSON: [{"action", "path"}]
, owner TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;

CREATE TABLE shadow (
    route     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    token_id  TEXT NOT NULL, -- '' where none is known, or where there are too many
    count     INTEGER NOT NULL,
    agreed    INTEGER NOT NULL, -- the application refused too
    disagreed INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    examples  TEXT NOT NULL, -- the latest, as JSON
    PRIMARY KEY (route, reason, token_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX shadow_last ON shadow (last_at);

CREATE TABLE signing_keys (
    kid        TEXT    NOT NULL PRIMARY KEY,
    algorithm  TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    active_at  INTEGER NOT NULL,
    retired_at INTEGER NOT NULL,
    gone_at    INTEGER NOT NULL,
    sealed     BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX signing_keys_active ON signing_keys (state) WHERE state = 'active';

CREATE TABLE source_groups (
    id          TEXT    NOT NULL PRIMARY KEY,
    owner       TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    folded      TEXT    NOT NULL,
    external_id TEXT    NOT NULL DEFAULT '',
    version     INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

CREATE INDEX source_groups_external ON source_groups (owner, external_id) WHERE external_id <> '';

CREATE INDEX source_groups_listed ON source_groups (owner, id);

CREATE UNIQUE INDEX source_groups_name ON source_groups (owner, folded);

CREATE TABLE source_users (
    user_id     TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    given_name  TEXT    NOT NULL,
    family_name TEXT    NOT NULL,
    email_type  TEXT    NOT NULL,
    inactive    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE spent (
    digest BLOB    NOT NULL PRIMARY KEY,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_until ON spent (until);

CREATE TABLE sqlite_sequence(name,seq);

CREATE TABLE token_ancestors (
    ancestor TEXT NOT NULL,
    token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    PRIMARY KEY (ancestor, token_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX token_ancestors_token ON token_ancestors (token_id);

CREATE TABLE token_networks (
    token_id TEXT    NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    network  TEXT    NOT NULL,
    at       INTEGER NOT NULL, -- when it was first used from there
    PRIMARY KEY (token_id, network)
) STRICT, WITHOUT ROWID;

CREATE TABLE token_scopes (
    scope      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    token_id   TEXT    NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    PRIMARY KEY (scope, created_at, token_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX token_scopes_token ON token_scopes (token_id);

CREATE TABLE token_uses (
    token INTEGER NOT NULL PRIMARY KEY,
    lines BLOB    NOT NULL
) STRICT;

CREATE TRIGGER tokens_scopes AFTER INSERT ON tokens
WHEN NEW.kind IN ('api-token', 'api-key', 'grant') AND NEW.scope <> '[]'
BEGIN
    INSERT OR IGNORE INTO token_scopes (scope, created_at, token_id)
    SELECT s.value, NEW.created_at, NEW.id FROM json_each(NEW.scope) AS s;
END;

CREATE TABLE tokens (
    id           TEXT    NOT NULL PRIMARY KEY,
    kind         TEXT    NOT NULL,
    digest       BLOB    UNIQUE,
    prefix       TEXT    NOT NULL,
    last4        TEXT    NOT NULL,
    owner        TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    scope        TEXT    NOT NULL,
    collection   INTEGER,
    chain        TEXT    NOT NULL,
    family       TEXT    NOT NULL,
    seq          INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    last_used_by TEXT    NOT NULL,
    revoked_at   INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    audience     TEXT    NOT NULL,
    replaces     TEXT    NOT NULL, -- the token whose value it renewed
    ends_at      INTEGER NOT NULL,
    noticed_at   INTEGER NOT NULL DEFAULT 0 -- when the owner was told that it ends soon
, issued_for TEXT NOT NULL DEFAULT '', source TEXT NOT NULL DEFAULT '', source_session TEXT NOT NULL DEFAULT '', authenticated_at INTEGER NOT NULL DEFAULT 0, granted INTEGER NOT NULL DEFAULT 0, networks TEXT NOT NULL DEFAULT '[]', never_used INTEGER NOT NULL GENERATED ALWAYS AS (last_used_at = 0) VIRTUAL, description TEXT NOT NULL DEFAULT '', import_id INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX tokens_client ON tokens (client_id, created_at, id);

CREATE INDEX tokens_created ON tokens (created_at, id);

CREATE INDEX tokens_ending ON tokens (coalesce(nullif(expires_at, 0), 9223372036854775807), id)
    WHERE kind IN ('api-token', 'api-key', 'grant') AND revoked_at = 0;

CREATE INDEX tokens_expired ON tokens (expires_at) WHERE expires_at > 0;

CREATE INDEX tokens_import ON tokens (import_id) WHERE import_id > 0;

CREATE INDEX tokens_issued_for ON tokens (issued_for) WHERE issued_for <> '';

CREATE INDEX tokens_last4 ON tokens (last4) WHERE kind IN ('api-token', 'api-key', 'grant');

CREATE INDEX tokens_made ON tokens (created_at, id) WHERE kind IN ('api-token', 'api-key', 'grant');

CREATE INDEX tokens_named ON tokens (lower(name), id) WHERE kind IN ('api-token', 'api-key', 'grant');

CREATE INDEX tokens_owner ON tokens (owner, created_at, id);

CREATE UNIQUE INDEX tokens_replaces ON tokens (replaces) WHERE replaces <> '';

CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at > 0;

CREATE INDEX tokens_source ON tokens (source, source_session) WHERE source <> '';

CREATE INDEX tokens_unused ON tokens (created_at, id) WHERE kind IN ('api-token', 'api-key', 'grant') AND never_used = 1;

CREATE TABLE user_groups (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_name TEXT NOT NULL, set_by TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (user_id, group_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX user_groups_set ON user_groups (set_by, group_name) WHERE set_by <> '';

CREATE TABLE user_links (
    source      TEXT    NOT NULL,
    external_id TEXT    NOT NULL,
    user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    linked_at   INTEGER NOT NULL,
    PRIMARY KEY (source, external_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX user_links_user ON user_links (user_id);

CREATE TRIGGER user_search_added AFTER INSERT ON user_search
BEGIN
    INSERT INTO user_search_grams (rowid, text) VALUES (NEW.n, NEW.text);
END;

CREATE TRIGGER user_search_changed AFTER UPDATE OF text ON user_search
BEGIN
    INSERT INTO user_search_grams (user_search_grams, rowid, text) VALUES ('delete', OLD.n, OLD.text);
    INSERT INTO user_search_grams (rowid, text) VALUES (NEW.n, NEW.text);
END;

CREATE TRIGGER user_search_removed AFTER DELETE ON user_search
BEGIN
    INSERT INTO user_search_grams (user_search_grams, rowid, text) VALUES ('delete', OLD.n, OLD.text);
END;

CREATE TABLE user_search (
    n       INTEGER PRIMARY KEY,
    user_id TEXT    NOT NULL UNIQUE,
    text    TEXT    NOT NULL
) STRICT;

CREATE VIRTUAL TABLE user_search_grams USING fts5(text, content='user_search', content_rowid='n', tokenize='trigram case_sensitive 1');

CREATE TABLE 'user_search_grams_config'(k PRIMARY KEY, v) WITHOUT ROWID;

CREATE TABLE 'user_search_grams_data'(id INTEGER PRIMARY KEY, block BLOB);

CREATE TABLE 'user_search_grams_docsize'(id INTEGER PRIMARY KEY, sz BLOB);

CREATE TABLE 'user_search_grams_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

CREATE TRIGGER users_added AFTER INSERT ON users
BEGIN
    INSERT INTO user_search (user_id, text) VALUES (NEW.id, NEW.search);
END;

CREATE TRIGGER users_changed AFTER UPDATE OF search ON users WHEN NEW.search <> OLD.search
BEGIN
    UPDATE user_search SET text = NEW.search WHERE user_id = NEW.id;
END;

CREATE TRIGGER users_owned_delete AFTER DELETE ON users WHEN OLD.owner <> ''
BEGIN
    INSERT INTO owned_users (owner, part, n) VALUES (OLD.owner, substr(OLD.id, 1, 3), -1)
    ON CONFLICT (owner, part) DO UPDATE SET n = n + excluded.n;
END;

CREATE TRIGGER users_owned_insert AFTER INSERT ON users WHEN NEW.owner <> ''
BEGIN
    INSERT INTO owned_users (owner, part, n) VALUES (NEW.owner, substr(NEW.id, 1, 3), 1)
    ON CONFLICT (owner, part) DO UPDATE SET n = n + excluded.n;
END;

CREATE TRIGGER users_owned_update AFTER UPDATE OF owner ON users WHEN OLD.owner <> NEW.owner
BEGIN
    INSERT INTO owned_users (owner, part, n) SELECT OLD.owner, substr(OLD.id, 1, 3), -1 WHERE OLD.owner <> ''
    ON CONFLICT (owner, part) DO UPDATE SET n = n + excluded.n;
    INSERT INTO owned_users (owner, part, n) SELECT NEW.owner, substr(NEW.id, 1, 3), 1 WHERE NEW.owner <> ''
    ON CONFLICT (owner, part) DO UPDATE SET n = n + excluded.n;
END;

CREATE TRIGGER users_removed AFTER DELETE ON users
BEGIN
    DELETE FROM user_search WHERE user_id = OLD.id;
END;

CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,
    username      TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    email         TEXT    NOT NULL,
    disabled      INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    password_hash TEXT    NOT NULL,
    replaced_hash TEXT    NOT NULL DEFAULT '', -- SHA-256 of the imported hash that a login replaced
    search        TEXT    NOT NULL -- username, name and email in lower case
, folded TEXT NOT NULL DEFAULT '', apart TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL DEFAULT '', password_changed_at INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;

CREATE INDEX users_disabled ON users (username) WHERE disabled = 1;

CREATE UNIQUE INDEX users_folded ON users (folded, apart) WHERE folded <> '';

CREATE INDEX users_owner ON users (owner, id) WHERE owner <> '';

CREATE INDEX users_to_fold ON users (id) WHERE folded = '' OR apart <> '';
