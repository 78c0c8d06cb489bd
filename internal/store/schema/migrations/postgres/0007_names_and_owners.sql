-- Usernames are compared by their folded form. It is empty where a version before this
-- one created the user since the last start of this one. Users whose names were different
-- ones for earlier versions, and are one name now, are told apart by their spelling.
ALTER TABLE users ADD COLUMN folded TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN apart TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Names in ASCII; opening the store folds the rest.
UPDATE users SET folded = lower(username)
WHERE username !~ '[^ -~]'
    AND lower(username) NOT IN (SELECT lower(username) FROM users GROUP BY lower(username) HAVING count(*) > 1);

CREATE UNIQUE INDEX users_folded ON users (folded, apart) WHERE folded <> '';
CREATE INDEX users_to_fold ON users (id) WHERE folded = '' OR apart <> '';

-- The source that created something and maintains it; empty: nobody but administrators.
ALTER TABLE users ADD COLUMN owner TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN password_changed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN owner TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE roles ADD COLUMN owner TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE bindings ADD COLUMN owner TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN owner TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Who a user is for a source: never a name.
CREATE TABLE user_links (
    source      TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C" NOT NULL,
    user_id     TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    linked_at   BIGINT           NOT NULL,
    PRIMARY KEY (source, external_id)
);

CREATE INDEX user_links_user ON user_links (user_id);

-- The names of who and whom as they were, or as they were typed.
ALTER TABLE audit_events ADD COLUMN actor_name TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audit_events ADD COLUMN target_name TEXT COLLATE "C" NOT NULL DEFAULT '';

-- For what bearerd_revoke records: it knows no names.
CREATE FUNCTION bearerd_event_names() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.actor_name = '' THEN
        NEW.actor_name := coalesce((SELECT u.username FROM users u WHERE u.id = NEW.actor), '');
    END IF;
    IF NEW.target_name = '' THEN
        NEW.target_name := coalesce((SELECT u.username FROM users u WHERE u.id = NEW.target), '');
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER audit_events_names BEFORE INSERT ON audit_events
FOR EACH ROW WHEN (NEW.actor_name = '' OR NEW.target_name = '') EXECUTE FUNCTION bearerd_event_names();
