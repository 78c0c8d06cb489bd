-- One row that is counted up by whoever must commit something to know that what it
-- read is durable.
CREATE TABLE log_settled (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n   INTEGER NOT NULL
);
INSERT INTO log_settled (one, n) VALUES (1, 0);
