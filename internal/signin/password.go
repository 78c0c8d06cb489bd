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

// Login authenticates a user by password: one that bearerd keeps or, for a user who has
// none here, one that a source checks. The error is BadCredentials, alike for an unknown
// user, a wrong password and a disabled account; Limited when there were too many failures,
// for the right password too; Unavailable when too many passwords are being checked
// already, or the source can't be asked. Between an unknown user and a wrong password that
// bearerd keeps there is no difference in time either.
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
	found, err := a.userOf(ctx, cred)
	if err != nil {
		return nil, err
	}
	v, err := a.check(ctx, cred, found, at)
	if fault.Is(err, fault.BadCredentials) {
		return nil, a.loginFailed(ctx, cred.Username, subjectOf(found), at, counts.Known)
	}
	if err != nil {
		return nil, err
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
	ops := append(a.limiter.succeeded(at, counts, last), v.ops...)
	if v.statement != nil {
		return a.loginVouched(ctx, cred, found, *v.statement, ops)
	}
	if found.User.Disabled {
		return nil, a.loginDisabled(ctx, found)
	}
	// The sign-in is recorded with what else it changes.
	c := caller.BySignIn(found, records.SignIn{At: a.cfg.Now()})
	e := a.cfg.Journal.Event(ctx, c.Actor(), audit.Login)
	e.Target = found.User.ID
	if _, err := a.cfg.Journal.Commit(ctx, records.Batch{Ops: ops, Audit: []audit.Event{e}}); err != nil {
		return nil, err
	}
	a.cfg.Meter.LoginTried(outcomeOK)
	return c, nil
}

// verdict is that a password is right: what is stored because of it, and what the source
// said that checked it.
type verdict struct {
	ops       []records.Op
	statement *Statement // nil: the password is one that bearerd keeps
}

// check decides whether the password is right. The error is BadCredentials when it is not.
func (a *Authenticator) check(ctx context.Context, cred Credentials, found *records.Principal, at attempt) (verdict, error) {
	if sources, err := a.sourcesFor(ctx, found); err != nil || len(sources) > 0 {
		if err != nil {
			return verdict{}, err
		}
		return a.checkAtSources(ctx, cred, sources)
	}
	if !a.cfg.Passwords {
		return verdict{}, errBadCredentials
	}
	return a.checkOwn(ctx, cred, found, at)
}

// checkOwn decides by the hash that bearerd keeps. For an unknown user, and one without a
// password, it checks that of another user, always the same one, so that the time reveals
// nothing.
func (a *Authenticator) checkOwn(ctx context.Context, cred Credentials, found *records.Principal, at attempt) (verdict, error) {
	known := found != nil && found.User.PasswordHash != ""
	var hash identity.PasswordHash
	var err error
	if known {
		hash = found.User.PasswordHash
	} else {
		sum := sha256.Sum256(append(a.decoySeed[:], identity.FoldName(cred.Username)...))
		if hash, err = a.cfg.Store.DecoyHash(ctx, uuid.UUID(sum[:16]).String()); err != nil {
			return verdict{}, err
		}
	}
	match, err := a.cfg.Hasher.Verify(identity.From(ctx, at.place()), hash, cred.Password)
	select {
	case a.passwordChecked <- struct{}{}:
	default:
	}
	if err != nil && !fault.Is(err, fault.Invalid) {
		return verdict{}, err
	}
	if !match.OK || !known {
		return verdict{}, errBadCredentials
	}
	var v verdict
	if match.Stale {
		// When there is no room to hash now, the next login will do.
		if hash, err := a.cfg.Hasher.Hash(ctx, cred.Password); err == nil {
			v.ops = append(v.ops, records.Rehash{ID: found.User.ID, Old: found.User.PasswordHash, New: hash})
		}
	}
	return v, nil
}

// userOf reads who has the username, in any spelling; nil when nobody has it.
func (a *Authenticator) userOf(ctx context.Context, cred Credentials) (*records.Principal, error) {
	if identity.FoldName(cred.Username) == "" {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	found, err := a.cfg.Store.Principal(ctx, records.Who{Username: cred.Username, Collection: cred.Collection})
	if fault.Is(err, fault.NotFound) {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	if err != nil {
		return nil, err
	}
	return &found, nil
}

func subjectOf(p *records.Principal) string {
	if p == nil {
		return ""
	}
	return p.User.ID
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
