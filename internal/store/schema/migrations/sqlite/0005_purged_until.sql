-- Until when at most mattered what was purged: a token that expired by then has expired
-- for every node, whatever its clock shows.
ALTER TABLE log_head ADD COLUMN purged_until INTEGER NOT NULL DEFAULT 0;

-- What was purged before this was noted had run out when the newest entry was written.
UPDATE log_head SET purged_until = coalesce((SELECT max(at) FROM log_entries WHERE what <> 'end'), 0) WHERE purged > 0;
