package store

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	expiringTokens = selectStored + ` FROM tokens t
WHERE t.expires_at > 0 AND t.expires_at > $1 AND t.expires_at <= $2 AND t.revoked_at = 0 AND t.noticed_at = 0 AND t.reason = '' AND t.kind IN ($3, $4)
ORDER BY t.expires_at LIMIT $5`
	claimNotice   = `UPDATE tokens SET noticed_at = $2 WHERE id = $1 AND noticed_at = 0`
	unclaimNotice = `UPDATE tokens SET noticed_at = 0 WHERE id = $1`
)

// Expiring returns valid API tokens and exchange keys that end after now and not later
// than before and have had no notice, those that end first first.
func (s *Store) Expiring(ctx context.Context, now, before time.Time, limit int) ([]records.StoredToken, error) {
	return query(ctx, s, func(scan scanner) (t records.StoredToken, err error) {
		return t, scan(tokenFields(&t)...)
	}, expiringTokens, micros(now), micros(before), token.KindAPIToken.String(), token.KindExchangeKey.String(), limit)
}
