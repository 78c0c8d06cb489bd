-- What verifiers outside have confirmed, by the node whose stream they follow. Where
-- verifiers_seq is 0, and verifiers too, the node registers none.
ALTER TABLE nodes ADD COLUMN verifiers_behind BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN edges BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN edges_behind BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN edges_seq BIGINT NOT NULL DEFAULT 0;

-- Confirmations that reached another node than the one that they are for.
CREATE TABLE passed_confirmations (
    to_node       TEXT COLLATE "C" NOT NULL,
    from_node     TEXT COLLATE "C" NOT NULL,
    n             BIGINT           NOT NULL, -- counts those of from_node
    confirmations TEXT COLLATE "C" NOT NULL, -- as JSON
    at            BIGINT           NOT NULL,
    PRIMARY KEY (to_node, from_node, n)
);

CREATE INDEX passed_confirmations_at ON passed_confirmations (at);
