// Package directory is what administrators read and change: users and their groups,
// collections, roles, bindings, OAuth clients and signing keys. Changes by sources are in
// packages provisioning and signin, and those of an access file in apply.
//
// Every operation begins with its gate: it decides whether the caller may do it
// before it looks anything up or judges what was sent. A change that was refused is
// recorded in the audit log. A change that can remove a right has an entry in the
// revocation log and is acknowledged like a revocation.
package directory

import (
	"context"
	"errors"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/token"
)

// Store is what a directory reads.
type Store interface {
	contract.Directory
	contract.Lists
	contract.Things
	contract.Provisioning
	contract.AuditLog
	contract.Issuers
	changes.LinkStore
}

// thingStore is what is read of clients and bindings, and of the users that they name.
type thingStore interface {
	contract.Directory
	contract.Things
}

// Config configures a directory. All fields must be set.
type Config struct {
	Store   Store
	Journal *journal.Journal
	Editor  *changes.Editor
	Ring    *keyring.Ring
	Forms   token.Forms // the form of client secrets
}

// Directory reads and changes users, groups, collections, roles, bindings, clients and
// signing keys. Its methods may be called from any number of goroutines.
type Directory struct {
	*Users
	*Collections
	*Roles
	*Bindings
	*Clients
	*Keys
	*Issuers

	store  Store
	editor *changes.Editor
}

// New returns a directory.
func New(cfg Config) (*Directory, error) {
	if cfg.Store == nil || cfg.Journal == nil || cfg.Editor == nil || cfg.Ring == nil {
		return nil, errors.New("directory: store, journal, editor and ring must be set")
	}
	if _, _, err := cfg.Forms.New(token.KindClientSecret); err != nil {
		return nil, errors.New("directory: the forms must have one for client secrets")
	}
	return &Directory{
		Users:       &Users{store: cfg.Store, editor: cfg.Editor, links: cfg.Store, journal: cfg.Journal},
		Collections: &Collections{store: cfg.Store, editor: cfg.Editor},
		Roles:       &Roles{store: cfg.Store, editor: cfg.Editor},
		Bindings:    &Bindings{store: cfg.Store, editor: cfg.Editor},
		Clients:     &Clients{store: cfg.Store, editor: cfg.Editor, forms: cfg.Forms},
		Keys:        &Keys{ring: cfg.Ring, editor: cfg.Editor, journal: cfg.Journal},
		Issuers:     &Issuers{store: cfg.Store},

		store:  cfg.Store,
		editor: cfg.Editor,
	}, nil
}

// MayChange decides whether the caller may carry out a change, one of the actions of
// package audit, before it is known which; target is what the request names, and may be
// empty. Every change has this gate itself. The refusal is recorded as that of the change.
func (d *Directory) MayChange(ctx context.Context, c *caller.Caller, action, target string) error {
	return d.editor.Admit(ctx, c, action, target)
}

// AuditPage returns a page of the audit log, newest first, for administrators. Actor and target of
// the filter may be usernames in any spelling.
func (d *Directory) AuditPage(ctx context.Context, c *caller.Caller, f audit.Filter) (audit.Page, error) {
	if err := c.RequireAdministrator(); err != nil {
		return audit.Page{}, err
	}
	f, err := f.Canonical()
	if err != nil {
		return audit.Page{}, err
	}
	if f.Actor, _, err = d.identityOf(ctx, f.Actor); err != nil {
		return audit.Page{}, err
	}
	if f.Target, f.TargetTyped, err = d.identityOf(ctx, f.Target); err != nil {
		return audit.Page{}, err
	}
	return d.store.AuditPage(ctx, f)
}

// AuditEvents returns the events of the first page of AuditPage.
func (d *Directory) AuditEvents(ctx context.Context, c *caller.Caller, f audit.Filter) ([]audit.Event, error) {
	page, err := d.AuditPage(ctx, c, f)
	return page.Events, err
}

// identityOf returns how the audit log names somebody: by their subject or, where no user
// had the name, by its folded form. A text that is no username is returned unchanged.
func (d *Directory) identityOf(ctx context.Context, ref string) (id, typed string, err error) {
	u, err := findUser(ctx, d.store, ref)
	switch {
	case ref == "" || fault.Is(err, fault.NotFound):
		return ref, identity.FoldName(ref), nil
	case err != nil:
		return "", "", err
	}
	return u.ID, identity.FoldName(u.Username), nil
}

// readAll reads a whole list, a page at a time: for the command line, whose own memory it takes.
func readAll[T any](ctx context.Context, read func(context.Context, records.ThingQuery) (records.CountedPage[T], error)) ([]T, error) {
	var all []T
	for q := (records.ThingQuery{Limit: MaxChoices}); ; {
		page, err := read(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}
