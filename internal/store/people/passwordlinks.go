package people

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	selectPasswordLink = `SELECT user_id, created_by, created_at, expires_at FROM password_links WHERE digest = $1` // #nosec G101 -- SQL
	insertPasswordLink = `INSERT INTO password_links (digest, user_id, created_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`
	deletePasswordLinks = `DELETE FROM password_links WHERE user_id = $1`
	spendPasswordLink   = `DELETE FROM password_links WHERE digest = $1 AND expires_at > $2`
)

// PasswordLink finds a link with which a user sets a password, by the SHA-256 of its secret
// part. If there is none, the error is fault.NotFound.
func (p *People) PasswordLink(ctx context.Context, digest [32]byte) (records.PasswordLink, error) {
	l := records.PasswordLink{Digest: digest}
	err := p.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		return query.OrNotFound(c.Row(ctx, selectPasswordLink, []any{digest[:]}, &l.UserID, &l.CreatedBy, column.Time(&l.CreatedAt), column.Time(&l.ExpiresAt)), "there is no such link")
	})
	if err != nil {
		return records.PasswordLink{}, err
	}
	return l, nil
}

// addPasswordLink stores a link in place of the user's earlier ones. The transactions of
// two that are created at the same time wait for each other, so that one is left.
func addPasswordLink(ctx context.Context, c engine.Conn, l records.PasswordLink) error {
	if err := MustExist(ctx, c, l.UserID); err != nil {
		return err
	}
	if err := c.Post(ctx, lockUser, l.UserID); err != nil {
		return err
	}
	if err := c.Post(ctx, deletePasswordLinks, l.UserID); err != nil {
		return err
	}
	return query.UnlessConflict(ctx, c, "such a link exists already", insertPasswordLink, l.Digest[:], l.UserID, l.CreatedBy, column.Micros(l.CreatedAt), column.Micros(l.ExpiresAt))
}

// requireLink checks that a user is linked to one of the sources.
func requireLink(ctx context.Context, c engine.Conn, o op.RequireLink) error {
	if err := c.Post(ctx, lockUser, o.UserID); err != nil {
		return err
	}
	linked := false
	err := c.Each(ctx, linksOfUser, []any{o.UserID, ""}, func(scan engine.Scanner) error {
		var l records.Link
		if err := scan(&l.Source, &l.ExternalID, &l.UserID, column.Time(&l.LinkedAt)); err != nil {
			return err
		}
		linked = linked || slices.Contains(o.Sources, l.Source)
		return nil
	})
	if err == nil && !linked {
		return fault.New(fault.Conflict, "the user would have no way left to sign in")
	}
	return err
}
