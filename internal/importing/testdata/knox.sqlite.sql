-- As django-rest-knox 5.0 makes them: migrations 0001 to 0009.
CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL, "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL, "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL);
CREATE TABLE "knox_authtoken" ("digest" varchar(128) NOT NULL PRIMARY KEY, "created" datetime NOT NULL, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "expiry" datetime NULL, "token_key" varchar(25) NOT NULL);
INSERT INTO auth_user VALUES(1,'',NULL,0,'ada','','',0,1,'2026-01-01 00:48:02.994291','');
-- hash_token of 5.0 of 0123456789abcdef four times, and of 4.2 of fedcba9876543210 four times.
INSERT INTO knox_authtoken VALUES('ad2981aa58beca63a49b8831274b89d81766a23d7932474f03e55cf00cbe27004e66fd0912aed0b3cb1afee2aa904115c89db49d6c9bad785523023a9c309561','2026-01-01 00:48:03.021921',1,NULL,'0123456789abcde');
INSERT INTO knox_authtoken VALUES('a3a1a6361d131890004e7094d82bed12510ea43119d1bff1c388711a321602a354b01a9a61a546437778dda1c654429b792f759d46117e70cb56aad6cdc9dd95','2026-01-01 00:48:03.021921',1,'2100-01-01 00:00:00','fedcba98');
INSERT INTO knox_authtoken VALUES('0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000f','2020-01-01 00:48:03.021921',1,'2020-01-01 10:48:03.021921','aaaaaaaaaaaaaaa');
