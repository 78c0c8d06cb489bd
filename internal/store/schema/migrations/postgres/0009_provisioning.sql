-- Groups that a source provisions: what it calls them, and a version that grows with every
-- change of the group and its members. Who is in a group stands in user_groups.
CREATE TABLE source_groups (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner       TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    folded      TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C" NOT NULL DEFAULT '',
    version     BIGINT NOT NULL DEFAULT 1
);

CREATE UNIQUE INDEX source_groups_name ON source_groups (owner, folded);

-- What a source says of a user beside; inactive: it is the source that has disabled them.
CREATE TABLE source_users (
    user_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    given_name  TEXT COLLATE "C" NOT NULL,
    family_name TEXT COLLATE "C" NOT NULL,
    email_type  TEXT COLLATE "C" NOT NULL,
    inactive    BIGINT NOT NULL
);

CREATE INDEX users_owner ON users (owner, id) WHERE owner <> '';
CREATE INDEX user_groups_set ON user_groups (set_by, group_name) WHERE set_by <> '';
