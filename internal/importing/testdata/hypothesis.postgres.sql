-- As Hypothesis makes them: what the statement reads of "user" and authclient, and token.
CREATE TABLE "user" (id serial PRIMARY KEY, username text NOT NULL, authority text NOT NULL, display_name text, email text, deleted boolean NOT NULL DEFAULT false, registered_date timestamp without time zone NOT NULL DEFAULT now());
CREATE TABLE authclient (id uuid PRIMARY KEY, name text);
CREATE TABLE token (id serial PRIMARY KEY, created timestamp without time zone NOT NULL DEFAULT now(), updated timestamp without time zone NOT NULL DEFAULT now(), value text NOT NULL UNIQUE, expires timestamp without time zone, refresh_token text UNIQUE, refresh_token_expires timestamp without time zone, authclient_id uuid REFERENCES authclient (id) ON DELETE CASCADE, user_id integer NOT NULL REFERENCES "user" (id) ON DELETE CASCADE);
INSERT INTO "user" (username, authority, deleted) VALUES ('ada', 'hypothes.is', false), ('ada', 'partner.org', false), ('gone', 'hypothes.is', true);
INSERT INTO authclient VALUES ('7d2a0d5e-0000-11ee-8000-000000000000', 'client');
INSERT INTO token (created, value, expires, authclient_id, user_id) VALUES
    ('2026-01-01 12:00:00.5', '6879-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno-_', NULL, NULL, 1),
    ('2026-01-01 12:00:00', '6879-000000000000000000000000000000000000000000a', NULL, NULL, 2),
    ('2026-01-01 12:00:00', '6879-000000000000000000000000000000000000000000b', NULL, NULL, 3),
    ('2026-01-01 12:00:00', '5768-000000000000000000000000000000000000000000c', '2026-01-01 13:00:00', '7d2a0d5e-0000-11ee-8000-000000000000', 1);
