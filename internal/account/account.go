// Package account reads and changes how people sign in: their own password and links, the
// links by which an administrator lets somebody set a password, and the limits of failed
// sign-ins that lock an account.
package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
)

// Store is what Accounts reads.
type Store interface {
	records.PrincipalReader
	contract.PasswordLinks
	changes.LinkStore
	// TokenByID finds a session by its public id.
	TokenByID(ctx context.Context, id string) (records.StoredToken, revocation.Seq, error)
	// AccountFailures returns the failed sign-ins of an account, as contract.Attempts says.
	AccountFailures(ctx context.Context, account string, now time.Time) ([]records.AccountFailures, error)
}

// Config configures Accounts. Every field but Sources and Fresh must be set.
type Config struct {
	Store     Store
	Journal   *journal.Journal
	Editor    *changes.Editor
	Passwords *signin.Passwords
	Sources   signin.Sources  // that vouch for people
	Limits    identity.Limits // of failed sign-ins
	Fresh     time.Duration   // how recent the sign-in of a session must be that changes how its user signs in; 0: any
	Quota     *quota.Quota    // of look-ups
	Now       func() time.Time
}

// Accounts reads and changes how people sign in. Its methods may be called from any
// number of goroutines.
type Accounts struct{ cfg Config }

// New returns an Accounts.
func New(cfg Config) (*Accounts, error) {
	switch {
	case cfg.Store == nil || cfg.Journal == nil || cfg.Editor == nil:
		return nil, errors.New("account: store, journal and editor must be set")
	case cfg.Passwords == nil || cfg.Quota == nil || cfg.Now == nil:
		return nil, errors.New("account: passwords, quota and now must be set")
	}
	return &Accounts{cfg: cfg}, nil
}

// Account is how somebody signs in.
type Account struct {
	User     identity.User
	Password bool           // they have a password here, which lets them in
	Keeper   string         // the source that keeps the password, or would keep one; "": bearerd
	Links    []records.Link // who they are for which source
}

// Account returns how the caller signs in. The error is Unauthenticated for anybody but
// a user, and InsufficientScope for a Bearer without the scope credentials.
func (a *Accounts) Account(ctx context.Context, c *caller.Caller) (Account, error) {
	if err := c.RequireManageTokens(); err != nil {
		return Account{}, err
	}
	p, err := a.own(ctx, c)
	if err != nil {
		return Account{}, err
	}
	links, err := a.cfg.Store.Links(ctx, records.LinkQuery{User: p.User.ID})
	return Account{User: *p.User, Password: a.cfg.Passwords.Has(p), Keeper: a.keeper(*p.User), Links: links}, err
}

// own reads the user who is calling. The error is Forbidden for a client.
func (a *Accounts) own(ctx context.Context, c *caller.Caller) (*records.Principal, error) {
	if c.ID() == "" || c.Subject.Client {
		return nil, fault.New(fault.Forbidden, "this is for users")
	}
	return records.ReadUser(ctx, a.cfg.Store, c.ID(), nil)
}

// keeper returns the source that keeps a user's password: the user's owner, unless that is a
// source by which people sign in without a password. "" is bearerd.
func (a *Accounts) keeper(u identity.User) string {
	src, declared := a.cfg.Sources.Find(u.Owner)
	if declared && src.Passwords == nil {
		return ""
	}
	return u.Owner
}

// mayHavePassword decides whether a user may set a password here. The error is Conflict.
func (a *Accounts) mayHavePassword(u identity.User) error {
	switch {
	case !a.cfg.Passwords.Kept():
		return fault.New(fault.Conflict, "nobody signs in with a password here")
	case a.keeper(u) != "":
		return fault.New(fault.Conflict, "the password is kept by the source %s: it is changed there", u.Owner)
	}
	return nil
}

// PasswordChange is a user's own change of their password.
type PasswordChange struct{ Current, New token.Secret }

// fieldCurrent is the field that an error about the current password names.
const fieldCurrent = "current_password"

