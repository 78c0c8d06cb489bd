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
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// Passwords signs people in by password, within the limits of failures. Its methods may be
// called from any number of goroutines.
type Passwords struct {
	cfg       *Config
	limiter   *Limiter
	vouching  *Vouching // for those whose password a source checks
	checked   chan struct{}
	decoySeed [16]byte // places unknown usernames among the users
}

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

// Limiter returns the limiter of failed attempts, for other secrets that people type.
func (pw *Passwords) Limiter() *Limiter { return pw.limiter }

// PasswordChecked returns a channel that receives after passwords were checked: the
// memory that this took can be returned to the operating system.
func (pw *Passwords) PasswordChecked() <-chan struct{} { return pw.checked }

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
func (pw *Passwords) Login(ctx context.Context, cred Credentials) (*caller.Caller, error) {
	at := attempt{account: identity.AccountKey(cred.Username), network: audit.OriginOf(ctx).Network()}
	known, err := pw.begin(ctx, at)
	if err != nil {
		return nil, err
	}
	found, err := pw.userOf(ctx, cred)
	if err != nil {
		return nil, err
	}
	v, err := pw.check(ctx, cred, found, at)
	if fault.Is(err, fault.BadCredentials) {
		return nil, pw.loginFailed(ctx, cred.Username, subjectOf(found), at, known)
	}
	if err != nil {
		return nil, err
	}
	ops, err := pw.accept(ctx, at)
	if err != nil {
		return nil, err
	}
	ops = append(ops, v.ops...)
	if v.statement != nil {
		return pw.loginVouched(ctx, cred, found, *v.statement, ops)
	}
	if found.User.Disabled {
		return nil, pw.loginDisabled(ctx, found)
	}
	// The sign-in is recorded with what else it changes.
	c := caller.BySignIn(found, records.SignIn{At: pw.cfg.Now()})
	e := pw.cfg.Journal.Event(ctx, c.Actor(), audit.Login)
	e.Target = found.User.ID
	if _, err := pw.cfg.Journal.Commit(ctx, op.Batch{Ops: ops, Audit: []audit.Event{e}}); err != nil {
		return nil, err
	}
	pw.cfg.Meter.LoginTried(outcomeOK)
	return c, nil
}

// begin decides whether another attempt may be made, and reports whether the account has
// signed in from its address before. The error is Limited.
func (pw *Passwords) begin(ctx context.Context, at attempt) (known bool, err error) {
	counts, _, err := pw.limiter.read(ctx, at)
	if err != nil {
		return false, err
	}
	return counts.Known, pw.loginLimited(pw.limiter.judge(counts))
}

