-- Times are microseconds since 1970-01-01 UTC, 0 where there is none.
-- Lists are JSON arrays.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The one row whose update makes appends to the log follow one another.
CREATE TABLE log_head (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seq    INTEGER NOT NULL,
    purged INTEGER NOT NULL
) STRICT;

INSERT INTO log_head (one, seq, purged) VALUES (1, 0, 0);

CREATE TABLE log_entries (
    seq   INTEGER NOT NULL PRIMARY KEY,
    what  TEXT    NOT NULL,
    id    TEXT    NOT NULL,
    until INTEGER NOT NULL, -- 0: for ever
    at    INTEGER NOT NULL
) STRICT;

CREATE INDEX log_entries_id ON log_entries (what, id, seq);
CREATE INDEX log_entries_until ON log_entries (until) WHERE until > 0;

CREATE TABLE nodes (
    node    TEXT    NOT NULL PRIMARY KEY,
    seq     INTEGER NOT NULL,
    lease   INTEGER NOT NULL, -- microseconds
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,
    username      TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    email         TEXT    NOT NULL,
    disabled      INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    password_hash TEXT    NOT NULL,
    replaced_hash TEXT    NOT NULL DEFAULT '', -- SHA-256 of the imported hash that a login replaced
    search        TEXT    NOT NULL -- username, name and email in lower case
) STRICT, WITHOUT ROWID;

CREATE TABLE user_groups (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_name TEXT NOT NULL,
    PRIMARY KEY (user_id, group_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE collections (
    id   INTEGER NOT NULL PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE roles (
    name        TEXT NOT NULL PRIMARY KEY,
    permissions TEXT NOT NULL -- JSON: [{"action", "path"}]
) STRICT, WITHOUT ROWID;

CREATE TABLE bindings (
    id          TEXT NOT NULL PRIMARY KEY,
    user_id     TEXT REFERENCES users (id) ON DELETE CASCADE,
    group_name  TEXT,
    role        TEXT REFERENCES roles (name) ON DELETE CASCADE,
    action      TEXT,
    action_path TEXT,
    path        TEXT NOT NULL,
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
CREATE INDEX bindings_user ON bindings (user_id, path);
CREATE INDEX bindings_group ON bindings (group_name, path);
CREATE INDEX bindings_role ON bindings (role);

CREATE TABLE clients (
    id            TEXT NOT NULL PRIMARY KEY,
    secret_digest BLOB NOT NULL,
    grants        TEXT NOT NULL,
    scopes        TEXT NOT NULL,
    audiences     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Owner and client are not references: tokens stay listed when those are gone.
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
) STRICT;

-- A token's value is renewed once.
CREATE UNIQUE INDEX tokens_replaces ON tokens (replaces) WHERE replaces <> '';
CREATE INDEX tokens_owner ON tokens (owner, created_at, id);
CREATE INDEX tokens_client ON tokens (client_id, created_at, id);
CREATE INDEX tokens_created ON tokens (created_at, id);
CREATE INDEX tokens_expired ON tokens (expires_at) WHERE expires_at > 0;
CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at > 0;

-- What a token dies with: every id in its chain, and its family.
CREATE TABLE token_ancestors (
    ancestor TEXT NOT NULL,
    token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    PRIMARY KEY (ancestor, token_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX token_ancestors_token ON token_ancestors (token_id);

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

CREATE INDEX devices_expired ON devices (expires_at);

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
) STRICT;

CREATE INDEX audit_events_actor ON audit_events (actor, id);
CREATE INDEX audit_events_target ON audit_events (target, id);
CREATE INDEX audit_events_token ON audit_events (token_id, id);
