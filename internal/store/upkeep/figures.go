package upkeep

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/store/tokens"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	setCount = `INSERT INTO hourly_counts (hour, node, name, count) VALUES ($1, $2, $3, $4)
ON CONFLICT (hour, name, node) DO UPDATE SET count = excluded.count`
	selectCounts = `SELECT hour, name, CAST(sum(count) AS BIGINT) FROM hourly_counts WHERE hour >= $1 AND hour < $2
GROUP BY hour, name ORDER BY hour, name`
	purgeCounts = `DELETE FROM hourly_counts
WHERE (hour, name, node) IN (SELECT hour, name, node FROM hourly_counts WHERE hour < $1 ORDER BY hour LIMIT 500)`

	countUsers = `SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2`

	// What a part of the tokens holds: in the order of their creation, in which their rows
	// are near each other.
	countTokens = `SELECT created_at, id,
    CASE WHEN kind IN ($5, $6) AND revoked_at = 0 AND (expires_at = 0 OR expires_at > $4) THEN 1 ELSE 0 END,
    expires_at, last_used_at,
    CASE WHEN kind IN ($5, $6) AND reason <> $8 AND revoked_at >= $7 THEN 1 ELSE 0 END
FROM tokens t WHERE (created_at, id) > ($1, $2)` + tokens.Published + ` ORDER BY created_at, id LIMIT $3`

	claimCensus = `UPDATE figures SET begun_at = $1
WHERE one = 1 AND (begun_at <= $2 AND begun_at = counted_at OR begun_at <= $3)`
	setFigures    = `UPDATE figures SET counted_at = $1, took = $2, users = $3, live = $4, expiring = $5, unused = $6, endless = $7, revoked = $8 WHERE one = 1`
	selectFigures = `SELECT counted_at, took, users, live, expiring, unused, endless, revoked FROM figures WHERE one = 1`
)

// SetCounts stores what a node has counted so far in some hours.
func (x *Traffic) SetCounts(ctx context.Context, node string, counts []upkeep.HourCount) error {
	return x.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		for _, one := range counts {
			if err := c.Post(ctx, setCount, column.Micros(one.Hour), node, one.Name, one.Count); err != nil {
				return err
			}
		}
		return nil
	})
}

// Counts returns the sums over all nodes, by hour and name.
func (x *Traffic) Counts(ctx context.Context, since, until time.Time) ([]upkeep.HourCount, error) {
	return query.All(ctx, x.db, func(scan engine.Scanner) (one upkeep.HourCount, err error) {
		return one, scan(column.Time(&one.Hour), &one.Name, &one.Count)
	}, selectCounts, column.Micros(since), column.Micros(until))
}

// PurgeCounts deletes the counts of hours that began before an instant, in small steps.
func (x *Traffic) PurgeCounts(ctx context.Context, before time.Time) error {
	return query.Purge(ctx, x.db, query.Purging(purgeCounts, column.Micros(before)))
}

// CountUsers counts some users.
func (x *Census) CountUsers(ctx context.Context, p upkeep.CensusPart) (f upkeep.Figures, next upkeep.Cursor, err error) {
	err = x.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		f, next = upkeep.Figures{}, upkeep.Cursor{}
		return c.Each(ctx, countUsers, []any{p.After.ID, p.Limit}, func(scan engine.Scanner) error {
			f.Users++
			return scan(&next.ID)
		})
	})
	if f.Users < int64(p.Limit) {
		next = upkeep.Cursor{}
	}
	return f, next, err
}

// CountTokens counts the API tokens and API keys among some tokens.
func (x *Census) CountTokens(ctx context.Context, p upkeep.CensusPart) (f upkeep.Figures, next upkeep.Cursor, err error) {
	now := p.Now.UTC()
	midnight := now.Truncate(24 * time.Hour)
	week := column.Micros(now.Add(token.ExpiryNotice))
	err = x.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		f, next = upkeep.Figures{}, upkeep.Cursor{}
		rows := 0
		args := []any{
			p.After.At, p.After.ID, p.Limit, column.Micros(now), token.KindAPIToken.String(), token.KindExchangeKey.String(),
			column.Micros(midnight), token.ReasonRegenerated,
		}
		err := c.Each(ctx, countTokens, args, func(scan engine.Scanner) error {
			var live, expires, used, revoked int64
			if err := scan(&next.At, &next.ID, &live, &expires, &used, &revoked); err != nil {
				return err
			}
			rows++
			f.RevokedToday += revoked
			f.Live += live
			f.Expiring += live * column.Flag(expires > 0 && expires <= week)
			f.NeverUsed += live * column.Flag(used == 0)
			f.NeverExpires += live * column.Flag(expires == 0)
			return nil
		})
		if rows < p.Limit {
			next = upkeep.Cursor{}
		}
		return err
	})
	return f, next, err
}

// ClaimCensus reports whether the caller is to count, and records that it begins.
func (x *Census) ClaimCensus(ctx context.Context, claim upkeep.CensusClaim) (claimed bool, err error) {
	err = x.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		n, err := c.Exec(ctx, claimCensus, column.Micros(claim.Now), column.Micros(claim.Finished), column.Micros(claim.Unfinished))
		claimed = n > 0
		return err
	})
	return claimed, err
}

// SetFigures stores the figures that were counted last.
func (x *Census) SetFigures(ctx context.Context, f upkeep.CountedFigures) error {
	return x.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Post(ctx, setFigures, column.Micros(f.Began), f.Took.Microseconds(), f.Users, f.Live, f.Expiring, f.NeverUsed, f.NeverExpires, f.RevokedToday)
	})
}

// Figures returns the figures that were counted last.
func (x *Census) Figures(ctx context.Context) (f upkeep.CountedFigures, err error) {
	var took int64
	err = x.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Row(ctx, selectFigures, nil, column.Time(&f.Began), &took, &f.Users, &f.Live, &f.Expiring, &f.NeverUsed, &f.NeverExpires, &f.RevokedToday)
	})
	f.Took = time.Duration(took) * time.Microsecond
	if errors.Is(err, sql.ErrNoRows) {
		return upkeep.CountedFigures{}, nil
	}
	return f, err
}
