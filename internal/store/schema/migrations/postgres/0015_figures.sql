-- What nodes counted, hour by hour. A node is one run of a process.
CREATE TABLE hourly_counts (
    hour  BIGINT           NOT NULL, -- when it began
    name  TEXT COLLATE "C" NOT NULL,
    node  TEXT COLLATE "C" NOT NULL,
    count BIGINT           NOT NULL,
    PRIMARY KEY (hour, name, node)
);

-- How many users and tokens there were when they were last counted.
CREATE TABLE figures (
    one        BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    begun_at   BIGINT NOT NULL, -- when somebody last began to count
    counted_at BIGINT NOT NULL, -- when the last counting began that was finished; 0: none was
    took       BIGINT NOT NULL,
    users      BIGINT NOT NULL,
    live       BIGINT NOT NULL,
    expiring   BIGINT NOT NULL,
    unused     BIGINT NOT NULL,
    endless    BIGINT NOT NULL,
    revoked    BIGINT NOT NULL
);

INSERT INTO figures VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
