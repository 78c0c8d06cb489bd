// Package directory reads and changes what access rests on: users and their groups,
// collections, roles, bindings, OAuth clients and signing keys. Apply brings all of
// them to the state that an access file describes.
//
// Every operation begins with its gate: it decides whether the caller may do it
// before it looks anything up or judges what was sent. A change that was refused is
// recorded in the audit log. A change that can take a right from somebody has an
// entry in the revocation log and is acknowledged like a revocation.
package directory

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Store is what a directory reads.
type Store interface {
	records.Directory
	records.Lists
	records.Provisioning
	records.AuditLog
	records.Issuers
	SessionFinder
}

// SessionFinder finds sessions by how they began.
type SessionFinder interface {
	SessionsOf(ctx context.Context, q records.SessionQuery, now time.Time) ([]records.StoredToken, error)
}

// Config says what a directory is made of. All fields but Fresh must be set.
type Config struct {
	Store     Store
	Journal   *journal.Journal
	Hasher    *identity.Hasher
	Passwords identity.PasswordRule // of passwords that are set in clear
	Ring      *keyring.Ring
	Forms     token.Forms   // the form of client secrets
	Fresh     time.Duration // how recent the sign-in of a session must be that sets a password or a link; 0: any
}

// Directory reads and changes what access rests on. Its methods may be called from
// any number of goroutines.
type Directory struct {
	*Users
	*Access
	*Clients
	*Keys
	*Provisioner
	*Sources
	*Issuers

	store  Store
	editor *editor
}

// New returns a directory.
func New(cfg Config) (*Directory, error) {
	if cfg.Store == nil || cfg.Journal == nil || cfg.Hasher == nil || cfg.Ring == nil {
		return nil, errors.New("directory: store, journal, hasher and ring must be set")
	}
	if cfg.Passwords.Min < 1 || cfg.Fresh < 0 {
		return nil, errors.New("directory: a password must have some characters, and the time of a fresh sign-in can't be negative")
	}
	if _, _, err := cfg.Forms.New(token.KindClientSecret); err != nil {
		return nil, errors.New("directory: the forms must have one for client secrets")
	}
	e := &editor{journal: cfg.Journal, hasher: cfg.Hasher, passwords: cfg.Passwords, fresh: cfg.Fresh, users: cfg.Store}
	return &Directory{
		Users:   &Users{store: cfg.Store, sessions: cfg.Store, editor: e},
		Access:  &Access{store: cfg.Store, editor: e},
		Clients: &Clients{store: cfg.Store, editor: e, forms: cfg.Forms},
		Keys:    &Keys{ring: cfg.Ring, editor: e},
		Sources: &Sources{store: cfg.Store, editor: e},
		Issuers: &Issuers{store: cfg.Store},

		Provisioner: &Provisioner{store: cfg.Store, editor: e},

		store:  cfg.Store,
		editor: e,
	}, nil
}

// MayChange decides whether the caller may carry out a change, one of the actions of
// package audit, before it is known which; target is what the request names, and may be
// empty. Every change has this gate itself. The refusal is recorded as that of the change.
func (d *Directory) MayChange(ctx context.Context, c *caller.Caller, action, target string) error {
	return d.editor.admit(ctx, c, action, target)
}

// AuditEvents lists the audit log, newest first, for administrators. Actor and target of
// the filter may be usernames in any spelling.
func (d *Directory) AuditEvents(ctx context.Context, c *caller.Caller, f audit.Filter) ([]audit.Event, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	f, err := f.Canonical()
	if err != nil {
		return nil, err
	}
	if f.Actor, _, err = d.identityOf(ctx, f.Actor); err != nil {
		return nil, err
	}
	if f.Target, f.TargetTyped, err = d.identityOf(ctx, f.Target); err != nil {
		return nil, err
	}
	return d.store.AuditEvents(ctx, f)
}

// identityOf returns how the audit log names somebody: by their subject or, where the name
// was nobody's, by its folded form. Whatever else is no username stands for itself.
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

// change is one administrative change: the operations, what the revocation log says
// of them, and what the audit log records.
type change struct {
	action, target string
	name           string // of the target, where it has one besides
	remark         string // the reason in the audit log
	tokenID        string // of the token that it is about
	ops            []records.Op
	log            []revocation.Entry
}

// editor prepares changes and commits them. The methods that prepare a change of
// users, collections and so on stand beside the operations that use them.
type editor struct {
	journal   *journal.Journal
	hasher    *identity.Hasher
	passwords identity.PasswordRule
	fresh     time.Duration
	users     records.PrincipalReader
}

// admit is the gate of every operation that changes something: it admits
// administrators. The refusal of a caller who is known is recorded; that of nobody is
// not, because anybody could fill the audit log.
func (e *editor) admit(ctx context.Context, c *caller.Caller, action, target string) error {
	err := c.RequireAdministrator()
	if err == nil || c == nil {
		return err
	}
	return e.refuse(ctx, c, action, target, err)
}

// admitFresh is the further gate of what somebody may do with a session only soon after they
// have signed in. The refusal is recorded.
func (e *editor) admitFresh(ctx context.Context, c *caller.Caller, action, target string) error {
	if err := c.RequireFresh(e.journal.Now(), e.fresh); err != nil {
		return e.refuse(ctx, c, action, target, err)
	}
	return nil
}

// refuse records that a caller who is known was refused a change, and returns the reason.
func (e *editor) refuse(ctx context.Context, c *caller.Caller, action, target string, reason error) error {
	event := e.journal.Event(ctx, c.Actor(), action)
	if event.Target = target; strings.HasPrefix(action, "user.") {
		event.Target, event.TargetName = records.AuditTarget(ctx, e.users, target)
	}
	return e.journal.Refuse(ctx, event, reason)
}

// commit carries out changes in one transaction, for a caller who was admitted. With
// an entry in the revocation log it returns when that is acknowledged: what the
// changes revoke is then refused by every node.
func (e *editor) commit(ctx context.Context, c *caller.Caller, changes ...change) (revocation.Receipt, error) {
	var b records.Batch
	for _, one := range changes {
		event := e.journal.Event(ctx, c.Actor(), one.action)
		event.Target, event.TargetName, event.Reason, event.TokenID = one.target, one.name, one.remark, one.tokenID
		b.Ops, b.Log, b.Audit = append(b.Ops, one.ops...), append(b.Log, one.log...), append(b.Audit, event)
	}
	if len(b.Log) == 0 {
		seq, err := e.journal.Commit(ctx, b)
		return revocation.Receipt{Seq: seq}, err
	}
	return e.journal.Revoke(ctx, b, c.Wait)
}
