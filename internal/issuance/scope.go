package issuance

import (
	"context"
	"errors"
	"slices"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// scope decides the token's scope: what was asked for, when every part of it is within
// the parent's, the client's and the user's; what the parent has, when nothing was asked
// for. A credential that has no parent then gets none.
func (i *core) scope(ctx context.Context, r *Request) ([]string, error) {
	rules := scoping{r}
	if r.Scope == nil {
		return i.cfg.Policy.Profile.scope(r, rules.inheritedScope()), nil
	}
	for _, name := range r.Scope {
		if i.cfg.Policy.Profile.gives(r, name) {
			continue
		}
		err := rules.checkScopeName(name)
		if err == nil {
			err = i.checkDeclared(ctx, name)
		}
		if err != nil {
			return nil, &ScopeError{Name: name, Err: err}
		}
	}
	return i.cfg.Policy.Profile.scope(r, r.Scope), nil
}

// scoping judges the scope of a request.
type scoping struct{ *Request }

// inheritedScope returns the scope of a token when none was asked for: its parent's,
// without what this user, client or kind can't have. From a session or a password it
// inherits none.
func (r scoping) inheritedScope() []string {
	if r.Parent == nil || r.Parent.Kind == token.KindSession || kindRules[r.Kind].credential {
		return nil
	}
	offline := r.Parent.Kind == token.KindRefresh
	return slices.DeleteFunc(slices.Clone(r.Parent.Scope), func(name string) bool {
		return name == identity.ScopeOfflineAccess && !offline ||
			r.neverScope(name) || !r.clientAllows(name) || !r.subjectAllows(name)
	})
}

// ScopeError is a refusal with the scope that it is about.
type ScopeError struct {
	Name string
	Err  error
}

// Error implements error.
func (e *ScopeError) Error() string { return e.Err.Error() }

// Unwrap returns the refusal.
func (e *ScopeError) Unwrap() error { return e.Err }

// ErrScopePermission is the cause of an InvalidScope when the user lacks the permission
// for the scope.
var ErrScopePermission = errors.New("the user lacks the permission that the scope stands for")

func (r scoping) checkScopeName(name string) error {
	switch {
	case !identity.ValidScopeName(name):
		return fault.New(fault.InvalidScope, "not a scope name (RFC 6749 section 3.3)").In("scope")
	case r.neverScope(name):
		return fault.New(fault.InvalidScope, "a token of this kind can't have the scope %s", name).In("scope")
	case !r.subjectAllows(name):
		return fault.Wrap(ErrScopePermission, fault.InvalidScope,
			"the permission %s on %s is needed for the scope %s", name, caller.PathOfScope(name), name).In("scope")
	case !r.parentAllows(name):
		return fault.New(fault.InvalidScope, "the scope %s is not within that of the token it is made from", name).In("scope")
	case !r.clientAllows(name):
		return fault.New(fault.InvalidScope, "the client may not have the scope %s", name).In("scope")
	}
	return nil
}

// neverScope reports whether this kind of token can't have a scope, for any caller. An
// exchange key never has the scope credentials, so a token made from one doesn't either;
// nor does a token with an actor, which may not create credentials. The scope of a source
// is for tokens that speak for a client.
func (r scoping) neverScope(name string) bool {
	if identity.IsSourceScope(name) {
		return r.Principal.User != nil
	}
	return name == identity.ScopeCredentials &&
		(r.Kind == token.KindExchangeKey || r.Kind == token.KindTask || r.Principal.User == nil || r.delegated())
}

// parentAllows checks the scope against the parent's. The scope of a refresh token is
// always allowed: it is no right to an API, and the refresh token is revoked with its
// parent.
func (r scoping) parentAllows(name string) bool {
	if name == identity.ScopeOfflineAccess {
		return true
	}
	return r.Parent == nil || r.Parent.Kind == token.KindSession || slices.Contains(r.Parent.Scope, name)
}

// clientAllows checks the scope against the client's. A client that acts for itself has
// only the scopes that it lists; one that acts for a user is limited if it lists any.
func (r scoping) clientAllows(name string) bool {
	if r.Client == nil {
		return true
	}
	client := r.Client.Client
	if r.Principal.User != nil {
		return ClientAllows(client, name)
	}
	return slices.Contains(client.Scopes, name)
}

// ClientAllows reports whether a client that acts for a user may have a scope: any, unless it
// lists some.
func ClientAllows(client *identity.Client, name string) bool {
	return len(client.Scopes) == 0 || slices.Contains(client.Scopes, name)
}

// subjectAllows checks the scope against the user's permissions: an administrator grants
// the right to read the state of every token, or the log, and to provision users.
func (r scoping) subjectAllows(name string) bool {
	path := caller.PathOfScope(name)
	return path == "" || r.Principal.User == nil || r.Principal.May(name, path).Allowed
}

// checkDeclared refuses names that the operator has not declared. Those that a client
// lists, and those that every exchange key has, count as declared; when nothing is
// declared, every name is allowed.
func (i *core) checkDeclared(ctx context.Context, name string) error {
	declared := i.cfg.Policy.Scopes
	if _, ok := declared[name]; ok || len(declared) == 0 ||
		slices.Contains(identity.BuiltinScopes(), name) || slices.Contains(i.cfg.Policy.Profile.KeyScopes, name) {
		return nil
	}
	if listed, err := i.cfg.Store.ScopeListed(ctx, name); err != nil || listed {
		return err
	}
	return fault.New(fault.InvalidScope, "the scope %s is not declared", name).In("scope")
}

// checkOffline decides whether a refresh token is issued beside the access token. The
// scope offline_access asks for it; only a user's access token can have one, and the
// client needs the grant.
func (r *Request) checkOffline() error {
	switch {
	case r.Kind != token.KindAccess || r.Principal.User == nil:
		return fault.New(fault.InvalidScope, "the scope %s is for access tokens of users", identity.ScopeOfflineAccess).In("scope")
	case r.alone:
		return fault.New(fault.InvalidScope, "the scope %s is for devices and for token exchange", identity.ScopeOfflineAccess).In("scope")
	case r.delegated():
		return fault.New(fault.InvalidScope, "there is no refresh token for a token with an actor").In("scope")
	case r.Client != nil:
		return CheckOffline(r.Client.Client)
	}
	return nil
}

// CheckOffline refuses the scope offline_access to a client that may not have refresh tokens.
func CheckOffline(client *identity.Client) error {
	if !client.MayUse(identity.GrantTypeRefreshToken) {
		return fault.New(fault.InvalidScope, "the client may not have refresh tokens").In("scope")
	}
	return nil
}
