package authority

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// Credentials are a username and a password, and what they are to be used for.
type Credentials struct {
	Username   string
	Password   string
	Collection *int64 // read in the same snapshot as the user
}

// Login authenticates a user by password. The error is BadCredentials, alike for
// an unknown user, a wrong password and a disabled account, and after the same
// time; Limited when there were too many failures, for the right password too;
// Unavailable when too many passwords are being checked already.
//
// The user is read before the password is checked, in one snapshot with the
// grants and the log's sequence: what is issued on it is void if the password
// changes meanwhile.
func (a *Authority) Login(ctx context.Context, cred Credentials) (*Caller, error) {
	keys := attemptKeys(cred.Username, audit.OriginOf(ctx).Address)
	if err := a.checkAttempts(ctx, keys); err != nil {
		return nil, a.loginLimited(err)
	}
	p, hash, err := a.loginPrincipal(ctx, cred)
	if err != nil {
		return nil, err
	}
	match, err := a.Hasher.Verify(identity.From(ctx, keys[len(keys)-1]), hash, cred.Password)
	poke(a.hashed)
	if err != nil && !fault.Is(err, fault.Invalid) {
		return nil, err
	}
	if !match.OK || p == nil {
		return nil, a.loginFailed(ctx, cred.Username, keys)
	}
	// Attempts that ran at the same time may have reached the limit meanwhile:
	// then this answer must tell no more than theirs.
	if err := a.checkAttempts(ctx, keys); err != nil {
		return nil, a.loginLimited(err)
	}
	return a.loggedIn(ctx, p, match.Stale, cred.Password)
}

// loginPrincipal reads the user; for an unknown one it gives nil and the hash of
// another user, always the same one, so that time tells nothing.
func (a *Authority) loginPrincipal(ctx context.Context, cred Credentials) (*records.Principal, identity.PasswordHash, error) {
	if identity.ValidateUsername(cred.Username) == nil {
		p, err := a.Store.Principal(ctx, records.Who{Username: cred.Username, Collection: cred.Collection})
		if err == nil && p.User.PasswordHash != "" {
			return &p, p.User.PasswordHash, nil
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, "", err
		}
	}
	hash, err := a.Store.DecoyHash(ctx, a.decoy(cred.Username))
	return nil, hash, err
}

// decoy gives an unknown username a place among the users' ids, the same each time.
func (a *Authority) decoy(username string) string {
	sum := sha256.Sum256(append(a.decoySeed[:], username...))
	id, err := uuid.FromBytes(sum[:16])
	if err != nil {
		return uuid.Nil.String()
	}
	return id.String()
}

func (a *Authority) loginLimited(err error) error {
	if fault.Is(err, fault.Limited) {
		a.Meter.LoginTried("limited")
	}
	return err
}

// loginFailed counts the failure, records it, and gives the answer. The failure
// that was one too many, because others ran at the same time, tells nothing.
func (a *Authority) loginFailed(ctx context.Context, username string, keys []string) error {
	counts, err := a.Store.RecordFailure(ctx, keys, a.Now(), a.Policy.Limits.Window)
	if err != nil {
		return err
	}
	if a.beyond(counts) {
		return a.loginLimited(a.limited(counts))
	}
	a.Meter.LoginTried("failed")
	e := a.event(ctx, nil, audit.Login)
	e.Target = username
	return a.refuse(ctx, e, errBadCredentials)
}

var errBadCredentials = fault.New(fault.BadCredentials, "wrong username or password")

// beyond reports whether these counts, this failure included, exceed a limit.
func (a *Authority) beyond(counts []identity.Failures) bool {
	return counts[0].Count > a.Policy.Limits.Account ||
		len(counts) > 1 && counts[1].Count > a.Policy.Limits.Address
}

func (a *Authority) checkAttempts(ctx context.Context, keys []string) error {
	counts, err := a.Store.Failures(ctx, keys, a.Now())
	if err != nil {
		return err
	}
	return a.limited(counts)
}

func (a *Authority) limited(counts []identity.Failures) error {
	var address identity.Failures
	if len(counts) > 1 {
		address = counts[1]
	}
	return a.Policy.Limits.Check(counts[0], address, a.Now())
}

// loggedIn lets the user in, unless disabled: the right password of a disabled
// account is no failure, and the answer is that of a wrong one.
func (a *Authority) loggedIn(ctx context.Context, p *records.Principal, stale bool, password string) (*Caller, error) {
	c := &Caller{Principal: p}
	e := a.event(ctx, c, audit.Login)
	e.Target = p.User.Username
	if p.User.Disabled {
		a.Meter.LoginTried("disabled")
		e.Actor = ""
		if err := a.refuse(ctx, e, fault.New(fault.BadCredentials, "the account is disabled")); !fault.Is(err, fault.BadCredentials) {
			return nil, err
		}
		return nil, errBadCredentials
	}
	b := records.Batch{Audit: []audit.Event{e}}
	if stale {
		// When there is no room to hash now, the next login will do.
		if hash, err := a.Hasher.Hash(ctx, password); err == nil {
			b.Ops = append(b.Ops, records.Rehash{ID: p.User.ID, Old: p.User.PasswordHash, New: hash})
		}
	}
	if _, err := a.commit(ctx, b); err != nil {
		return nil, err
	}
	a.Meter.LoginTried("ok")
	return c, nil
}

// attemptKeys are the names under which failures are counted: the account's and,
// where it is known, the address's. An IPv6 client has its whole /64.
func attemptKeys(username, address string) []string {
	sum := sha256.Sum256([]byte(username))
	keys := []string{"account:" + hex.EncodeToString(sum[:16])}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return keys
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			addr = prefix.Addr()
		}
	}
	return append(keys, "address:"+addr.String())
}

// StartSession gives a user who has just signed in a session; its value goes into
// a cookie. The collection is what the user has chosen to work in, and may be nil.
func (a *Authority) StartSession(ctx context.Context, c *Caller, collection *int64) (*Issued, error) {
	return a.Issue(ctx, c, &Request{Kind: token.KindSession, Principal: c.Principal, Collection: collection, Name: "session"})
}

// EndSession signs the caller out: the session and all that was made from it are
// dead.
func (a *Authority) EndSession(ctx context.Context, c *Caller) error {
	if !c.BySession() {
		return fault.New(fault.Unauthenticated, "there is no session")
	}
	_, err := a.kill(ctx, c, c.Token, killing{action: audit.Logout, reason: "signed out", wait: a.Policy.Wait})
	return err
}