// ChangePassword changes the caller's own password, by the current one and a fresh session,
// and revokes everything of the user, the caller's session too. It returns the user as the
// caller for whom a new session begins, and the collection of the old session.
//
// The error is Forbidden for a wrong current password, which counts as a failed sign-in, and
// for a Bearer; Limited after too many failures; SignInAgain for a session that isn't fresh;
// Conflict for a user who has no password here, and when the password was changed at the same
// time; Invalid for a new password that the rule refuses.
func (a *Accounts) ChangePassword(ctx context.Context, c *caller.Caller, ch PasswordChange) (*caller.Caller, *int64, error) {
	if err := a.MayChangeOwn(ctx, c, audit.UserPassword); err != nil {
		return nil, nil, err
	}
	e := a.cfg.Journal.Event(ctx, c.Actor(), audit.UserPassword)
	e.Target = c.ID()
	found, err := a.own(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	if err := a.mayHavePassword(*found.User); err != nil {
		return nil, nil, a.cfg.Journal.Refuse(ctx, e, err)
	}
	if !a.cfg.Passwords.Has(found) {
		return nil, nil, fault.New(fault.Conflict, "there is no password to change: an administrator can create a link to set one")
	}
	ops, err := a.cfg.Passwords.Prove(ctx, found, ch.Current.Reveal())
	if fault.Is(err, fault.BadCredentials) {
		return nil, nil, a.cfg.Journal.Refuse(ctx, e, fault.New(fault.Forbidden, "the current password is wrong").In(fieldCurrent))
	}
	if err != nil {
		return nil, nil, err
	}
	if ch.New == ch.Current {
		return nil, nil, fault.New(fault.Invalid, "the new password is the current one").In("password")
	}
	row, _, err := a.cfg.Store.TokenByID(ctx, c.TokenID())
	if err != nil {
		return nil, nil, err
	}
	own := ownPassword{user: *found.User, password: ch.New, how: "by the user", also: ops}
	if err := a.setPassword(ctx, own, c.Wait); err != nil {
		return nil, nil, err
	}
	return a.again(ctx, row)
}

// MayChangeOwn decides whether the caller may change how they sign in, which takes a
// fresh session. The action is that of the change in the audit log. The error is
// Unauthenticated, Forbidden for a Bearer, or SignInAgain. The refusal of a known caller
// is recorded.
func (a *Accounts) MayChangeOwn(ctx context.Context, c *caller.Caller, action string) error {
	if c == nil {
		return caller.ErrSignIn
	}
	err := c.RequireFreshSession(a.cfg.Now(), a.cfg.Fresh)
	if !c.BySession() {
		err = fault.New(fault.Forbidden, "this takes a session: no token changes it")
	}
	if err == nil {
		return nil
	}
	e := a.cfg.Journal.Event(ctx, c.Actor(), action)
	e.Target = c.ID()
	return a.cfg.Journal.Refuse(ctx, e, err)
}

// again returns the user of a session that a change has ended, read after the change, with
// how they had signed in, and the session's collection if they still have access to it.
func (a *Accounts) again(ctx context.Context, was records.StoredToken) (*caller.Caller, *int64, error) {
	p, err := a.cfg.Store.Principal(ctx, records.Who{UserID: was.Owner, Collection: was.Collection})
	if err != nil {
		return nil, nil, err
	}
	if was.Collection != nil && (!p.CollectionExists || !p.May(access.ActionAccess, access.CollectionPath(*was.Collection)).Allowed) {
		was.Collection = nil
	}
	return caller.BySignIn(&p, was.SignIn), was.Collection, nil
}

// Unlink removes a link of the caller's own, by a fresh session, and ends the other sessions
// that began by its source. The error is NotFound for a link that isn't theirs; Conflict for
// the last way in, and for the link by which the user's owner identifies them; that of
// ChangePassword otherwise.
func (a *Accounts) Unlink(ctx context.Context, c *caller.Caller, link records.Link) (revocation.Receipt, error) {
	if err := a.MayChangeOwn(ctx, c, audit.UserUnlink); err != nil {
		return revocation.Receipt{}, err
	}
	p, err := a.own(ctx, c)
	if err != nil {
		return revocation.Receipt{}, err
	}
	if link.Source == p.User.Owner && p.User.Owner != "" {
		return revocation.Receipt{}, fault.New(fault.Conflict, "the source %s maintains your account, and knows you by this link", link.Source)
	}
	var ways []string
	if !a.cfg.Passwords.Has(p) {
		ways = a.waysIn()
	}
	removal, err := a.cfg.Editor.RemoveLink(ctx, a.cfg.Store, changes.RemovedLink{User: *p.User, Link: link, Keep: c.TokenID(), Ways: ways})
	if err != nil {
		return revocation.Receipt{}, err
	}
	return a.cfg.Editor.Commit(ctx, c, removal)
}

// waysIn returns the sources by whose links somebody can sign in. It isn't nil.
func (a *Accounts) waysIn() []string {
	ways := []string{}
	for _, s := range a.cfg.Sources {
		ways = append(ways, s.Name)
		if s.Users != "" && !slices.Contains(ways, s.Users) {
			ways = append(ways, s.Users)
		}
	}
	return ways
}

// Title returns the name of a source as people read it.
func (a *Accounts) Title(source string) string { return a.cfg.Sources.Title(source) }
