// Package provisioning has the operations of systems that maintain users: those that
// provision users and groups (SCIM), and the sign-in sources that disable the users who
// are linked to them.
//
// Every operation begins with its gate, and the refusal of a change is recorded. A source
// sees and changes what it owns. Everything else doesn't exist for it, except that a
// username can be taken.
package provisioning

import (
	"context"
	"errors"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
)

// Store is what a Provisioner reads.
type Store interface {
	contract.Provisioning
	records.PrincipalReader
	changes.MightyStore
	changes.LinkStore
	LinkedUsers(ctx context.Context, q records.LinkedQuery) (records.Page[records.LinkedUser], error)
}

// Config configures a Provisioner. All fields must be set.
type Config struct {
	Store   Store
	Journal *journal.Journal
	Editor  *changes.Editor
}

// Provisioner reads and changes users and groups for the systems that maintain them. Its
// methods may be called from any number of goroutines.
type Provisioner struct {
	*Users
	*Groups
	*Sources
	*gate
}

// New returns a Provisioner.
func New(cfg Config) (*Provisioner, error) {
	if cfg.Store == nil || cfg.Journal == nil || cfg.Editor == nil {
		return nil, errors.New("provisioning: store, journal and editor must be set")
	}
	g := &gate{journal: cfg.Journal}
	return &Provisioner{
		Users:   &Users{gate: g, store: cfg.Store, editor: cfg.Editor, journal: cfg.Journal},
		Groups:  &Groups{gate: g, store: cfg.Store, editor: cfg.Editor, journal: cfg.Journal},
		Sources: &Sources{store: cfg.Store, editor: cfg.Editor, journal: cfg.Journal},
		gate:    g,
	}, nil
}

// gate decides whether a caller may provision.
type gate struct{ journal *journal.Journal }

// MayProvision decides whether the caller may provision at all, before anything that was
// sent is judged. action is the audit action of the change that was asked for, and "" for
// reading; the refusal of a change is recorded.
func (g *gate) MayProvision(ctx context.Context, c *caller.Caller, action, target string) error {
	_, err := g.admit(ctx, c, action, target)
	return err
}

// admit is the gate of every operation here. It returns the caller as a source.
func (g *gate) admit(ctx context.Context, c *caller.Caller, action, target string) (owner string, err error) {
	owner, err = caller.RequireProvision(c)
	if err == nil || c == nil || action == "" {
		return owner, err
	}
	return "", g.refuse(ctx, c, action, target, err)
}

func (g *gate) refuse(ctx context.Context, c *caller.Caller, action, target string, reason error) error {
	event := g.journal.Event(ctx, c.Actor(), action)
	event.Target = target
	return g.journal.Refuse(ctx, event, reason)
}
