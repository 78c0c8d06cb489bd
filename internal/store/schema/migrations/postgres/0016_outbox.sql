-- Notices that wait for their receivers, one row for each.
CREATE TABLE outbox (
    seq      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    receiver TEXT COLLATE "C" NOT NULL,
    jti      TEXT COLLATE "C" NOT NULL,
    event    TEXT COLLATE "C" NOT NULL,
    subject  TEXT COLLATE "C" NOT NULL,
    fact     TEXT COLLATE "C" NOT NULL, -- JSON, without secrets
    at       BIGINT NOT NULL,
    due_at   BIGINT NOT NULL,
    attempts BIGINT NOT NULL
);

CREATE INDEX outbox_due ON outbox (receiver, due_at, subject, seq);
CREATE INDEX outbox_order ON outbox (receiver, seq);
CREATE INDEX outbox_old ON outbox (receiver, at);
CREATE INDEX outbox_age ON outbox (at);

-- Which node sends to a receiver, and until when.
CREATE TABLE outbox_turns (
    receiver TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    node     TEXT COLLATE "C" NOT NULL,
    until    BIGINT NOT NULL
);

-- The networks from which tokens were used.
CREATE TABLE token_networks (
    token_id TEXT COLLATE "C" NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    network  TEXT COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL, -- when it was first used from there
    PRIMARY KEY (token_id, network)
);
