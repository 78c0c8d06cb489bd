package people

import (
	"context"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	selectLinks   = `SELECT source, external_id, user_id, linked_at FROM user_links WHERE `
	linksOfUser   = selectLinks + `user_id = $1 AND ($2 = '' OR source = $2) ORDER BY source, external_id`
	linksOfSource = selectLinks + `source = $1 ORDER BY external_id`
	selectLinked  = selectUser + `, l.external_id
FROM user_links l JOIN users u ON u.id = l.user_id WHERE l.source = $1 AND l.external_id > $2 ORDER BY l.external_id LIMIT $3`
	insertLink = `INSERT INTO user_links (source, external_id, user_id, linked_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
	deleteLink = `DELETE FROM user_links WHERE source = $1 AND external_id = $2`
)

// Links returns the links of a user or a source, by source and external id.
func (p *People) Links(ctx context.Context, q records.LinkQuery) ([]records.Link, error) {
	text, args := linksOfUser, []any{q.User, q.Source}
	if q.User == "" {
		text, args = linksOfSource, []any{q.Source}
	}
	return query.All(ctx, p.db, func(scan engine.Scanner) (l records.Link, err error) {
		return l, scan(&l.Source, &l.ExternalID, &l.UserID, column.Time(&l.LinkedAt))
	}, text, args...)
}

// linkedCursor names the cursors of LinkedUsers.
const linkedCursor = "linked:"

// LinkedUsers returns the users who are linked to a source, in the order of their external
// ids. A cursor that is none is fault.Invalid.
func (p *People) LinkedUsers(ctx context.Context, q records.LinkedQuery) (records.Page[records.LinkedUser], error) {
	var after string
	if q.After != "" {
		var err error
		if after, err = query.Unseal(linkedCursor, q.After); err != nil {
			return records.Page[records.LinkedUser]{}, err
		}
	}
	limit := query.PageSize(q.Limit)
	users, err := query.All(ctx, p.db, func(scan engine.Scanner) (l records.LinkedUser, err error) {
		return l, scan(append(userFields(&l.User), &l.ExternalID)...)
	}, selectLinked, q.Source, after, limit+1)
	if err != nil {
		return records.Page[records.LinkedUser]{}, err
	}
	return query.Page(users, limit, func(l records.LinkedUser) string { return query.Seal(linkedCursor, l.ExternalID) }), nil
}

func addLink(ctx context.Context, c engine.Conn, o op.AddLink) error {
	l := o.Link
	if err := MustExist(ctx, c, l.UserID); err != nil {
		return err
	}
	return query.Taken("external_id", query.UnlessConflict(ctx, c, "that external id is linked already", insertLink, l.Source, l.ExternalID, l.UserID, column.Micros(l.LinkedAt)))
}
