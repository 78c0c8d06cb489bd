-- Notices that wait for their receivers, one row for each.
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

CREATE INDEX outbox_due ON outbox (receiver, due_at, subject, seq);
CREATE INDEX outbox_order ON outbox (receiver, seq);
CREATE INDEX outbox_old ON outbox (receiver, at);
CREATE INDEX outbox_age ON outbox (at);

-- Which node sends to a receiver, and until when.
CREATE TABLE outbox_turns (
    receiver TEXT    NOT NULL PRIMARY KEY,
    node     TEXT    NOT NULL,
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The networks from which tokens were used.
CREATE TABLE token_networks (
    token_id TEXT    NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    network  TEXT    NOT NULL,
    at       INTEGER NOT NULL, -- when it was first used from there
    PRIMARY KEY (token_id, network)
) STRICT, WITHOUT ROWID;
