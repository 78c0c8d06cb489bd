-- The networks that a token, and what is made from it, may be used from; none: any.
ALTER TABLE tokens ADD COLUMN networks TEXT COLLATE "C" NOT NULL DEFAULT '[]';
