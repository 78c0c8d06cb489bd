-- Searching users for a part of their names: an index of every three characters in a row.
-- An index of that sort names rows by numbers, which users don't have.
CREATE TABLE user_search (
    n       INTEGER PRIMARY KEY,
    user_id TEXT    NOT NULL UNIQUE,
    text    TEXT    NOT NULL
) STRICT;

CREATE VIRTUAL TABLE user_search_grams USING fts5(text, content='user_search', content_rowid='n', tokenize='trigram case_sensitive 1');

CREATE TRIGGER user_search_added AFTER INSERT ON user_search
BEGIN
    INSERT INTO user_search_grams (rowid, text) VALUES (NEW.n, NEW.text);
END;

CREATE TRIGGER user_search_changed AFTER UPDATE OF text ON user_search
BEGIN
    INSERT INTO user_search_grams (user_search_grams, rowid, text) VALUES ('delete', OLD.n, OLD.text);
    INSERT INTO user_search_grams (rowid, text) VALUES (NEW.n, NEW.text);
END;

CREATE TRIGGER user_search_removed AFTER DELETE ON user_search
BEGIN
    INSERT INTO user_search_grams (user_search_grams, rowid, text) VALUES ('delete', OLD.n, OLD.text);
END;

CREATE TRIGGER users_added AFTER INSERT ON users
BEGIN
    INSERT INTO user_search (user_id, text) VALUES (NEW.id, NEW.search);
END;

CREATE TRIGGER users_changed AFTER UPDATE OF search ON users WHEN NEW.search <> OLD.search
BEGIN
    UPDATE user_search SET text = NEW.search WHERE user_id = NEW.id;
END;

CREATE TRIGGER users_removed AFTER DELETE ON users
BEGIN
    DELETE FROM user_search WHERE user_id = OLD.id;
END;

INSERT INTO user_search (user_id, text) SELECT id, search FROM users;

CREATE INDEX users_disabled ON users (username) WHERE disabled = 1;
