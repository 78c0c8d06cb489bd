-- What a node says of the verifiers that follow it: how many, and how far they are.
ALTER TABLE nodes ADD COLUMN verifiers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN verifiers_seq INTEGER NOT NULL DEFAULT 0;
