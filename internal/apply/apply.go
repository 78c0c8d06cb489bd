// Package apply brings what is stored to the state that an access file describes: in one
// transaction, all of it or nothing.
package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Desired is the state that an access file describes. What it doesn't name is left as
// it is or, with Prune, removed.
type Desired struct {
	Collections []records.Collection
	Roles       []access.Role
	Users       []DesiredUser
	Bindings    []access.Binding // User is a username
	Clients     []identity.NewClient
	Issuers     []records.Issuer // without ids and versions, which Apply sets
	Prune       bool
	DryRun      bool // change nothing, and return what would change

	// Source names the system that the file comes from; "": administrators wrote it. "scim:"
	// and an id names what provisions by SCIM as that client or user. A source owns what
	// it creates, and with Prune removes only that; a file of administrators removes
	// nothing that a source owns.
	Source string
	// Adopt lets the source take over users of the names in the file whom nobody owns.
	Adopt bool
	// RevokeOnNewHash revokes everything of a user for whom the source has a different
	// password hash, even if it doesn't report that the password was changed.
	RevokeOnNewHash bool
}

// validate returns what is wrong with how a file is to be applied.
func (d *Desired) validate() error {
	switch {
	case d.Source == "" && d.Adopt:
		return fault.New(fault.Invalid, "only a source adopts users").In("source")
	case d.Source == "" && d.RevokeOnNewHash:
		return fault.New(fault.Invalid, "without a source every new password hash revokes").In("source")
	case strings.HasPrefix(d.Source, caller.SourceSCIM):
		return fault.In("source", identity.ValidateClientID(strings.TrimPrefix(d.Source, caller.SourceSCIM)))
	case d.Source == "":
		return nil
	}
	return changes.ValidateSource(d.Source, "")
}

// DesiredUser is a user as the file describes them. The password is left as it is when
// Password and PasswordHash are empty and SetPasswordHash is false; with that, an empty
// PasswordHash removes the password.
type DesiredUser struct {
	identity.NewUser
	SetDisabled, SetGroups, SetName, SetEmail, SetPasswordHash bool // the file has this member

	// ExternalID is who the user is for the source; "": the source goes by the username.
	ExternalID string
	// PasswordChangedAt is when the password was changed, by the source; zero: not known.
	PasswordChangedAt time.Time
}

// MistakeError names the element of a list of Desired that is wrong.
type MistakeError struct {
	List  string // collections, roles, users, bindings, clients, issuers
	Index int
	Err   error
}

// Error returns the list, the position and what is wrong.
func (m *MistakeError) Error() string { return fmt.Sprintf("%s[%d]: %v", m.List, m.Index, m.Err) }

// Unwrap returns what is wrong.
func (m *MistakeError) Unwrap() error { return m.Err }

// Applied is one change that Apply made, or would make.
type Applied struct {
	Action string // an audit action
	Target string // as people know it: a username, not a subject
	Was    string // its name before, if the change renames it
}

// Store is what an Applier reads.
type Store interface {
	contract.Directory
	contract.Issuers
}

// Config configures an Applier. All fields must be set.
type Config struct {
	Store   Store
	Journal *journal.Journal
	Editor  *changes.Editor
}

// Applier applies access files. Its methods may be called from any number of goroutines.
type Applier struct {
	store   Store
	journal *journal.Journal
	editor  *changes.Editor
}

// New returns an Applier.
func New(cfg Config) (*Applier, error) {
	if cfg.Store == nil || cfg.Journal == nil || cfg.Editor == nil {
		return nil, errors.New("apply: store, journal and editor must be set")
	}
	return &Applier{store: cfg.Store, journal: cfg.Journal, editor: cfg.Editor}, nil
}

// Apply brings what is stored to the desired state, in one transaction: all of it or
// nothing. Applying the same state twice changes nothing the second time. The error is
// a *MistakeError where one element is wrong.
func (a *Applier) Apply(ctx context.Context, c *caller.Caller, desired Desired) ([]Applied, revocation.Receipt, error) {
	if err := a.editor.Admit(ctx, c, audit.Apply, ""); err != nil {
		return nil, revocation.Receipt{}, err
	}
	if err := desired.validate(); err != nil {
		return nil, revocation.Receipt{}, err
	}
	read := a.journal.Reading()
	p, err := newPlan(ctx, a.store, a.editor, desired.Source)
	if err != nil {
		return nil, revocation.Receipt{}, err
	}
	if err := p.reach(ctx, &desired); err != nil {
		return nil, revocation.Receipt{}, err
	}
	switch {
	case desired.DryRun:
		return p.applied, revocation.Receipt{}, nil
	case len(p.changes) == 0:
		_, err := a.journal.Settled(ctx, read, c.Wait)
		return p.applied, revocation.Receipt{}, err
	}
	r, err := a.editor.Commit(ctx, c, p.changes...)
	return p.applied, r, err
}
