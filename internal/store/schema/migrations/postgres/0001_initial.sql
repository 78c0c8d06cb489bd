-- Times are microseconds since 1970-01-01 UTC, 0 where there is none.
-- Lists are JSON arrays. Text is compared bytewise.

CREATE TABLE meta (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

-- The one row whose update makes appends to the log follow one another.
CREATE TABLE log_head (
    one    BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    seq    BIGINT NOT NULL,
    purged BIGINT NOT NULL
);

INSERT INTO log_head (one, seq, purged) VALUES (1, 0, 0);

CREATE TABLE log_entries (
    seq   BIGINT           NOT NULL PRIMARY KEY,
    what  TEXT COLLATE "C" NOT NULL,
    id    TEXT COLLATE "C" NOT NULL,
    until BIGINT           NOT NULL, -- 0: for ever
    at    BIGINT           NOT NULL
);

CREATE INDEX log_entries_id ON log_entries (what, id, seq);
CREATE INDEX log_entries_until ON log_entries (until) WHERE until > 0;

CREATE TABLE nodes (
    node    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seq     BIGINT           NOT NULL,
    lease   BIGINT           NOT NULL, -- microseconds
    seen_at BIGINT           NOT NULL
);

CREATE TABLE users (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    username      TEXT COLLATE "C" NOT NULL UNIQUE,
    name          TEXT COLLATE "C" NOT NULL,
    email         TEXT COLLATE "C" NOT NULL,
    disabled      BIGINT           NOT NULL CHECK (disabled IN (0, 1)),
    password_hash TEXT COLLATE "C" NOT NULL,
    replaced_hash TEXT COLLATE "C" NOT NULL DEFAULT '', -- SHA-256 of the imported hash that a login replaced
    search        TEXT COLLATE "C" NOT NULL -- username, name and email in lower case
);

CREATE TABLE user_groups (
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, group_name)
);

CREATE TABLE collections (
    id   BIGINT           NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE roles (
    name        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    permissions TEXT COLLATE "C" NOT NULL -- JSON: [{"action", "path"}]
);

CREATE TABLE bindings (
    id          TEXT COLLATE "C"  NOT NULL PRIMARY KEY,
    user_id     TEXT COLLATE "C"  REFERENCES users (id) ON DELETE CASCADE,
    group_name  TEXT COLLATE "C",
    role        TEXT COLLATE "C"  REFERENCES roles (name) ON DELETE CASCADE,
    action      TEXT COLLATE "C",
    action_path TEXT COLLATE "C",
    path        TEXT COLLATE "C"  NOT NULL,
    CHECK ((user_id IS NULL) <> (group_name IS NULL)),
    CHECK ((role IS NULL) <> (action IS NULL)),
    CHECK ((action IS NULL) = (action_path IS NULL))
);

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
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    secret_digest BYTEA            NOT NULL,
    grants        TEXT COLLATE "C" NOT NULL,
    scopes        TEXT COLLATE "C" NOT NULL,
    audiences     TEXT COLLATE "C" NOT NULL
);

-- Owner and client are not references: tokens stay listed when those are gone.
CREATE TABLE tokens (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind         TEXT COLLATE "C" NOT NULL,
    digest       BYTEA            UNIQUE,
    prefix       TEXT COLLATE "C" NOT NULL,
    last4        TEXT COLLATE "C" NOT NULL,
    owner        TEXT COLLATE "C" NOT NULL,
    client_id    TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    scope        TEXT COLLATE "C" NOT NULL,
    collection   BIGINT,
    chain        TEXT COLLATE "C" NOT NULL,
    family       TEXT COLLATE "C" NOT NULL,
    seq          BIGINT           NOT NULL,
    created_at   BIGINT           NOT NULL,
    expires_at   BIGINT           NOT NULL,
    last_used_at BIGINT           NOT NULL,
    last_used_by TEXT COLLATE "C" NOT NULL,
    revoked_at   BIGINT           NOT NULL,
    reason       TEXT COLLATE "C" NOT NULL,
    audience     TEXT COLLATE "C" NOT NULL,
    replaces     TEXT COLLATE "C" NOT NULL, -- the token whose value it renewed
    ends_at      BIGINT           NOT NULL,
    noticed_at   BIGINT           NOT NULL DEFAULT 0 -- when the owner was told that it ends soon
);

-- A token's value is renewed once.
CREATE UNIQUE INDEX tokens_replaces ON tokens (replaces) WHERE replaces <> '';
CREATE INDEX tokens_owner ON tokens (owner, created_at, id);
CREATE INDEX tokens_client ON tokens (client_id, created_at, id);
CREATE INDEX tokens_created ON tokens (created_at, id);
CREATE INDEX tokens_expired ON tokens (expires_at) WHERE expires_at > 0;
CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at > 0;

-- What a token dies with: every id in its chain, and its family.
CREATE TABLE token_ancestors (
    ancestor TEXT COLLATE "C" NOT NULL,
    token_id TEXT COLLATE "C" NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    PRIMARY KEY (ancestor, token_id)
);

CREATE INDEX token_ancestors_token ON token_ancestors (token_id);

CREATE TABLE devices (
    digest     BYTEA            NOT NULL PRIMARY KEY,
    user_code  TEXT COLLATE "C" NOT NULL UNIQUE,
    client_id  TEXT COLLATE "C" NOT NULL,
    scope      TEXT COLLATE "C" NOT NULL,
    audience   TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    seq        BIGINT           NOT NULL,
    polled_at  BIGINT           NOT NULL,
    expires_at BIGINT           NOT NULL
);

CREATE INDEX devices_expired ON devices (expires_at);

CREATE TABLE signing_keys (
    kid        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    algorithm  TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL,
    created_at BIGINT           NOT NULL,
    active_at  BIGINT           NOT NULL,
    retired_at BIGINT           NOT NULL,
    gone_at    BIGINT           NOT NULL,
    sealed     BYTEA            NOT NULL
);

CREATE UNIQUE INDEX signing_keys_active ON signing_keys (state) WHERE state = 'active';

CREATE TABLE attempts (
    key   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    count BIGINT           NOT NULL,
    since BIGINT           NOT NULL,
    until BIGINT           NOT NULL
);

CREATE INDEX attempts_until ON attempts (until);

CREATE TABLE audit_events (
    id         BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         BIGINT           NOT NULL,
    actor      TEXT COLLATE "C" NOT NULL,
    action     TEXT COLLATE "C" NOT NULL,
    target     TEXT COLLATE "C" NOT NULL,
    token_id   TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    outcome    TEXT COLLATE "C" NOT NULL,
    reason     TEXT COLLATE "C" NOT NULL
);

CREATE INDEX audit_events_actor ON audit_events (actor, id);
CREATE INDEX audit_events_target ON audit_events (target, id);
CREATE INDEX audit_events_token ON audit_events (token_id, id);
