package signin

import (
	"cmp"
	"context"
	"crypto/sha256"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

// Credentials are a username and a password, and what they are to be used for.
type Credentials struct {
	Username   string // as it was typed: in any spelling of the name
	Password   string
	Collection *int64 // read in the same snapshot as the user; nil: none
}

// The outcomes of a login, for the meter.
const (
	outcomeOK       = "ok"
	outcomeFailed   = "failed"
	outcomeDisabled = "disabled"
	outcomeLimited  = "limited"
)

var errBadCredentials = fault.New(fault.BadCredentials, "wrong username or password")

// Login authenticates a user by password. The error is BadCredentials, alike for an
// unknown user, a wrong password and a disabled account, and after the same time;
// Limited when there were too many failures, for the right password too; Unavailable
// when too many passwords are being checked already.
//
// The user is read before the password is checked, in one snapshot with the grants
// and the log's sequence: what is issued to them is void if the password changes
// meanwhile.
func (a *Authenticator) Login(ctx context.Context, cred Credentials) (*caller.Caller, error) {
	at := attempt{account: identity.AccountKey(cred.Username), network: audit.OriginOf(ctx).Network()}
	counts, _, err := a.limiter.read(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := a.limiter.judge(counts); err != nil {
		return nil, a.loginLimited(err)
	}
	p, subject, hash, err := a.loginPrincipal(ctx, cred)
	if err != nil {
		return nil, err
	}
	match, err := a.cfg.Hasher.Verify(identity.From(ctx, at.place()), hash, cred.Password)
	select {
	case a.passwordChecked <- struct{}{}:
	default:
	}
	if err != nil && !fault.Is(err, fault.Invalid) {
		return nil, err
	}
	if !match.OK || p == nil {
		return nil, a.loginFailed(ctx, cred.Username, subject, at, counts.Known)
	}
	// Attempts that ran at the same time may have reached the limit meanwhile: then
	// this answer must say no more than theirs.
	counts, last, err := a.limiter.read(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := a.limiter.judge(counts); err != nil {
		return nil, a.loginLimited(err)
	}
	if p.User.Disabled {
		return nil, a.loginDisabled(ctx, p)
	}
	ops := a.limiter.succeeded(at, counts, last)
	if match.Stale {
		// When there is no room to hash now, the next login will do.
		if hash, err := a.cfg.Hasher.Hash(ctx, cred.Password); err == nil {
			ops = append(ops, records.Rehash{ID: p.User.ID, Old: p.User.PasswordHash, New: hash})
		}
	}
	// The sign-in is recorded with what else it changes.
	c := caller.ByPrincipal(p)
	e := a.cfg.Journal.Event(ctx, c.Actor(), audit.Login)
	e.Target = p.User.ID
	if _, err := a.cfg.Journal.Commit(ctx, records.Batch{Ops: ops, Audit: []audit.Event{e}}); err != nil {
		return nil, err
	}
	a.cfg.Meter.LoginTried(outcomeOK)
	return c, nil
}

// loginPrincipal reads the user. For an unknown one, and one without a password, it
// returns nil and the hash of another user, always the same one, so that the time reveals
// nothing. The subject is that of whoever has the name, with or without a password.
func (a *Authenticator) loginPrincipal(ctx context.Context, cred Credentials) (p *records.Principal, subject string, hash identity.PasswordHash, err error) {
	name := identity.FoldName(cred.Username)
	if name != "" {
		found, err := a.cfg.Store.Principal(ctx, records.Who{Username: cred.Username, Collection: cred.Collection})
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, "", "", err
		}
		if err == nil {
			subject = found.User.ID
		}
		if err == nil && found.User.PasswordHash != "" {
			return &found, subject, found.User.PasswordHash, nil
		}
	}
	sum := sha256.Sum256(append(a.decoySeed[:], name...))
	hash, err = a.cfg.Store.DecoyHash(ctx, uuid.UUID(sum[:16]).String())
	return nil, subject, hash, err
}

func (a *Authenticator) loginLimited(err error) error {
	if fault.Is(err, fault.Limited) {
		a.cfg.Meter.LoginTried(outcomeLimited)
	}
	return err
}

// loginFailed counts the failure, records it, and returns the answer. The audit log names
// who has the name by their subject, as everywhere, with what was typed beside it.
func (a *Authenticator) loginFailed(ctx context.Context, typed, subject string, at attempt, known bool) error {
	if err := a.limiter.failed(ctx, at, known); err != nil {
		return a.loginLimited(err)
	}
	a.cfg.Meter.LoginTried(outcomeFailed)
	e := a.cfg.Journal.Event(ctx, "", audit.Login)
	e.Target, e.TargetName = cmp.Or(subject, identity.FoldName(typed), typed), typed
	return a.cfg.Journal.Refuse(ctx, e, errBadCredentials)
}

// loginDisabled refuses the right password of a disabled account. It is no failure, and
// the answer is that of a wrong one.
func (a *Authenticator) loginDisabled(ctx context.Context, p *records.Principal) error {
	a.cfg.Meter.LoginTried(outcomeDisabled)
	e := a.cfg.Journal.Event(ctx, "", audit.Login)
	e.Target, e.TargetName = p.User.ID, p.User.Username
	reason := fault.New(fault.BadCredentials, "the account is disabled")
	if err := a.cfg.Journal.Refuse(ctx, e, reason); !fault.Is(err, fault.BadCredentials) {
		return err
	}
	return errBadCredentials
}
