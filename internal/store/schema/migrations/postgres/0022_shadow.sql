-- What report-only routes would have refused, and what the application answered to it.
CREATE TABLE shadow (
    route     TEXT COLLATE "C" NOT NULL,
    reason    TEXT COLLATE "C" NOT NULL,
    token_id  TEXT COLLATE "C" NOT NULL, -- '' where none is known, or where there are too many
    count     BIGINT NOT NULL,
    agreed    BIGINT NOT NULL, -- the application refused too
    disagreed BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    examples  TEXT COLLATE "C" NOT NULL, -- the latest, as JSON
    PRIMARY KEY (route, reason, token_id)
);

CREATE INDEX shadow_last ON shadow (last_at);
