package upkeep

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	addShadow = `INSERT INTO shadow (route, reason, token_id, count, agreed, disagreed, last_at, examples)
VALUES ($1, $2, $3, $4, $5, $6, $7, '[]') ON CONFLICT (route, reason, token_id) DO UPDATE SET count = shadow.count + excluded.count,
    agreed = shadow.agreed + excluded.agreed, disagreed = shadow.disagreed + excluded.disagreed,
    last_at = CASE WHEN shadow.last_at < excluded.last_at THEN excluded.last_at ELSE shadow.last_at END`
	shadowExamples = `SELECT examples FROM shadow WHERE route = $1 AND reason = $2 AND token_id = $3`
	setExamples    = `UPDATE shadow SET examples = $4 WHERE route = $1 AND reason = $2 AND token_id = $3`
	countShadows   = `SELECT count(*) FROM shadow`
	selectShadows  = `SELECT route, reason, token_id, count, agreed, disagreed, last_at, examples FROM shadow
WHERE (route, reason, token_id) > ($1, $2, $3) ORDER BY route, reason, token_id LIMIT $4`
	purgeShadows = `DELETE FROM shadow
WHERE (route, reason, token_id) IN (SELECT route, reason, token_id FROM shadow WHERE last_at <= $1 ORDER BY last_at LIMIT 500)`
)

// AddShadows adds to what report-only routes would have refused, all of it or nothing.
// When there are as many rows as allowed, new ones are counted without their token.
func (x *Shadows) AddShadows(ctx context.Context, seen []upkeep.Shadow) error {
	// In a fixed order, or two nodes that write the same rows could deadlock.
	seen = slices.SortedFunc(slices.Values(seen), func(a, b upkeep.Shadow) int {
		return cmp.Or(cmp.Compare(a.Route, b.Route), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.TokenID, b.TokenID))
	})
	return x.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		rows := 0
		if err := c.Row(ctx, countShadows, nil, &rows); err != nil {
			return err
		}
		for _, one := range seen {
			if err := addOneShadow(ctx, c, one, rows >= upkeep.MaxShadows); err != nil {
				return err
			}
		}
		return nil
	})
}

func addOneShadow(ctx context.Context, c engine.Conn, one upkeep.Shadow, full bool) error {
	if full {
		known, err := query.Exists(ctx, c, shadowExamples, one.Route, one.Reason, one.TokenID)
		if err != nil {
			return err
		}
		if !known {
			one.TokenID = ""
		}
	}
	// Its row is locked from here on.
	err := c.Post(ctx, addShadow, one.Route, one.Reason, one.TokenID, one.Count, one.Agreed, one.Disagreed, column.Micros(one.LastAt))
	if err != nil || len(one.Examples) == 0 {
		return err
	}
	var before []upkeep.ShadowExample
	if err := c.Row(ctx, shadowExamples, []any{one.Route, one.Reason, one.TokenID}, column.List(&before)); err != nil {
		return err
	}
	all := slices.Concat(one.Examples, before)
	slices.SortStableFunc(all, func(a, b upkeep.ShadowExample) int { return b.At.Compare(a.At) })
	all = all[:min(len(all), upkeep.MaxShadowSamples)]
	return c.Post(ctx, setExamples, one.Route, one.Reason, one.TokenID, column.List(&all))
}

const shadowCursor = "shadow:"

// ShadowList returns what report-only routes would have refused, by route, reason and
// token. An invalid cursor is fault.Invalid.
func (x *Shadows) ShadowList(ctx context.Context, after string, limit int) (records.Page[upkeep.Shadow], error) {
	var place [3]string
	if after != "" {
		text, err := query.Unseal(shadowCursor, after)
		if err != nil || json.Unmarshal([]byte(text), &place) != nil {
			return records.Page[upkeep.Shadow]{}, query.ErrCursor
		}
	}
	limit = query.PageSize(limit)
	all, err := query.All(ctx, x.db, func(scan engine.Scanner) (one upkeep.Shadow, err error) {
		return one, scan(&one.Route, &one.Reason, &one.TokenID, &one.Count, &one.Agreed, &one.Disagreed, column.Time(&one.LastAt), column.List(&one.Examples))
	}, selectShadows, place[0], place[1], place[2], limit+1)
	if err != nil {
		return records.Page[upkeep.Shadow]{}, err
	}
	return query.Page(all, limit, func(last upkeep.Shadow) string {
		text, _ := json.Marshal([3]string{last.Route, last.Reason, last.TokenID}) // texts can be encoded
		return query.Seal(shadowCursor, string(text))
	}), nil
}

// shadowEnd returns the time before which rows that were last seen are purged at now.
func shadowEnd(now int64) int64 { return now - int64(upkeep.KeptShadow/time.Microsecond) }
