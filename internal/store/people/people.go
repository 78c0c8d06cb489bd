// Package people keeps users: their accounts, groups, and links to sources, what a source
// provisions, the links with which they set a password, and the counts of failed logins.
package people

import (
	"context"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

// People reads users and what belongs to them.
type People struct{ db engine.DB }

// New returns the users of a database.
func New(db engine.DB) *People { return &People{db} }

// CarryOut does an operation on users and what belongs to them. It reports whether the
// operation is one.
func CarryOut(ctx context.Context, c engine.Conn, o op.Op) (done bool, err error) {
	switch o := o.(type) {
	case op.CreateUser:
		return true, createUser(ctx, c, o.User)
	case op.UpdateUser:
		return true, updateUser(ctx, c, o)
	case op.Rehash:
		_, err := c.Exec(ctx, rehash, o.ID, o.Old.Reveal(), o.New.Reveal(), o.Old.Fingerprint())
		return true, err
	case op.RemoveUser:
		return true, query.Change(ctx, c, noSuchUser, deleteUser, o.ID)
	case op.ClearFailures:
		return true, clearFailures(ctx, c, o)
	case op.KnowAddress:
		return true, knowAddressOf(ctx, c, o)
	case op.ForgetAddresses:
		return true, c.Post(ctx, forgetAddresses, o.Account)
	case op.RequireLink:
		return true, requireLink(ctx, c, o)
	case op.AddPasswordLink:
		return true, addPasswordLink(ctx, c, o.Link)
	case op.SpendPasswordLink:
		return true, query.UnlessConflict(ctx, c, "the link was used already, was replaced, or has expired", spendPasswordLink, o.Digest[:], column.Micros(o.Now))
	}
	return carryOutForSource(ctx, c, o)
}

// carryOutForSource carries out an operation of a source, and reports whether it is one.
func carryOutForSource(ctx context.Context, c engine.Conn, o op.Op) (done bool, err error) {
	switch o := o.(type) {
	case op.SetGroups:
		err = setGroups(ctx, c, o)
	case op.AddLink:
		err = addLink(ctx, c, o)
	case op.RemoveLink:
		err = query.Change(ctx, c, "there is no such link", deleteLink, o.Source, o.ExternalID)
	case op.AdoptUser:
		err = adopt(ctx, c, o)
	case op.DescribeUser:
		err = describe(ctx, c, o)
	case op.CreateGroup:
		err = createGroup(ctx, c, o.Group)
	case op.UpdateGroup:
		err = updateGroup(ctx, c, o)
	case op.RemoveGroup:
		err = removeGroup(ctx, c, o)
	default:
		return false, nil
	}
	return true, err
}

// Purging returns the steps that delete what is due.
func Purging(end query.Passed) []query.Step {
	return []query.Step{
		query.Purging(purgeAttempts, end.Rest),
		query.Purging(purgePasswordLinks, end.Rest),
		query.Purging(purgeAddresses, end.Rest-identity.KnownAddress.Microseconds()),
	}
}

const (
	purgeAddresses = `DELETE FROM known_addresses
WHERE (account, address) IN (SELECT account, address FROM known_addresses WHERE last_at <= $1 ORDER BY last_at LIMIT 500)`
	purgePasswordLinks = `DELETE FROM password_links
WHERE digest IN (SELECT digest FROM password_links WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)`
	purgeAttempts = `DELETE FROM attempts
WHERE key IN (SELECT key FROM attempts WHERE until <= $1 ORDER BY until LIMIT 500)`
)

// MustExist returns fault.Invalid when no user has the id. "" is no error.
func MustExist(ctx context.Context, c engine.Conn, id string) error {
	return query.Named(ctx, c, "user", userExists, id)
}
