package tokens

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	insertToken = `INSERT INTO tokens (id, kind, digest, prefix, last4, owner, client_id, name, scope, collection, chain,
    family, seq, created_at, expires_at, last_used_at, last_used_by, revoked_at, reason,
    audience, replaces, ends_at, issued_for, source, source_session, authenticated_at, granted, networks, description)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29) ON CONFLICT DO NOTHING`
	insertAncestor = `INSERT INTO token_ancestors (ancestor, token_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`

	shortenedTo = `SELECT expires_at FROM tokens WHERE id = $1 AND expires_at > 0 AND revoked_at = 0 AND reason <> ''`

	cutOffSince = `SELECT 1 FROM log_entries WHERE what = $1 AND id = $2 AND seq > $3 LIMIT 1`

	alive = ` AND revoked_at = 0 AND (expires_at = 0 OR expires_at > $2)`

	spendOne    = `UPDATE tokens SET revoked_at = $2, reason = $3 WHERE id = $1` + alive
	spendAgain  = `UPDATE tokens SET last_used_by = last_used_by WHERE id = $1 AND reason = $2 AND revoked_at >= $3`
	spentHeir   = `SELECT 1 FROM tokens WHERE issued_for = $1 AND reason = $2 LIMIT 1`
	lockOrigin  = `UPDATE tokens SET last_used_by = last_used_by WHERE id = (SELECT issued_for FROM tokens WHERE id = $1 AND issued_for <> '')`
	endSiblings = `UPDATE tokens SET revoked_at = $2, reason = $3
WHERE issued_for = (SELECT issued_for FROM tokens WHERE id = $1 AND issued_for <> '') AND id <> $1` + alive
	shortenOne   = `UPDATE tokens SET expires_at = $3, reason = $4 WHERE id = $1` + alive + ` AND (expires_at = 0 OR expires_at >= $3)`
	shortenHeirs = `UPDATE tokens SET ends_at = $3, expires_at = CASE WHEN expires_at = 0 OR expires_at > $3 THEN $3 ELSE expires_at END
WHERE id IN (SELECT token_id FROM token_ancestors WHERE ancestor = $1)` + alive + ` AND (ends_at = 0 OR ends_at > $3)`
	killByID = `UPDATE tokens SET revoked_at = $2, reason = $3
WHERE id IN (SELECT $1 UNION ALL SELECT token_id FROM token_ancestors WHERE ancestor = $1)` + alive
	killByOwner  = `UPDATE tokens SET revoked_at = $2, reason = $3 WHERE owner = $1` + alive
	killByClient = `UPDATE tokens SET revoked_at = $2, reason = $3 WHERE client_id = $1` + alive
	killAll      = `UPDATE tokens SET revoked_at = $1, reason = $2 WHERE revoked_at = 0 AND (expires_at = 0 OR expires_at > $1)`
)

