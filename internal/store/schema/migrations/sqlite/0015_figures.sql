-- What nodes counted, hour by hour. A node is one run of a process.
CREATE TABLE hourly_counts (
    hour  INTEGER NOT NULL, -- when it began
    name  TEXT    NOT NULL,
    node  TEXT    NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, name, node)
) STRICT, WITHOUT ROWID;

-- How many users and tokens there were when they were last counted.
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

INSERT INTO figures VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
