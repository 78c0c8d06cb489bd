-- What an API token is for, in the words of its owner.
ALTER TABLE tokens ADD COLUMN description TEXT NOT NULL DEFAULT '';