// addToken stores a token. A token that is based on something that was revoked before
// this transaction is stored as revoked, because the log's entry will be purged one day.
func addToken(ctx context.Context, c engine.Conn, o op.AddToken) error {
	t := o.Token
	void, err := revokedInLog(ctx, c, t)
	if err != nil {
		return err
	}
	if void && t.RevokedAt.IsZero() {
		t.RevokedAt, t.Reason = t.CreatedAt, token.ReasonRevoked
	}
	for _, id := range t.Chain {
		// Not later than the tokens of its chain: one of them may have been shortened
		// since this token was decided.
		err := c.Each(ctx, shortenedTo, []any{id}, func(scan engine.Scanner) error {
			var end time.Time
			if err := scan(column.Time(&end)); err != nil {
				return err
			}
			if t.ExpiresAt.IsZero() || end.Before(t.ExpiresAt) {
				t.ExpiresAt = end
			}
			if t.Family != "" && (t.EndsAt.IsZero() || end.Before(t.EndsAt)) {
				t.EndsAt = end
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	var digest any // NULL for a token without one, so that none is found by it
	if t.Digest != [32]byte{} {
		digest = t.Digest[:]
	}
	err = query.UnlessConflict(ctx, c, "a token of that id, value or predecessor exists already", insertToken, t.ID, t.Kind.String(), digest,
		t.Prefix, t.Last4, t.Owner, t.ClientID, t.Name, column.List(&t.Scope), t.Collection, column.List(&t.Chain), t.Family, t.Seq,
		column.Micros(t.CreatedAt), column.Micros(t.ExpiresAt), column.Micros(t.LastUsedAt), t.LastUsedBy, column.Micros(t.RevokedAt), t.Reason,
		t.Audience, t.Replaces, column.Micros(t.EndsAt), t.IssuedFor, t.SignIn.Source, t.SignIn.Session, column.Micros(t.SignIn.At), column.Flag(t.Granted), column.Networks(&t.Networks), t.Description)
	if err != nil {
		return err
	}
	for _, ancestor := range append([]string{t.Family}, t.Chain...) {
		if ancestor == "" {
			continue
		}
		if err := c.Post(ctx, insertAncestor, ancestor, t.ID); err != nil {
			return err
		}
	}
	return nil
}

// revokedInLog reports whether the log says of a token's owner, its client or a client of its chain, or of everything,
// that what was decided as of the token's sequence is void, or has killed what it was
// made from, or whether the source's session that it began from has ended.
func revokedInLog(ctx context.Context, c engine.Conn, t records.StoredToken) (bool, error) {
	void, err := query.Exists(ctx, c, cutOffSince, string(revocation.Subject), t.Owner, t.Seq)
	if !void && err == nil && t.ClientID != "" {
		void, err = query.Exists(ctx, c, cutOffSince, string(revocation.Client), t.ClientID, t.Seq)
	}
	if !void && err == nil {
		void, err = query.Exists(ctx, c, cutOffSince, string(revocation.Everything), revocation.EverythingID, t.Seq)
	}
	if !void && err == nil {
		void, err = endedAtSource(ctx, c, t.SignIn)
	}
	for _, link := range t.Chain { // a refresh token's family is its last link
		if void || err != nil {
			break
		}
		if client, ok := token.LinkedClient(link); ok {
			void, err = query.Exists(ctx, c, cutOffSince, string(revocation.Client), client, t.Seq)
			continue
		}
		void, err = query.Exists(ctx, c, cutOffSince, string(revocation.Token), link, 0)
	}
	return void, err
}

// spendToken spends a token. A second use of the token that it was issued for waits,
// because both transactions lock that token's row first: the later one sees what the
// other did.
func spendToken(ctx context.Context, c engine.Conn, o op.SpendToken) error {
	if o.Siblings != "" {
		if err := c.Post(ctx, lockOrigin, o.ID); err != nil {
			return err
		}
	}
	err := query.UnlessConflict(ctx, c, "the token is no longer valid", spendOne, o.ID, column.Micros(o.At), o.Reason)
	if err != nil || o.Siblings == "" {
		return err
	}
	return c.Post(ctx, endSiblings, o.ID, column.Micros(o.At), o.Siblings)
}

func spendTokenAgain(ctx context.Context, c engine.Conn, o op.SpendAgain) error {
	n, err := c.Exec(ctx, spendAgain, o.ID, o.Reason, column.Micros(o.Since))
	if err != nil {
		return err
	}
	used, err := query.Exists(ctx, c, spentHeir, o.ID, o.Reason)
	if err == nil && (n == 0 || used) {
		return fault.New(fault.Conflict, "the token can't be used again")
	}
	return err
}

func killTokens(ctx context.Context, c engine.Conn, o op.KillTokens) error {
	at := column.Micros(o.At)
	for _, id := range o.IDs {
		if err := c.Post(ctx, killByID, id, at, o.Reason); err != nil {
			return err
		}
	}
	if o.Owner != "" {
		if err := c.Post(ctx, killByOwner, o.Owner, at, o.Reason); err != nil {
			return err
		}
	}
	if o.ClientID == "" {
		return nil
	}
	return c.Post(ctx, killByClient, o.ClientID, at, o.Reason)
}

func killEverything(ctx context.Context, c engine.Conn, o op.KillEverything) error {
	if _, err := c.Exec(ctx, killAll, column.Micros(o.At), o.Reason); err != nil {
		return err
	}
	_, err := c.Exec(ctx, deleteDevices)
	return err
}

// shorten makes a token and what was derived from it expire earlier.
func shorten(ctx context.Context, c engine.Conn, o op.ShortenToken) error {
	err := query.UnlessConflict(ctx, c, "the token is no longer valid, or expires earlier", shortenOne,
		o.ID, column.Micros(o.Now), column.Micros(o.ExpiresAt), o.Reason)
	if err != nil {
		return err
	}
	return c.Post(ctx, shortenHeirs, o.ID, column.Micros(o.Now), column.Micros(o.ExpiresAt))
}

// claim makes the caller the one who sends a notice, or releases it for others.
func claim(ctx context.Context, c engine.Conn, o op.ClaimNotice) error {
	if o.At.IsZero() {
		return c.Post(ctx, unclaimNotice, o.ID)
	}
	return query.UnlessConflict(ctx, c, "another node sends the notice for this token", claimNotice, o.ID, column.Micros(o.At))
}
