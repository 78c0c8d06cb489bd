// Package signin finds out who is calling: by a token or a session (Authenticator), as an OAuth
// client (ClientAuthenticator), by a password (Passwords), or because a source vouches for them
// (Vouching).
package signin

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Store is what an Authenticator reads, and where it counts failures.
type Store interface {
	// Principal reads a user or a client, in one snapshot.
	Principal(ctx context.Context, who records.Who) (records.Principal, error)
	// DecoyHash returns the password hash of the user whose id follows decoy, as
	// contract.Directory says.
	DecoyHash(ctx context.Context, decoy string) (passhash.Hash, error)
	Links(ctx context.Context, q records.LinkQuery) ([]records.Link, error)
	Bindings(ctx context.Context, q records.BindingQuery) ([]access.Binding, error)
	RolesNamed(ctx context.Context, names []string) ([]access.Role, error)
	// DocumentKeys returns the keys of a client that nobody registered.
	DocumentKeys(ctx context.Context, clientID string) (identity.ClientKeys, error)
	contract.Attempts
}

// Meter counts logins by their outcome, one of a fixed set of words.
type Meter interface {
	LoginTried(outcome string)
}

// Config says what an Authenticator is made of. Every field but Meter and those about
// sources must be set.
type Config struct {
	Store    Store
	Journal  *journal.Journal
	Verifier *verification.Verifier
	Ledger   *revocation.Ledger // what this node knows of the log, and its lease
	Hasher   *passhash.Hasher
	Limits   identity.Limits // of failures
	Editor   *changes.Editor
	// ClientURL reports whether a client that nobody registered may be known by a URL; nil:
	// none is.
	ClientURL func(id string) bool
	Sources   Sources // that vouch for people, as the sign-in page shows them
	// Passwords says whether people sign in with passwords that bearerd keeps, at any door.
	Passwords bool
	Quota     *quota.Quota // of look-ups, and the meter of limits
	Meter     Meter        // nil: nothing is counted
	Now       func() time.Time
}

// Authenticator authenticates callers. Its methods may be called from any number of
// goroutines.
type Authenticator struct {
	*ClientAuthenticator
	*Passwords
	*Vouching

	verifier *verification.Verifier
}

// New returns an Authenticator.
func New(cfg Config) (*Authenticator, error) {
	switch {
	case cfg.Store == nil || cfg.Journal == nil || cfg.Verifier == nil:
		return nil, errors.New("signin: store, journal and verifier must be set")
	case cfg.Ledger == nil || cfg.Hasher == nil || cfg.Quota == nil || cfg.Now == nil || cfg.Editor == nil:
		return nil, errors.New("signin: ledger, hasher, editor, quota and now must be set")
	}
	if err := cfg.Sources.check(); err != nil {
		return nil, err
	}
	if err := cfg.Limits.Validate(); err != nil {
		return nil, err
	}
	if cfg.Meter == nil {
		cfg.Meter = noMeter{}
	}
	clients := &ClientAuthenticator{
		cfg: &cfg,
		clients: cache.New(cache.Config[*records.Principal]{
			Budget: clientCache, Typical: typicalClient, MaxAge: maxClientAge,
			Cost: func(_ string, p *records.Principal) int64 {
				return int64(1024 + len(p.Client.Keys.JWKS) + 64*(len(p.Client.Scopes)+len(p.Client.Audiences)+len(p.Client.Grants)+len(p.Client.ExchangeFrom)))
			},
		}),
	}
	cfg.Ledger.OnApply(clients.applied)
	vouching := &Vouching{cfg: &cfg}
	passwords := &Passwords{
		cfg:      &cfg,
		limiter:  &Limiter{attempts: cfg.Store, limits: cfg.Limits, quota: cfg.Quota, now: cfg.Now},
		vouching: vouching, checked: make(chan struct{}, 1), decoySeed: uuid.New(),
	}
	return &Authenticator{ClientAuthenticator: clients, Passwords: passwords, Vouching: vouching, verifier: cfg.Verifier}, nil
}

// Bearer authenticates a caller of bearerd's own API by a token. The errors are those
// of verification.Verifier.Identify.
func (a *Authenticator) Bearer(ctx context.Context, raw string) (*caller.Caller, error) {
	return a.byToken(ctx, raw, verification.Requirements{})
}

// DialectBearer is Bearer for the endpoints of a dialect whose tokens have no scopes:
// what the caller may do there is what their bindings allow, as if they had come with
// their password. The management API asks for the scope admin.
func (a *Authenticator) DialectBearer(ctx context.Context, raw string) (*caller.Caller, error) {
	c, err := a.byToken(ctx, raw, verification.Requirements{})
	if err != nil {
		return nil, err
	}
	return c.InDialect(), nil
}

// Session authenticates a caller by a session cookie. The errors are those of Bearer.
func (a *Authenticator) Session(ctx context.Context, raw string) (*caller.Caller, error) {
	return a.byToken(ctx, raw, verification.Requirements{Kinds: []token.Kind{token.KindSession}})
}

// BearerToRevoke authenticates a caller who wants to revoke a token. A token that
// calls other APIs than bearerd's, one that is used from outside of its networks, or an
// exchange key, may revoke itself and nothing else.
func (a *Authenticator) BearerToRevoke(ctx context.Context, raw string) (*caller.Caller, error) {
	c, err := a.byToken(ctx, raw, verification.Requirements{})
	if err == nil || fault.Is(err, fault.Unavailable) {
		return c, err
	}
	c, selfErr := a.byToken(ctx, raw, verification.Requirements{Kinds: caller.SelfRevokingKinds(), AnyAudience: true, AnyNetwork: true})
	if selfErr != nil {
		return nil, err
	}
	return c.OnlyRevokeSelf(), nil
}

func (a *Authenticator) byToken(ctx context.Context, raw string, r verification.Requirements) (*caller.Caller, error) {
	id, err := a.verifier.Identify(ctx, raw, r)
	if err != nil {
		return nil, err
	}
	return caller.ByToken(id), nil
}

// Introspect returns to a resource server what a token is (RFC 7662). live is false
// for everything that could not be used as an access token. The audience is not
// judged; access to the token's collection is. Its networks are not, because the
// address is that of the resource server's client. The error is InsufficientScope for a
// caller who may not ask, or Unavailable.
func (a *Authenticator) Introspect(ctx context.Context, c *caller.Caller, raw string) (t *verification.Token, live bool, err error) {
	if err := caller.RequireIntrospect(c); err != nil {
		return nil, false, err
	}
	return a.verifier.Inspect(quota.ForClient(ctx), raw)
}

// factKinds are the kinds of token that an edge accepts: what calls APIs, and the sessions of
// dialects.
var factKinds = append(verification.APIKinds(), token.KindSession)

// Facts is Introspect for a client that keeps what it learns under the log. A session is
// live for it as well. The error is InsufficientScope for a caller who may not ask, or
// Unavailable.
func (a *Authenticator) Facts(ctx context.Context, c *caller.Caller, raw string) (t *verification.Token, live bool, err error) {
	if err := caller.RequireFacts(c); err != nil {
		return nil, false, err
	}
	return a.verifier.Inspect(quota.ForClient(ctx), raw, factKinds...)
}

type noMeter struct{}

func (noMeter) LoginTried(string) {}
