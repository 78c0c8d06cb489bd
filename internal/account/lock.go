package account

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// Lock is which limits keep a user from signing in by password. The zero value is
// none.
type Lock struct {
	// Everywhere is when the limit of the account from everywhere ends; zero: it is not
	// reached. Until then the user signs in only from where they did within 30 days.
	Everywhere time.Time
	// Addresses are those from which nobody can sign in to the account, some of them
	// when there are many.
	Addresses []LockedAddress
}

// LockedAddress is an address, or the network of an IPv6 client, from which nobody can
// sign in to an account until an instant.
type LockedAddress struct {
	Address string // "": that is not known
	Until   time.Time
}

// Any reports whether any limit is reached.
func (l Lock) Any() bool { return !l.Everywhere.IsZero() || len(l.Addresses) > 0 }

// maxLockedAddresses bounds what a Lock names.
const maxLockedAddresses = 20

// Lock returns which limits of failed sign-ins a user, named by subject or username, has
// reached, for administrators.
func (a *Accounts) Lock(ctx context.Context, c *caller.Caller, ref string) (Lock, error) {
	if err := c.RequireAdministrator(); err != nil {
		return Lock{}, err
	}
	p, err := records.ReadUser(ctx, a.cfg.Store, ref, nil)
	if err != nil {
		return Lock{}, err
	}
	now, limits := a.cfg.Now(), a.cfg.Limits
	counts, err := a.cfg.Store.AccountFailures(ctx, identity.AccountKey(p.User.Username), now)
	if err != nil {
		return Lock{}, err
	}
	var lock Lock
	for _, f := range counts {
		judged := identity.Attempts{Account: f.Failures}
		if f.Everywhere {
			judged = identity.Attempts{Total: f.Failures}
		}
		_, wait := limits.Exceeded(judged, now)
		switch {
		case wait == 0:
		case f.Everywhere:
			lock.Everywhere = now.Add(wait)
		case len(lock.Addresses) < maxLockedAddresses:
			lock.Addresses = append(lock.Addresses, LockedAddress{Address: f.Address, Until: now.Add(wait)})
		}
	}
	return lock, nil
}

// Unlock forgets the failed sign-ins of a user, named by subject or username, for
// administrators. Failures of an address at other accounts still count.
func (a *Accounts) Unlock(ctx context.Context, c *caller.Caller, ref string) error {
	e := a.cfg.Journal.Event(ctx, c.Actor(), audit.UserUnlock)
	if err := c.RequireAdministrator(); err != nil {
		if c == nil {
			return err
		}
		e.Target, e.TargetName = records.AuditTarget(ctx, a.cfg.Store, ref)
		return a.cfg.Journal.Refuse(ctx, e, err)
	}
	p, err := records.ReadUser(ctx, a.cfg.Store, ref, nil)
	if err != nil {
		return err
	}
	e.Target, e.TargetName = p.User.ID, p.User.Username
	_, err = a.cfg.Journal.Commit(ctx, op.Batch{
		Ops: []op.Op{op.ClearFailures{Account: identity.AccountKey(p.User.Username)}}, Audit: []audit.Event{e},
	})
	return err
}
