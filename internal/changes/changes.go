// Package changes prepares and commits changes of what access is decided from: users and
// their groups, collections, roles, bindings, OAuth clients and trusted issuers. A Change
// is prepared first: the operations in the store with their entries in the revocation
// log. Then all changes that belong together are committed in one transaction with their
// audit events.
//
// Packages directory, provisioning, apply, signin and account decide who may change what, and
// prepare and commit changes with this one. No edge imports it.
package changes

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Change is one change: the operations, the entries in the revocation log, and what the audit
// log records.
type Change struct {
	Action, Target string
	Name           string // the name of the target, if it has one
	Was            string // the name before, if the change renames the target
	Remark         string // the reason in the audit log
	TokenID        string // of the token that it is about
	Ops            []op.Op
	Log            []revocation.Entry
}

// Config configures an Editor. All fields but Fresh must be set.
type Config struct {
	Store     records.PrincipalReader
	Journal   *journal.Journal
	Hasher    *passhash.Hasher
	Passwords identity.PasswordRule // of passwords that are set in clear
	Fresh     time.Duration         // how recent the sign-in of a session must be that sets a password or a link; 0: any
}

// Editor prepares changes and commits them. Its methods may be called from any number of
// goroutines.
type Editor struct {
	*Users
	*Grants
	*Clients

	store   records.PrincipalReader
	journal *journal.Journal
	fresh   time.Duration
}

// New returns an Editor.
func New(cfg Config) (*Editor, error) {
	if cfg.Store == nil || cfg.Journal == nil || cfg.Hasher == nil {
		return nil, errors.New("changes: store, journal and hasher must be set")
	}
	if cfg.Passwords.Min < 1 || cfg.Fresh < 0 {
		return nil, errors.New("changes: a password must have some characters, and the time of a fresh sign-in can't be negative")
	}
	return &Editor{
		Users:   &Users{journal: cfg.Journal, hasher: cfg.Hasher, passwords: cfg.Passwords},
		Grants:  &Grants{journal: cfg.Journal},
		Clients: &Clients{journal: cfg.Journal},
		store:   cfg.Store, journal: cfg.Journal, fresh: cfg.Fresh,
	}, nil
}

// Admit is the gate of every operation of administrators that changes something. The refusal
// of a known caller is recorded; that of nobody is not, because anybody could fill the audit
// log.
func (e *Editor) Admit(ctx context.Context, c *caller.Caller, action, target string) error {
	err := c.RequireAdministrator()
	if err == nil || c == nil {
		return err
	}
	return e.Refuse(ctx, c, action, target, err)
}

// AdmitFresh is the further gate of operations that a session may do only shortly after
// its user has signed in. The refusal is recorded.
func (e *Editor) AdmitFresh(ctx context.Context, c *caller.Caller, action, target string) error {
	if err := c.RequireFresh(e.journal.Now(), e.fresh); err != nil {
		return e.Refuse(ctx, c, action, target, err)
	}
	return nil
}

// AdmitSignIn is the gate of changing how a user, named by subject or username, signs in:
// for administrators, with a fresh session. It returns the user.
func (e *Editor) AdmitSignIn(ctx context.Context, c *caller.Caller, action, ref string) (identity.User, error) {
	if err := e.Admit(ctx, c, action, ref); err != nil {
		return identity.User{}, err
	}
	if err := e.AdmitFresh(ctx, c, action, ref); err != nil {
		return identity.User{}, err
	}
	p, err := records.ReadUser(ctx, e.store, ref, nil)
	if err != nil {
		return identity.User{}, err
	}
	return *p.User, nil
}

// Refuse records that a known caller was refused a change, and returns the reason.
func (e *Editor) Refuse(ctx context.Context, c *caller.Caller, action, target string, reason error) error {
	event := e.journal.Event(ctx, c.Actor(), action)
	if event.Target = target; strings.HasPrefix(action, "user.") {
		event.Target, event.TargetName = records.AuditTarget(ctx, e.store, target)
	}
	return e.journal.Refuse(ctx, event, reason)
}

// Commit carries out changes in one transaction, for a caller who was admitted. With an entry
// in the revocation log it returns when that is acknowledged: what the changes revoke is then
// refused by every node.
func (e *Editor) Commit(ctx context.Context, c *caller.Caller, list ...Change) (revocation.Receipt, error) {
	return e.commit(ctx, e.Batch(ctx, c.Actor(), list...), c.Wait)
}

// CommitSignIn carries out changes with the record of the sign-in that caused them, and with
// other operations. The actor is the user who signs in.
func (e *Editor) CommitSignIn(ctx context.Context, event audit.Event, also []op.Op, list []Change) error {
	b := e.Batch(ctx, event.Actor, list...)
	b.Ops = append(also, b.Ops...)
	b.Audit = append([]audit.Event{event}, b.Audit...)
	_, err := e.commit(ctx, b, revocation.WaitDefault)
	return err
}

func (e *Editor) commit(ctx context.Context, b op.Batch, wait revocation.Wait) (revocation.Receipt, error) {
	if len(b.Log) == 0 {
		seq, err := e.journal.Commit(ctx, b)
		return revocation.Receipt{Seq: seq}, err
	}
	return e.journal.Revoke(ctx, b, wait)
}

// Batch returns the batch of changes of an actor, with their audit events.
func (e *Editor) Batch(ctx context.Context, actor string, list ...Change) op.Batch {
	var b op.Batch
	for _, one := range list {
		event := e.journal.Event(ctx, actor, one.Action)
		event.Target, event.TargetName, event.Reason, event.TokenID = one.Target, one.Name, one.Remark, one.TokenID
		b.Ops, b.Log, b.Audit = append(b.Ops, one.Ops...), append(b.Log, one.Log...), append(b.Audit, event)
	}
	return b
}
