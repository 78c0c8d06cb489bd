-- What stored tokens were used for, by the bytes of their ids. Times are in seconds.
CREATE TABLE token_uses (
    token      BLOB    NOT NULL,
    route      TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    safe       INTEGER NOT NULL,
    collection INTEGER NOT NULL, -- -1: none
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (token, route, scope, safe, collection)
) STRICT, WITHOUT ROWID;
