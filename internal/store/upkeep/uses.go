package upkeep

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
)

const (
	putUses    = `INSERT INTO token_uses (token, lines) VALUES ($1, $2) ON CONFLICT (token) DO UPDATE SET lines = excluded.lines`
	deleteUses = `DELETE FROM token_uses WHERE token = $1`
	walkUses   = `SELECT token, lines FROM token_uses WHERE token >= $1 AND token <= $2 ORDER BY token LIMIT 1000`

	// Tokens in one transaction: few, so that others get their turn, and so that PostgreSQL finds
	// room for the new version of a row on its page, where the old one of another is from a
	// transaction before.
	usesChunk = 25

	walkChunk  = 1000    // rows that are read at a time; the statement has the same number
	walkedUses = 100_000 // rows that one purge looks through
)

// usesOf returns the query for so many tokens.
func usesOf(n int) string {
	return `SELECT token, lines FROM token_uses WHERE token IN (` + query.Numbered(n) + `)`
}

// withUses returns the query that finds which of so many tokens have uses.
func withUses(n int) string {
	return `SELECT id FROM tokens WHERE id IN (` + query.Numbered(n) + fmt.Sprintf(`) AND kind IN ('%s', '%s', '%s')`,
		token.KindAPIToken, token.KindExchangeKey, token.KindGrant)
}

// AddUses adds to what is kept about tokens, in several transactions. Each reads rows and
// writes them whole, while it holds a lock.
func (u *Uses) AddUses(ctx context.Context, noted []uses.Noted) error {
	for chunk := range slices.Chunk(byToken(noted), usesChunk) {
		err := u.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
			if err := c.Lock(ctx, engine.LockUses); err != nil {
				return err
			}
			return addUses(ctx, c, chunk)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addUses adds to what is kept about at most usesChunk tokens.
func addUses(ctx context.Context, c engine.Conn, chunk []notedOf) error {
	keys := make([]int64, len(chunk))
	for i, one := range chunk {
		keys[i] = usesKey(one.id)
	}
	kept, err := usesByKey(ctx, c, keys)
	if err != nil {
		return err
	}
	var fresh []string
	for i, one := range chunk {
		if _, known := kept[keys[i]]; !known {
			fresh = append(fresh, one.id.String())
		}
	}
	known := map[string]bool{}
	if len(fresh) > 0 {
		err := c.Each(ctx, withUses(usesChunk), repeated(fresh), func(scan engine.Scanner) error {
			var id string
			err := scan(&id)
			known[id] = true
			return err
		})
		if err != nil {
			return err
		}
	}
	for i, one := range chunk {
		lines, there := kept[keys[i]]
		if !there && !known[one.id.String()] {
			continue
		}
		for _, n := range one.noted {
			lines = addUse(lines, n)
		}
		kept[keys[i]] = lines // two tokens could have one key
		if err := c.Post(ctx, putUses, keys[i], packUses(lines)); err != nil {
			return err
		}
	}
	return nil
}

// usesByKey reads what is kept under at most usesChunk keys.
func usesByKey(ctx context.Context, c engine.Conn, keys []int64) (map[int64][]records.TokenUse, error) {
	kept := make(map[int64][]records.TokenUse, len(keys))
	err := c.Each(ctx, usesOf(usesChunk), repeated(keys), func(scan engine.Scanner) error {
		key, lines, err := scanUses(scan)
		kept[key] = lines
		return err
	})
	return kept, err
}

// repeated returns usesChunk arguments, the last of which are all the same: one length, one
// statement to prepare.
func repeated[T any](values []T) []any {
	args := make([]any, usesChunk)
	for i := range args {
		args[i] = values[min(i, len(values)-1)]
	}
	return args
}

func scanUses(scan engine.Scanner) (key int64, lines []records.TokenUse, err error) {
	var b []byte
	if err = scan(&key, column.Bytes(&b)); err == nil {
		lines, err = unpackUses(b)
	}
	return key, lines, err
}

// TokenUses returns what is kept about one token, the latest use first.
func (u *Uses) TokenUses(ctx context.Context, id uses.ID) ([]records.TokenUse, error) {
	var lines []records.TokenUse
	err := u.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		kept, err := usesByKey(ctx, c, []int64{usesKey(id)})
		lines = usedSince(kept[usesKey(id)], u.now().Add(-uses.Kept))
		return err
	})
	latestFirst(lines)
	return lines, err
}

// PurgeUses deletes lines whose last use was before an instant, in small steps. It looks through
// some of the rows.
func (u *Uses) PurgeUses(ctx context.Context, end time.Time) error {
	return u.purgeUses(ctx, end, walkedUses)
}

// purgeUses deletes lines whose last use was before an instant. It looks through so
// many rows, and goes on from there the next time: to find those that are due by an index
// would cost each token 16 bytes more.
func (u *Uses) purgeUses(ctx context.Context, end time.Time, rows int) error {
	start, left := u.walk.Load(), rows
	for _, part := range [][2]int64{{start, math.MaxInt64}, {math.MinInt64, start}} {
		for next, more := part[0], true; more; left -= walkChunk {
			if left <= 0 {
				u.walk.Store(next)
				return nil
			}
			var err error
			if next, more, err = u.purgeUsesFrom(ctx, next, part[1], end); err != nil {
				return err
			}
		}
	}
	return nil
}

// purgeUsesFrom looks through the next rows of a range of keys. It returns the key to go on
// from, and whether there are more.
func (u *Uses) purgeUsesFrom(ctx context.Context, from, to int64, end time.Time) (next int64, more bool, err error) {
	var ended []int64
	rows := 0
	err = u.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		ended, rows = nil, 0
		return c.Each(ctx, walkUses, []any{from, to}, func(scan engine.Scanner) error {
			key, lines, err := scanUses(scan)
			if n := len(lines); len(usedSince(lines, end)) < n {
				ended = append(ended, key)
			}
			rows, next = rows+1, key
			return err
		})
	})
	if err != nil {
		return 0, false, err
	}
	for some := range slices.Chunk(ended, usesChunk) {
		if err := u.trimUses(ctx, some, end); err != nil {
			return 0, false, err
		}
	}
	if rows < walkChunk || next == to {
		return 0, false, nil
	}
	return next + 1, true, nil
}

// trimUses deletes ended lines of a few tokens.
func (u *Uses) trimUses(ctx context.Context, keys []int64, end time.Time) error {
	return u.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		if err := c.Lock(ctx, engine.LockUses); err != nil {
			return err
		}
		kept, err := usesByKey(ctx, c, keys)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if lines := usedSince(kept[key], end); len(lines) > 0 {
				err = c.Post(ctx, putUses, key, packUses(lines))
			} else {
				err = c.Post(ctx, deleteUses, key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
