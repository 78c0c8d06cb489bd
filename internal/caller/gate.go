package caller

import (
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/verification"
)

// RequireSignedIn admits every signed-in caller whose token may do more than revoke
// itself. The error is fault.Unauthenticated.
func (c *Caller) RequireSignedIn() error {
	if c == nil || c.role == onlyRevokeSelf {
		return ErrSignIn
	}
	return nil
}

// Unlimited reports whether the caller may write as often as they like: the
// command line, bearerd itself, clients that have authenticated, and administrators.
func (c *Caller) Unlimited() bool {
	switch {
	case c == nil:
		return false
	case c.role == operator || c.role == system:
		return true
	case c.Subject != nil && c.Subject.Client:
		return c.role != publicClient
	}
	return c.May(access.Any, access.Root)
}

// RequireAdministrator admits administrators: `*` at `/` and, of a Bearer, the scope
// admin. A token for one collection can't administer. The error is Unauthenticated,
// InsufficientScope or Forbidden.
func (c *Caller) RequireAdministrator() error {
	switch {
	case c == nil:
		return ErrSignIn
	case c.role == operator:
		return nil
	case c.role == onlyRevokeSelf:
		return fault.New(fault.InsufficientScope, "the token may only revoke itself")
	case c.byBearer() && c.Token.Collection != nil:
		return fault.New(fault.InsufficientScope, "a token for a collection can't administer")
	case !c.HasScope(identity.ScopeAdmin):
		return needsScope(identity.ScopeAdmin)
	case !c.May(access.Any, access.Root):
		return fault.New(fault.Forbidden, "an administrator is needed")
	}
	return nil
}

// RequireSource admits callers who may read and disable the users of a source: a client,
// by a Bearer with the scope of that source, and administrators. The error is that of
// RequireAdministrator.
func RequireSource(c *Caller, source string) error {
	scope := identity.SourceScope(source)
	switch {
	case !c.byBearer() || c.role != ordinary || !c.Subject.Client:
		return c.RequireAdministrator()
	case c.Token.Collection != nil || !slices.Contains(c.Token.Scope, scope):
		return needsScope(scope)
	}
	return nil
}

// RequireDelete admits callers who may revoke others' tokens on the management API:
// delete on /tokens and, of a Bearer, the scope admin. The errors are those of
// RequireAdministrator.
func (c *Caller) RequireDelete() error {
	switch {
	case c == nil:
		return ErrSignIn
	case c.role == onlyRevokeSelf || c.byBearer() && (c.Token.Collection != nil || !c.HasScope(identity.ScopeAdmin)):
		return needsScope(identity.ScopeAdmin)
	case !c.May(access.ActionDelete, access.PathTokens):
		return fault.New(fault.Forbidden, "the permission %s on %s is needed", access.ActionDelete, access.PathTokens)
	}
	return nil
}

// RequireManageTokens admits callers who may list, see and revoke all of their own tokens
// by id: by session or password, or by a Bearer with the scope credentials. Every other
// Bearer token manages only itself. The error is Unauthenticated or InsufficientScope.
func (c *Caller) RequireManageTokens() error {
	switch {
	case c == nil || c.role == onlyRevokeSelf || c.role == publicClient:
		return ErrSignIn
	case !c.HasScope(identity.ScopeCredentials):
		return needsScope(identity.ScopeCredentials)
	}
	return nil
}

// RequireFreshSession admits users with a session for which they authenticated at most
// fresh before now; with 0, every session. A session counts from its own beginning if its
// source reports a later time, and is never fresh if no time is known. The error is
// Unauthenticated without a session, and SignInAgain.
func (c *Caller) RequireFreshSession(now time.Time, fresh time.Duration) error {
	if !c.BySession() {
		return ErrSignIn
	}
	at := c.Token.SignedIn
	if began := c.Token.IssuedAt; at.After(began.Add(time.Second)) { // it is in whole seconds
		at = began
	}
	if fresh > 0 && (at.IsZero() || now.Sub(at) > fresh) {
		return fault.New(fault.SignInAgain, "sign in again to do this: the sign-in was too long ago")
	}
	return nil
}

// RequireFresh is RequireFreshSession for what callers may do without a session, too: the
// command line, and a Bearer, which has no sign-in.
func (c *Caller) RequireFresh(now time.Time, fresh time.Duration) error {
	if !c.BySession() {
		return nil
	}
	return c.RequireFreshSession(now, fresh)
}

// RequireRegenerate admits callers who may regenerate a token of theirs: the owner, by a
// session that is fresh at now; a Bearer with the scope credentials, itself and what was
// made from it. The error is Unauthenticated, SignInAgain, InsufficientScope or Forbidden.
func RequireRegenerate(c *Caller, t *verification.Token, now time.Time, fresh time.Duration) error {
	if !c.byBearer() {
		return c.RequireFreshSession(now, fresh)
	}
	if err := c.RequireManageTokens(); err != nil {
		return err
	}
	if c.Token.ID != t.ID && !slices.Contains(t.Chain, c.Token.ID) {
		return fault.New(fault.Forbidden, "a token regenerates itself and what was made from it, and nothing else")
	}
	return nil
}

// RequireIntrospect admits confidential clients, and holders of a token with the
// scope introspect whose user still has that permission. The error is
// InsufficientScope.
func RequireIntrospect(c *Caller) error {
	const scope = identity.ScopeIntrospect
	if c.IsOperator() || c.Client() != nil || c.byBearer() && c.role == ordinary && c.HasScope(scope) &&
		(c.Subject.Client || c.May(scope, access.PathTokens)) {
		return nil
	}
	return needsScope(scope)
}

