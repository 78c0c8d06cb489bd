-- What a node says of the verifiers that follow it: how many, and how far they are.
ALTER TABLE nodes ADD COLUMN verifiers BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN verifiers_seq BIGINT NOT NULL DEFAULT 0;

-- Appends entries to the log and returns the last sequence. The log's row is locked
-- from here to the end of the transaction, so this is the last statement before it.
CREATE FUNCTION bearerd_append(whats TEXT[], ids TEXT[], untils BIGINT[], ats BIGINT[]) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
    added BIGINT := cardinality(whats);
    head  BIGINT;
BEGIN
    UPDATE log_head SET seq = seq + added WHERE one = 1 RETURNING seq INTO STRICT head;
    INSERT INTO log_entries (seq, what, id, until, at)
    SELECT head - added + e.n, e.what, e.id, e.until, e.at
    FROM unnest(whats, ids, untils, ats) WITH ORDINALITY AS e (what, id, until, at, n);
    PERFORM pg_notify('bearerd_log', '');
    RETURN head;
END
$$;

-- Appends what the transaction has left in its settings. It has no arguments, so
-- that it can stand in one message with the COMMIT.
CREATE FUNCTION bearerd_append_staged() RETURNS BIGINT
LANGUAGE sql AS $$
    SELECT bearerd_append(current_setting('bearerd.whats')::text[], current_setting('bearerd.ids')::text[],
        current_setting('bearerd.untils')::bigint[], current_setting('bearerd.ats')::bigint[])
$$;

-- Carries out batches that only revoke and record, and commits them. Every row of
-- the arrays says which batch it is of. A batch whose tokens somebody else holds is
-- left out as a whole: its number is in left_out. head is the last sequence.
CREATE PROCEDURE bearerd_revoke(
    kill_batches BIGINT[], kill_bys TEXT[], kill_keys TEXT[], kill_ats BIGINT[], kill_reasons TEXT[],
    event_batches BIGINT[], event_ats BIGINT[], actors TEXT[], actions TEXT[], targets TEXT[], token_ids TEXT[],
    addresses TEXT[], request_ids TEXT[], outcomes TEXT[], event_reasons TEXT[],
    entry_batches BIGINT[], whats TEXT[], ids TEXT[], untils BIGINT[], entry_ats BIGINT[],
    INOUT head BIGINT, INOUT left_out BIGINT[]
)
LANGUAGE plpgsql AS $$
DECLARE
    found_batches BIGINT[];
    found_ids     TEXT[];
    found_ats     BIGINT[];
    found_reasons TEXT[];
    held          TEXT[];
BEGIN
    left_out := '{}';
    IF cardinality(kill_keys) > 0 THEN
        PERFORM pg_advisory_xact_lock(1650815588, 3);
        SELECT array_agg(k.batch ORDER BY k.n), array_agg(f.id ORDER BY k.n), array_agg(k.at ORDER BY k.n), array_agg(k.reason ORDER BY k.n)
        INTO found_batches, found_ids, found_ats, found_reasons
        FROM unnest(kill_batches, kill_bys, kill_keys, kill_ats, kill_reasons) WITH ORDINALITY AS k (batch, by, key, at, reason, n)
        CROSS JOIN LATERAL (
            SELECT t.id FROM tokens t
            WHERE k.by = 'id' AND t.id = k.key AND t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > k.at)
            UNION ALL
            SELECT t.id FROM token_ancestors a JOIN tokens t ON t.id = a.token_id
            WHERE k.by = 'id' AND a.ancestor = k.key AND t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > k.at)
            UNION ALL
            SELECT t.id FROM tokens t
            WHERE k.by = 'owner' AND t.owner = k.key AND t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > k.at)
            UNION ALL
            SELECT t.id FROM tokens t
            WHERE k.by = 'client' AND t.client_id = k.key AND t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > k.at)
        ) f;
    END IF;
    IF found_ids IS NOT NULL THEN
        held := ARRAY(SELECT t.id FROM tokens t WHERE t.id = ANY (found_ids) FOR UPDATE SKIP LOCKED);
        left_out := ARRAY(
            SELECT DISTINCT f.batch FROM unnest(found_batches, found_ids) AS f (batch, id)
            LEFT JOIN unnest(held) AS h (id) ON h.id = f.id WHERE h.id IS NULL
        );
        UPDATE tokens t SET revoked_at = f.at, reason = f.reason
        FROM (
            SELECT DISTINCT ON (f.id) f.id, f.at, f.reason
            FROM unnest(found_batches, found_ids, found_ats, found_reasons) WITH ORDINALITY AS f (batch, id, at, reason, n)
            WHERE f.batch <> ALL (left_out) ORDER BY f.id, f.n
        ) f
        WHERE t.id = f.id AND t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > f.at);
    END IF;
    INSERT INTO audit_events (at, actor, action, target, token_id, address, request_id, outcome, reason)
    SELECT e.at, e.actor, e.action, e.target, e.token_id, e.address, e.request_id, e.outcome, e.reason
    FROM unnest(event_batches, event_ats, actors, actions, targets, token_ids, addresses, request_ids, outcomes, event_reasons)
        WITH ORDINALITY AS e (batch, at, actor, action, target, token_id, address, request_id, outcome, reason, n)
    WHERE e.batch <> ALL (left_out) ORDER BY e.n;
    IF cardinality(left_out) > 0 THEN
        SELECT coalesce(array_agg(e.what ORDER BY e.n), '{}'), coalesce(array_agg(e.id ORDER BY e.n), '{}'),
            coalesce(array_agg(e.until ORDER BY e.n), '{}'), coalesce(array_agg(e.at ORDER BY e.n), '{}')
        INTO whats, ids, untils, entry_ats
        FROM unnest(entry_batches, whats, ids, untils, entry_ats) WITH ORDINALITY AS e (batch, what, id, until, at, n)
        WHERE e.batch <> ALL (left_out);
    END IF;
    IF cardinality(whats) > 0 THEN
        head := bearerd_append(whats, ids, untils, entry_ats);
    END IF;
    PERFORM set_config('lock_timeout', '0', true);
    COMMIT;
END
$$;

-- Notes last uses that are later than what is noted, and commits them. Tokens are
-- locked in one order, or two nodes would wait for each other.
CREATE PROCEDURE bearerd_touch(ids TEXT[], ats BIGINT[], addresses TEXT[])
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1650815588, 3);
    PERFORM 1 FROM tokens t WHERE t.id = ANY (ids) ORDER BY t.id FOR NO KEY UPDATE;
    UPDATE tokens t SET last_used_at = u.at, last_used_by = u.address
    FROM (
        SELECT DISTINCT ON (u.id) u.id, u.at, u.address FROM unnest(ids, ats, addresses) AS u (id, at, address)
        ORDER BY u.id, u.at DESC
    ) u
    WHERE t.id = u.id AND t.last_used_at < u.at;
    PERFORM set_config('lock_timeout', '0', true);
    COMMIT;
END
$$;
