package authority

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Caller is who asks for something, and by what. A nil Caller is nobody.
type Caller struct {
	Principal *Principal // nil for the operator
	Token     *Token     // what was presented; nil for a password, a client secret, the operator

	asOf     revocation.Seq // as of which Token was found good; 0: as of its own sequence
	operator bool           // the command line, beside the store
	system   bool           // bearerd itself
	public   bool           // a client that was named and has no secret: nobody authenticated
	selfOnly bool           // what was presented is good for revoking itself and nothing else
	noScopes bool           // it came through a dialect that knows no scopes
}

// Operator is whoever holds the store and the master key: the command line.
func Operator() *Caller { return &Caller{operator: true} }

// Subject is the caller's subject; "" for nobody and for the operator.
func (c *Caller) Subject() string {
	if c == nil || c.Principal == nil {
		return ""
	}
	return c.Principal.Subject()
}

// TokenID is the public id of the token that the caller came with; "" when there is none.
func (c *Caller) TokenID() string {
	if c == nil || c.Token == nil {
		return ""
	}
	return c.Token.ID
}

// BySession reports whether the caller came with a session cookie.
func (c *Caller) BySession() bool {
	return c != nil && c.Token != nil && c.Token.Kind == token.KindSession
}

func (c *Caller) actor() string {
	switch {
	case c != nil && c.operator:
		return audit.ActorCLI
	case c != nil && c.system:
		return audit.ActorSystem
	}
	return c.Subject()
}

// client is the OAuth client that authenticated with its secret, if that is who asks.
func (c *Caller) client() *identity.Client {
	if c == nil || c.Principal == nil || c.Token != nil || c.public {
		return nil
	}
	return c.Principal.Client
}

// byBearer reports whether the caller came with a token that has a scope.
func (c *Caller) byBearer() bool { return c != nil && c.Token != nil && !c.BySession() }

// hasScope reports whether the caller's token has the scope. A session has them all.
func (c *Caller) hasScope(name string) bool {
	return !c.byBearer() || c.noScopes || slices.Contains(c.Token.Scope, name)
}

// may decides an action on a path for the caller.
func (c *Caller) may(action string, path access.Path) bool {
	return c != nil && (c.operator || c.Principal != nil && c.Principal.May(action, path).Allowed)
}

// requireAdmin lets administrators pass: `*` at `/`, and of a Bearer the scope
// admin. A token for one collection is no token for administration.
func (c *Caller) requireAdmin() error {
	switch {
	case c == nil:
		return fault.New(fault.Unauthenticated, "sign in first")
	case c.operator:
		return nil
	case c.selfOnly:
		return fault.New(fault.InsufficientScope, "the token is good for revoking itself alone")
	case c.byBearer() && c.Token.Collection != nil:
		return fault.New(fault.InsufficientScope, "a token for a collection can't administer")
	case !c.hasScope(identity.ScopeAdmin):
		return fault.New(fault.InsufficientScope, "the scope %s is needed", identity.ScopeAdmin)
	case !c.may(access.Any, "/"):
		return fault.New(fault.Forbidden, "an administrator is needed")
	}
	return nil
}

// mayIntrospect lets confidential clients and holders of the scope pass.
func (c *Caller) mayIntrospect() bool {
	switch {
	case c == nil:
		return false
	case c.operator, c.client() != nil:
		return true
	}
	return c.reads(identity.ScopeIntrospect)
}

// RequireRevocations lets pass whoever may read the revocation log: by a token with
// the scope revocations. The error is InsufficientScope.
func (c *Caller) RequireRevocations() error {
	if c.reads(identity.ScopeRevocations) {
		return nil
	}
	return fault.New(fault.InsufficientScope, "the scope %s is needed", identity.ScopeRevocations)
}

// reads reports whether the caller came by a token with the scope and, where it
// speaks for a user, whether that user still has the permission which it needs.
func (c *Caller) reads(scope string) bool {
	return c.byBearer() && !c.selfOnly && c.hasScope(scope) && (c.Principal.User == nil || c.may(scope, PathTokens))
}

// Bearer authenticates a caller of bearerd's own API by a token.
func (a *Authority) Bearer(ctx context.Context, raw string) (*Caller, error) {
	return a.caller(ctx, raw, Demand{})
}