// RequireFacts admits clients that have both scopes introspect and revocations: a
// confidential client that lists both, and the token of a client with both. They follow the
// log, and may know of a token's user what a node knows. The error is InsufficientScope.
func RequireFacts(c *Caller) error {
	for _, scope := range []string{identity.ScopeIntrospect, identity.ScopeRevocations} {
		client := c.Client()
		if client != nil && slices.Contains(client.Scopes, scope) ||
			client == nil && c.byBearer() && c.role == ordinary && c.Subject.Client && c.HasScope(scope) {
			continue
		}
		return needsScope(scope)
	}
	return nil
}

// PathOfScope returns where a user needs the permission of a scope's name to have that
// scope; "" for a scope that every user may have.
func PathOfScope(scope string) access.Path {
	switch scope {
	case identity.ScopeIntrospect, identity.ScopeRevocations:
		return access.PathTokens
	case identity.ScopeSCIM:
		return access.PathUsers
	}
	return ""
}

// RequireProvision admits callers who provision users and groups: confidential clients that
// list the scope scim, and holders of a token with that scope whose user still has that
// permission on /users. A token for one collection can't provision. It returns the source
// that owns what the caller provisions: "scim:" and the client's id, or the subject of the
// user whose token it is. The error is Unauthenticated or InsufficientScope.
func RequireProvision(c *Caller) (owner string, err error) {
	const scope = identity.ScopeSCIM
	switch client := c.Client(); {
	case c == nil:
		return "", ErrSignIn
	case client != nil && slices.Contains(client.Scopes, scope):
		return SourceSCIM + client.ID, nil
	case c.byBearer() && c.role == ordinary && c.Token.Collection == nil && c.HasScope(scope) &&
		(c.Subject.Client || c.May(scope, access.PathUsers)):
		return SourceSCIM + c.Subject.ID, nil
	}
	return "", needsScope(scope)
}

// SourceSCIM begins the name of a source that provisions by SCIM. No sign-in source has
// such a name.
const SourceSCIM = "scim:"

// Owns reports whether the caller is the token itself, its owner, or the client that
// it was issued to.
func Owns(c *Caller, t *verification.Token) bool {
	switch {
	case c == nil:
		return false
	case c.role == operator, c.Token != nil && c.Token.ID == t.ID:
		return true
	case c.role == onlyRevokeSelf:
		return false
	case c.Client() != nil:
		return t.ClientID == c.Client().ID
	}
	return c.ID() == t.Subject
}

// RequireRevokeID admits callers who may revoke, or look at, a stored token by its id:
// the owner if they may manage their tokens, the token itself, and callers with delete on
// /tokens. The error is NotFound for a token of somebody else's, and InsufficientScope
// for the owner's own.
func RequireRevokeID(c *Caller, t *verification.Token) error {
	switch {
	case c == nil || c.RequireDelete() != nil && !Owns(c, t):
		return records.ErrNoToken
	case c.TokenID() == t.ID || c.RequireDelete() == nil:
		return nil
	}
	return c.RequireManageTokens()
}

// MayRevoke decides who may revoke a token by its value: its owner, and callers with
// delete on /tokens. A public client proves only that it has the token, and so may revoke
// what was issued to it (RFC 7009 §2.1).
func MayRevoke(c *Caller, t *verification.Token) bool {
	if c != nil && c.role == publicClient {
		return t.ClientID == c.Principal.Client.ID
	}
	return Owns(c, t) || c != nil && c.role != onlyRevokeSelf && c.May(access.ActionDelete, access.PathTokens)
}

// RequireRevokeAll admits callers who may revoke everything that was issued to a subject:
// the subject, if they may manage their tokens, and callers with delete on /tokens.
func RequireRevokeAll(c *Caller, subject string) error {
	err := c.RequireManageTokens()
	switch {
	case fault.Is(err, fault.Unauthenticated):
		return err
	case c.ID() != subject:
		return c.RequireDelete()
	case err != nil && c.RequireDelete() == nil:
		return nil
	}
	return err
}

// RequireClientCredentials admits a client that has authenticated and may get tokens for
// itself (RFC 6749 §4.4).
func RequireClientCredentials(c *Caller) error {
	switch client := c.Client(); {
	case client == nil:
		return ErrBadClient
	case !client.MayUse(identity.GrantTypeClientCredentials):
		return fault.New(fault.UnauthorizedClient, "the client may not use this grant type")
	}
	return nil
}

// RequireDeviceGrant admits a client, public or not, that may use the device grant
// (RFC 8628).
func RequireDeviceGrant(c *Caller) error {
	switch {
	case c == nil || c.Principal == nil || c.Principal.Client == nil:
		return ErrBadClient
	case !c.Principal.Client.MayUse(identity.GrantTypeDeviceCode):
		return fault.New(fault.UnauthorizedClient, "the client may not use the device flow")
	}
	return nil
}

// RequireCodeGrant admits a client, public or not, that may use the authorization code
// grant (RFC 6749 §4.1).
func RequireCodeGrant(c *Caller) error {
	switch {
	case c == nil || c.Principal == nil || c.Principal.Client == nil:
		return ErrBadClient
	case !c.Principal.Client.MayUse(identity.GrantTypeAuthorizationCode):
		return fault.New(fault.UnauthorizedClient, "the client may not use this grant type")
	}
	return nil
}

func needsScope(name string) error {
	return fault.New(fault.InsufficientScope, "the scope %s is needed", name)
}
