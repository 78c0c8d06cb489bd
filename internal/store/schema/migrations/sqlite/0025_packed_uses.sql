-- What a stored token was used for, in one row: its lines, packed as store/packeduses.go says. The
-- key is the second half of the token's id. What was counted before is lost: no release had
-- the table.
DROP TABLE token_uses;
CREATE TABLE token_uses (
    token INTEGER NOT NULL PRIMARY KEY,
    lines BLOB    NOT NULL
) STRICT;
