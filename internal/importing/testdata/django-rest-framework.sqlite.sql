-- As Django 3.2 and Django REST framework 3.14 make them (migrate, with SQLite).
CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL, "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL, "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL);
CREATE TABLE "authtoken_token" ("key" varchar(40) NOT NULL PRIMARY KEY, "created" datetime NOT NULL, "user_id" integer NOT NULL UNIQUE REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
INSERT INTO auth_user VALUES(1,'',NULL,0,'ada','','',0,1,'2026-01-01 00:48:02.994291','');
INSERT INTO auth_user VALUES(2,'',NULL,0,'bert','','',0,0,'2026-01-01 00:48:03.033631','');
INSERT INTO authtoken_token VALUES('0123456789abcdef0123456789abcdef01234567','2026-01-01 00:48:03.021921',1);
INSERT INTO authtoken_token VALUES('0123456789abcdef0123456789abcdef01234568','2026-01-01 00:48:03.035480',2);