// accept returns the operations of an attempt with the right password. Attempts that ran
// at the same time may have reached the limit meanwhile: then this answer must reveal no
// more than theirs, and the error is Limited.
func (pw *Passwords) accept(ctx context.Context, at attempt) ([]op.Op, error) {
	counts, last, err := pw.limiter.read(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := pw.limiter.judge(counts); err != nil {
		return nil, pw.loginLimited(err)
	}
	return pw.limiter.succeeded(at, counts, last), nil
}

// Kept reports whether people sign in with passwords that bearerd keeps.
func (pw *Passwords) Kept() bool { return pw.cfg.Passwords }

// Has reports whether a user has a password that bearerd keeps and that signs them in.
func (pw *Passwords) Has(p *records.Principal) bool {
	return p != nil && p.User.PasswordHash != "" && pw.cfg.Passwords
}

// Prove checks the current password of a user who has one, within the limits of signing in,
// and returns what to commit with the change that it allows. The error is BadCredentials for
// a wrong password, which counts as a failed sign-in, and that of Login otherwise. It records
// nothing in the audit log.
func (pw *Passwords) Prove(ctx context.Context, user *records.Principal, current string) ([]op.Op, error) {
	at := attempt{account: identity.AccountKey(user.User.Username), network: audit.OriginOf(ctx).Network()}
	known, err := pw.begin(ctx, at)
	if err != nil {
		return nil, err
	}
	_, err = pw.checkOwn(ctx, Credentials{Username: user.User.Username, Password: current}, user, at)
	if fault.Is(err, fault.BadCredentials) {
		if err := pw.limiter.failed(ctx, at, known); err != nil {
			return nil, pw.loginLimited(err)
		}
		pw.cfg.Meter.LoginTried(outcomeFailed)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	return pw.accept(ctx, at)
}

// verdict is that a password is right: what is stored because of it, and what the source
// said that checked it.
type verdict struct {
	ops       []op.Op
	statement *Statement // nil: the password is one that bearerd keeps
}

// check decides whether the password is right. The error is BadCredentials when it is not.
func (pw *Passwords) check(ctx context.Context, cred Credentials, found *records.Principal, at attempt) (verdict, error) {
	if sources, err := pw.sourcesFor(ctx, found); err != nil || len(sources) > 0 {
		if err != nil {
			return verdict{}, err
		}
		return pw.checkAtSources(ctx, cred, sources)
	}
	if !pw.cfg.Passwords {
		return verdict{}, errBadCredentials
	}
	return pw.checkOwn(ctx, cred, found, at)
}

// checkOwn decides by the hash that bearerd keeps. For an unknown user, and one without a
// password, it checks that of another user, always the same one, so that the time reveals
// nothing.
func (pw *Passwords) checkOwn(ctx context.Context, cred Credentials, found *records.Principal, at attempt) (verdict, error) {
	known := found != nil && found.User.PasswordHash != ""
	var hash passhash.Hash
	var err error
	if known {
		hash = found.User.PasswordHash
	} else {
		sum := sha256.Sum256(append(pw.decoySeed[:], identity.FoldName(cred.Username)...))
		if hash, err = pw.cfg.Store.DecoyHash(ctx, uuid.UUID(sum[:16]).String()); err != nil {
			return verdict{}, err
		}
	}
	match, err := pw.cfg.Hasher.Verify(passhash.From(ctx, at.place()), hash, cred.Password)
	select {
	case pw.checked <- struct{}{}:
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
		// When too many passwords are being hashed now, the next login upgrades the hash.
		if hash, err := pw.cfg.Hasher.Hash(ctx, cred.Password); err == nil {
			v.ops = append(v.ops, op.Rehash{ID: found.User.ID, Old: found.User.PasswordHash, New: hash})
		}
	}
	return v, nil
}

// userOf reads who has the username, in any spelling; nil when nobody has it.
func (pw *Passwords) userOf(ctx context.Context, cred Credentials) (*records.Principal, error) {
	if identity.FoldName(cred.Username) == "" {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	found, err := pw.cfg.Store.Principal(ctx, records.Who{Username: cred.Username, Collection: cred.Collection})
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

func (pw *Passwords) loginLimited(err error) error {
	if fault.Is(err, fault.Limited) {
		pw.cfg.Meter.LoginTried(outcomeLimited)
	}
	return err
}

// loginFailed counts the failure, records it, and returns the answer. The audit log names
// the user who has that name by their subject, as everywhere, together with what was
// typed.
func (pw *Passwords) loginFailed(ctx context.Context, typed, subject string, at attempt, known bool) error {
	if err := pw.limiter.failed(ctx, at, known); err != nil {
		return pw.loginLimited(err)
	}
	pw.cfg.Meter.LoginTried(outcomeFailed)
	e := pw.cfg.Journal.Event(ctx, "", audit.Login)
	e.Target, e.TargetName = cmp.Or(subject, identity.FoldName(typed), typed), typed
	return pw.cfg.Journal.Refuse(ctx, e, errBadCredentials)
}

// loginDisabled refuses the right password of a disabled account. It is no failure, and
// the answer is that of a wrong one.
func (pw *Passwords) loginDisabled(ctx context.Context, p *records.Principal) error {
	pw.cfg.Meter.LoginTried(outcomeDisabled)
	e := pw.cfg.Journal.Event(ctx, "", audit.Login)
	e.Target, e.TargetName = p.User.ID, p.User.Username
	reason := fault.New(fault.BadCredentials, "the account is disabled")
	if err := pw.cfg.Journal.Refuse(ctx, e, reason); !fault.Is(err, fault.BadCredentials) {
		return err
	}
	return errBadCredentials
}
