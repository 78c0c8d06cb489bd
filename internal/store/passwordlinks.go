package store

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
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
func (s *Store) PasswordLink(ctx context.Context, digest [32]byte) (records.PasswordLink, error) {
	l := records.PasswordLink{Digest: digest}
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		return orNotFound(c.row(ctx, selectPasswordLink, []any{digest[:]}, &l.UserID, &l.CreatedBy, stamp{&l.CreatedAt}, stamp{&l.ExpiresAt}), "there is no such link")
	})
	if err != nil {
		return records.PasswordLink{}, err
	}
	return l, nil
}

// carryOutOnWayIn does the operations on how users get in.
func carryOutOnWayIn(ctx context.Context, c conn, o op.Op) error {
	switch o := o.(type) {
	case op.RequireLink:
		return requireLink(ctx, c, o)
	case op.AddPasswordLink:
		return addPasswordLink(ctx, c, o.Link)
	case op.SpendPasswordLink:
		return unlessConflict(ctx, c, "the link was used already, was replaced, or has expired", spendPasswordLink, o.Digest[:], micros(o.Now))
	}
	return fault.New(fault.Internal, "no operation on how users get in: %T", o)
}

// addPasswordLink stores a link in place of the user's earlier ones. The transactions of
// two that are created at the same time wait for each other, so that one is left.
func addPasswordLink(ctx context.Context, c conn, l records.PasswordLink) error {
	if err := named(ctx, c, "user", userExists, l.UserID); err != nil {
		return err
	}
	if err := c.post(ctx, lockUser, l.UserID); err != nil {
		return err
	}
	if err := c.post(ctx, deletePasswordLinks, l.UserID); err != nil {
		return err
	}
	return unlessConflict(ctx, c, "such a link exists already", insertPasswordLink, l.Digest[:], l.UserID, l.CreatedBy, micros(l.CreatedAt), micros(l.ExpiresAt))
}

// requireLink checks that a user is linked to one of the sources.
func requireLink(ctx context.Context, c conn, o op.RequireLink) error {
	if err := c.post(ctx, lockUser, o.UserID); err != nil {
		return err
	}
	linked := false
	err := c.each(ctx, linksOfUser, []any{o.UserID, ""}, func(scan scanner) error {
		var l records.Link
		if err := scan(&l.Source, &l.ExternalID, &l.UserID, stamp{&l.LinkedAt}); err != nil {
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
