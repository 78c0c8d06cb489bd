package people

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	selectAttempts = `SELECT count, since FROM attempts WHERE key = $1 AND until > $2`
	addAttempt     = `INSERT INTO attempts (key, count, since, until) VALUES ($1, 1, $2, $3)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN attempts.until > $2 THEN attempts.count + 1 ELSE 1 END,
    since = CASE WHEN attempts.until > $2 THEN attempts.since ELSE $2 END,
    until = CASE WHEN attempts.until > $2 THEN attempts.until ELSE $3 END
RETURNING count, since`

	// Of an account: from everywhere, and from each address. 'A' is the character after '@'.
	ofAccount      = `(key = $1 OR key >= $1 || '@' AND key < $1 || 'A')`
	selectAccount  = `SELECT key, count, since FROM attempts WHERE ` + ofAccount + ` AND until > $2`
	deleteAttempt  = `DELETE FROM attempts WHERE key = $1`
	deleteAttempts = `DELETE FROM attempts WHERE ` + ofAccount

	selectAddress = `SELECT last_at FROM known_addresses WHERE account = $1 AND address = $2`
	knowAddress   = `INSERT INTO known_addresses (account, address, last_at) VALUES ($1, $2, $3)
ON CONFLICT (account, address) DO UPDATE SET last_at = excluded.last_at WHERE known_addresses.last_at < excluded.last_at`
	trimAddresses = `DELETE FROM known_addresses WHERE account = $1 AND address NOT IN (
    SELECT address FROM known_addresses WHERE account = $1 ORDER BY last_at DESC, address LIMIT 50)`
	forgetAddresses = `DELETE FROM known_addresses WHERE account = $1`
)

// Failures reads the counts of the keys, in their order, in the windows that are
// open at now.
func (p *People) Failures(ctx context.Context, keys []string, now time.Time) (found []identity.Failures, err error) {
	err = p.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		found = make([]identity.Failures, len(keys))
		for i, key := range keys {
			f := &found[i]
			err := c.Row(ctx, selectAttempts, []any{key, column.Micros(now)}, &f.Count, column.Time(&f.Since))
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		return nil
	})
	return found, err
}

// RecordFailure adds one to each key, opening a window where none is open, and returns
// the new counts, in the order of the keys.
func (p *People) RecordFailure(ctx context.Context, keys []string, now time.Time, window time.Duration) (found []identity.Failures, err error) {
	err = p.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		found = make([]identity.Failures, len(keys))
		for i, key := range keys {
			f := &found[i]
			if err := c.Row(ctx, addAttempt, []any{key, column.Micros(now), column.Micros(now.Add(window))}, &f.Count, column.Time(&f.Since)); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// AccountFailures returns the open counts of an account, the highest first.
func (p *People) AccountFailures(ctx context.Context, account string, now time.Time) ([]records.AccountFailures, error) {
	found, err := query.All(ctx, p.db, func(scan engine.Scanner) (f records.AccountFailures, err error) {
		var key string
		err = scan(&key, &f.Count, column.Time(&f.Since))
		f.Address = strings.TrimPrefix(key, records.AttemptKey(account, ""))
		if key == account {
			f.Everywhere, f.Address = true, ""
		}
		return f, err
	}, selectAccount, account, column.Micros(now))
	slices.SortFunc(found, func(a, b records.AccountFailures) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Address, b.Address))
	})
	return found, err
}

// KnownAddress returns when an account last signed in from an address; zero for never.
func (p *People) KnownAddress(ctx context.Context, account, address string) (last time.Time, err error) {
	err = p.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Each(ctx, selectAddress, []any{account, address}, func(scan engine.Scanner) error { return scan(column.Time(&last)) })
	})
	return last, err
}

func clearFailures(ctx context.Context, c engine.Conn, o op.ClearFailures) error {
	if o.Account != "" {
		return c.Post(ctx, deleteAttempts, o.Account)
	}
	return c.Post(ctx, deleteAttempt, o.Key)
}

// knowAddressOf remembers from where an account has signed in.
func knowAddressOf(ctx context.Context, c engine.Conn, o op.KnowAddress) error {
	if err := c.Post(ctx, knowAddress, o.Account, o.Address, column.Micros(o.At)); err != nil {
		return err
	}
	return c.Post(ctx, trimAddresses, o.Account)
}