// DialectBearer is Bearer for the endpoints of a dialect whose tokens have no
// scopes: what the caller may do there is what their bindings let them, as if they
// had come with their password. The management API asks for the scope admin.
func (a *Authority) DialectBearer(ctx context.Context, raw string) (*Caller, error) {
	c, err := a.caller(ctx, raw, Demand{})
	if err != nil {
		return nil, err
	}
	c.noScopes = true
	return c, nil
}

// Session authenticates a caller by a session cookie.
func (a *Authority) Session(ctx context.Context, raw string) (*Caller, error) {
	return a.caller(ctx, raw, Demand{Kinds: sessionOnly})
}

// Admit authenticates a caller of an application that stands behind bearerd, by a
// token that meets what the application demands. The error is that of Verify.
func (a *Authority) Admit(ctx context.Context, raw string, d Demand) (*Caller, error) {
	return a.caller(ctx, raw, d)
}

func (a *Authority) caller(ctx context.Context, raw string, d Demand) (*Caller, error) {
	asOf := a.Follower.Applied()
	t, err := a.Verify(ctx, raw, d)
	if err != nil {
		return nil, err
	}
	p, err := a.PrincipalOf(ctx, t)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.InvalidToken, token.ReasonRevoked)
	}
	if err != nil {
		return nil, err
	}
	return &Caller{Principal: p, Token: t, asOf: asOf}, nil
}

// goodAsOf is the sequence as of which what the caller presented was found good.
func (c *Caller) goodAsOf() revocation.Seq { return max(c.asOf, c.Token.Seq) }

// BearerToRevoke authenticates a caller who wants to take a token back. A token
// that calls other APIs than bearerd's, or an API key, may revoke itself alone.
func (a *Authority) BearerToRevoke(ctx context.Context, raw string) (*Caller, error) {
	c, err := a.caller(ctx, raw, Demand{})
	if err == nil || fault.Is(err, fault.Unavailable) {
		return c, err
	}
	c, selfErr := a.caller(ctx, raw, Demand{Kinds: selfRevoking, AnyAudience: true})
	if selfErr != nil {
		return nil, err
	}
	c.selfOnly = true
	return c, nil
}

// AuthenticateClient authenticates an OAuth client by its secret (RFC 6749 §2.3).
// The error is of kind InvalidClient, alike for an unknown client, a public one,
// and a wrong secret.
func (a *Authority) AuthenticateClient(ctx context.Context, id, secret string) (*Caller, error) {
	p, err := a.clientPrincipal(ctx, id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err != nil || p.Client.Public() {
		compareAnyway(secret)
		return nil, errBadClient
	}
	if !p.Client.CheckSecret(secret) {
		return nil, errBadClient
	}
	return &Caller{Principal: p}, nil
}

// clientPrincipal gives a client, from memory while the log says nothing new of it
// and this node holds a lease to say so. Every change of a client is in the log.
func (a *Authority) clientPrincipal(ctx context.Context, id string) (*Principal, error) {
	lease, asOf := a.Follower.Lease(), a.Follower.Applied()
	if p, ok := a.principals.get(id, a.Now()); ok && p.Client != nil && a.unchangedSince(p.Seq, id) && lease.Holds() {
		known := *p
		known.Seq = max(p.Seq, asOf) // what is issued by it rests on a reading as new as that
		return &known, nil
	}
	p, err := a.Store.Principal(ctx, Who{ClientID: id})
	if err != nil {
		return nil, err
	}
	a.principals.put(id, &p, a.Now())
	return &p, nil
}

// unchangedSince reports whether the log has said nothing about a client since.
func (a *Authority) unchangedSince(seq revocation.Seq, id string) bool {
	for _, what := range []revocation.What{revocation.Client, revocation.Subject, revocation.Access} {
		if a.Set.CutOff(revocation.KeyOf(what, id)) > seq {
			return false
		}
	}
	return true
}

var errBadClient = fault.New(fault.InvalidClient, "client authentication failed")

// compareAnyway does the work of comparing a secret with none.
func compareAnyway(secret string) {
	sum := sha256.Sum256([]byte(secret))
	_ = subtle.ConstantTimeCompare(sum[:], make([]byte, len(sum)))
}
