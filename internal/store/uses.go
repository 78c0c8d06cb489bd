package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
)

const (
	// Counts are added to existing lines. A new line has its place among at most 48 of a
	// token; past those, the scope is kept without the place, as long as there are fewer
	// than 64.
	addUse = `INSERT INTO token_uses (token, route, scope, safe, collection, first_at, last_at, count)
SELECT $1, CASE WHEN k.placed THEN $2 ELSE $13 END, $3, $4, CASE WHEN k.placed THEN $5 ELSE CAST(-1 AS BIGINT) END, $6, $7, $8
FROM (SELECT n.lines, (n.lines < $14 OR EXISTS (SELECT 1 FROM token_uses WHERE token = $1 AND route = $2 AND scope = $3 AND safe = $4 AND collection = $5)) AS placed
    FROM (SELECT COUNT(*) AS lines FROM token_uses WHERE token = $1) n) k
WHERE EXISTS (SELECT 1 FROM tokens WHERE id = $9 AND kind IN ($10, $11, $12))
  AND (k.placed OR k.lines < $15
    OR EXISTS (SELECT 1 FROM token_uses WHERE token = $1 AND route = $13 AND scope = $3 AND safe = $4 AND collection = -1))
ON CONFLICT (token, route, scope, safe, collection) DO UPDATE SET
    count = token_uses.count + excluded.count,
    first_at = CASE WHEN excluded.first_at < token_uses.first_at THEN excluded.first_at ELSE token_uses.first_at END,
    last_at = CASE WHEN excluded.last_at > token_uses.last_at THEN excluded.last_at ELSE token_uses.last_at END`
	usesOfToken = `SELECT route, scope, safe, collection, first_at, last_at, count FROM token_uses WHERE token = $1 ORDER BY last_at DESC, route, scope, safe, collection` //nolint:gosec // no credentials
	purgeUses   = `DELETE FROM token_uses WHERE (token, route, scope, safe, collection) IN
    (SELECT token, route, scope, safe, collection FROM token_uses WHERE last_at <= $1 ORDER BY last_at LIMIT 500)`

	usesChunk  = 200 // in one transaction, so that others get their turn
	fewerLines = 48  // those that name a place
)

// seconds is how the time of a use is stored: no more precision is needed.
type seconds struct{ to *time.Time }

// Scan implements sql.Scanner.
func (s seconds) Scan(value any) error {
	n, ok := value.(int64)
	if !ok {
		return fmt.Errorf("reading a time from a column of type %T", value)
	}
	*s.to = time.Unix(n, 0).UTC()
	return nil
}

// AddUses adds to what is kept about tokens, in several transactions.
func (s *Store) AddUses(ctx context.Context, noted []uses.Noted) error {
	type row struct {
		id uses.ID
		n  *uses.Noted
	}
	var rows []row
	for i := range noted {
		for _, id := range noted[i].IDs {
			rows = append(rows, row{id, &noted[i]})
		}
	}
	// In a fixed order, or two nodes that add to the same lines could deadlock.
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.n.Route, b.n.Route), cmp.Compare(a.n.Scope, b.n.Scope),
			cmp.Compare(flag(a.n.Safe), flag(b.n.Safe)), cmp.Compare(a.n.Collection, b.n.Collection))
	})
	for chunk := range slices.Chunk(rows, usesChunk) {
		err := s.write(ctx, func(ctx context.Context, c conn) error {
			for _, r := range chunk {
				if err := c.post(ctx, addUse, r.id[:], r.n.Route, r.n.Scope, flag(r.n.Safe), r.n.Collection,
					r.n.First.Unix(), r.n.Last.Unix(), r.n.Count, r.id.String(),
					token.KindAPIToken.String(), token.KindExchangeKey.String(), token.KindGrant.String(),
					uses.Elsewhere, fewerLines, uses.MaxLines); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// TokenUses returns what is kept about one token, the latest use first.
func (s *Store) TokenUses(ctx context.Context, id uses.ID) ([]records.TokenUse, error) {
	return query(ctx, s, func(scan scanner) (u records.TokenUse, err error) {
		return u, scan(&u.Route, &u.Scope, truth{&u.Safe}, &u.Collection, seconds{&u.FirstAt}, seconds{&u.LastAt}, &u.Count)
	}, usesOfToken, id[:])
}
