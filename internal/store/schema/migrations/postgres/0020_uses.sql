-- What stored tokens were used for, by the bytes of their ids. Times are in seconds.
CREATE TABLE token_uses (
    token      BYTEA            NOT NULL,
    route      TEXT COLLATE "C" NOT NULL,
    scope      TEXT COLLATE "C" NOT NULL,
    safe       BIGINT           NOT NULL,
    collection BIGINT           NOT NULL, -- -1: none
    first_at   BIGINT           NOT NULL,
    last_at    BIGINT           NOT NULL,
    count      BIGINT           NOT NULL,
    PRIMARY KEY (token, route, scope, safe, collection)
);
