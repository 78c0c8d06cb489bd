-- Until when at most mattered what was purged: a token that expired by then has expired
-- for every node, whatever its clock shows.
ALTER TABLE log_head ADD COLUMN purged_until BIGINT NOT NULL DEFAULT 0;

-- What was purged before this was noted had run out by this clock.
UPDATE log_head SET purged_until = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint WHERE purged > 0;
