-- What report-only routes would have refused, and what the application answered to it.
CREATE TABLE shadow (
    route     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    token_id  TEXT NOT NULL, -- '' where none is known, or where there are too many
    count     INTEGER NOT NULL,
    agreed    INTEGER NOT NULL, -- the application refused too
    disagreed INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    examples  TEXT NOT NULL, -- the latest, as JSON
    PRIMARY KEY (route, reason, token_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX shadow_last ON shadow (last_at);
