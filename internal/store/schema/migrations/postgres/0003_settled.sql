-- One row that is counted up by whoever must commit something to know that what it
-- read is durable.
CREATE TABLE log_settled (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    n   BIGINT NOT NULL
);
INSERT INTO log_settled (one, n) VALUES (1, 0);
