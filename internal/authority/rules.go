package authority

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// ActionAccess is what a user needs on /collections/ID to have, and to use, a
// token for that collection.
const ActionAccess = "access"

// PathTokens is where the rights over others' tokens hang.
const PathTokens = access.Path("/tokens")

const maxLifetimeDigits = 18

// The fields that errors about a request for a token name.
const (
	fieldLifetime   = "expires_in"
	fieldCollection = "collection"
)

// ParseLifetime reads a lifetime as it stands in a request: a decimal integer of
// seconds greater than 0, of at most 18 digits, with no sign, space, fraction or
// leading zero. An empty text is fault.Invalid; leave the call out when none is asked for.
func ParseLifetime(s string) (int64, error) {
	bad := fault.New(fault.Invalid, "the lifetime must be a positive integer of seconds").In(fieldLifetime)
	if s == "" || len(s) > maxLifetimeDigits || s[0] == '0' {
		return 0, bad
	}
	n := int64(0)
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, bad
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// lifetime decides how long the token lives, in seconds; 0 is for ever. The
// ceiling and the parent are two checks: a default shrinks to what both allow, an
// explicit lifetime that is too long is refused with the maximum.
func (p Policy) lifetime(r *Request, right access.TaskRight, now int64) (int64, error) {
	ttl, ceiling := kindRules[r.Kind].lifetimes(p, r.TaskType)
	if r.Usual > 0 {
		ttl = min(r.Usual, ceiling)
	}
	asked := r.Lifetime
	if asked > ceiling {
		if !r.Cap {
			return 0, fault.New(fault.Invalid, "the lifetime is above the ceiling; the maximum is %d seconds", ceiling).In(fieldLifetime)
		}
		if r.Kind == token.KindTask && !right.Any {
			return 0, fault.New(fault.Forbidden, "the lifetime granted is above the ceiling of this task token type").In(fieldLifetime)
		}
		asked = ceiling
	}
	remaining, bounded := r.remaining(now)
	if bounded && remaining <= 0 {
		return 0, fault.New(fault.InvalidToken, token.ReasonExpired)
	}
	if asked == 0 {
		if bounded && (ttl == 0 || remaining < ttl) {
			ttl = remaining
		}
		return ttl, nil
	}
	if bounded && asked > remaining {
		return 0, r.outlives(remaining)
	}
	return asked, nil
}

// remaining tells how many seconds are left of what the token is made from, and
// whether that bounds it.
func (r *Request) remaining(now int64) (int64, bool) {
	if kindRules[r.Kind].rooted || r.Parent == nil {
		return 0, false
	}
	end := r.Parent.Expiry
	if r.Parent.Kind == token.KindRefresh {
		end = r.Parent.ends // how long it may idle bounds its use, not what comes of it
	}
	return end.Unix() - now, !end.IsZero()
}

func (r *Request) outlives(remaining int64) error {
	if r.Parent.Kind == token.KindAPIKey {
		return fault.New(fault.Invalid,
			"the token would expire after the provided API key does; the maximum is %d seconds", remaining).In(fieldLifetime)
	}
	return fault.New(fault.Invalid,
		"the token would outlive what it is made from; the maximum is %d seconds", remaining).In(fieldLifetime)
}

// checkOrigin decides whether this kind of token may be made from what was presented.
func (r *Request) checkOrigin(c *Caller) error {
	if _, known := kindRules[r.Kind]; !known {
		return fault.New(fault.Forbidden, "no %s is made by itself", r.Kind)
	}
	switch {
	case c != nil && c.operator:
		return nil
	case c != nil && c.selfOnly:
		return fault.New(fault.Forbidden, "the token is good for revoking itself alone")
	}
	from := token.KindUnknown
	if r.Parent != nil {
		from = r.Parent.Kind
	} else if r.Principal.User == nil {
		from = token.KindClientSecret
	}
	if !slices.Contains(kindRules[r.Kind].parents, from) {
		return fault.New(fault.Forbidden, "no %s can be made from this", r.Kind)
	}
	if from == token.KindClientSecret {
		return c.checkClientGrant()
	}
	if kindRules[r.Kind].rooted && from == token.KindAccess && !slices.Contains(r.Parent.Scope, identity.ScopeCredentials) {
		return fault.New(fault.InsufficientScope, "the scope %s is needed", identity.ScopeCredentials)
	}
	if r.Parent != nil && r.Parent.Subject != r.Principal.Subject() {
		return fault.New(fault.Forbidden, "the token speaks for somebody else")
	}
	return nil
}

// checkClientGrant lets pass a client that has authenticated and may have tokens
// for itself (RFC 6749 §4.4).
func (c *Caller) checkClientGrant() error {
	switch client := c.client(); {
	case client == nil:
		return errBadClient
	case !client.MayUse(identity.GrantTypeClientCredentials):
		return fault.New(fault.UnauthorizedClient, "the client may not use this grant type")
	}
	return nil
}

// checkSubject refuses tokens for users who may have none.
func (r *Request) checkSubject() error {
	if r.Principal.User != nil && r.Principal.User.Disabled {
		return fault.New(fault.Forbidden, "the account is disabled")
	}
	return nil
}

// scope decides the token's scope: what was asked for, when every part of it is
// within the parent's, the client's and the user's; what the parent has, when
// nothing was asked for.
func (a *Authority) scope(ctx context.Context, r *Request) ([]string, error) {
	asked := r.Scope
	if asked == nil {
		return r.inheritedScope(), nil
	}
	for _, name := range asked {
		if err := a.checkScopeName(ctx, r, name); err != nil {
			return nil, err
		}
	}
	return asked, nil
}

// inheritedScope is the scope of a token for which none was asked: its parent's,
// less what this user, client or kind can't have. A session or a password gives none.
func (r *Request) inheritedScope() []string {
	if r.Parent == nil || r.Parent.Kind == token.KindSession || kindRules[r.Kind].rooted {
		return nil
	}
	offline := r.Parent.Kind == token.KindRefresh
	return slices.DeleteFunc(slices.Clone(r.Parent.Scope), func(name string) bool {
		return name == identity.ScopeOfflineAccess && !offline ||
			r.neverScope(name) || !r.clientAllows(name) || !r.subjectAllows(name)
	})
}

// ErrScopePermission is the cause of an InvalidScope that a permission would mend.
var ErrScopePermission = errors.New("the user lacks the permission that the scope stands for")

func (a *Authority) checkScopeName(ctx context.Context, r *Request, name string) error {
	switch {
	case !identity.ValidScopeName(name):
		return fault.New(fault.InvalidScope, "not a scope name (RFC 6749 section 3.3)").In("scope")
	case r.neverScope(name):
		return fault.New(fault.InvalidScope, "a token of this kind can't have the scope %s", name).In("scope")
	case !r.subjectAllows(name):
		return fault.Wrap(ErrScopePermission, fault.InvalidScope, "the permission %s on %s is needed for the scope %s", name, PathTokens, name).In("scope")
	case !r.parentAllows(name):
		return fault.New(fault.InvalidScope, "the scope %s is not within that of the token it is made from", name).In("scope")
	case !r.clientAllows(name):
		return fault.New(fault.InvalidScope, "the client may not have the scope %s", name).In("scope")
	}
	return a.checkDeclared(ctx, name)
}

// neverScope reports scopes that this kind of token can't have, whoever asks. An
// API key never has credentials, and so nothing that is made from one has.
func (r *Request) neverScope(name string) bool {
	return name == identity.ScopeCredentials &&
		(r.Kind == token.KindAPIKey || r.Kind == token.KindTask || r.Principal.User == nil)
}

// parentAllows bounds by what the token is made from. Asking for a refresh token is
// no right over an API, and the refresh token dies with what it came of.
func (r *Request) parentAllows(name string) bool {
	if name == identity.ScopeOfflineAccess {
		return true
	}
	return r.Parent == nil || r.Parent.Kind == token.KindSession || slices.Contains(r.Parent.Scope, name)
}

// clientAllows bounds by the client. A client that acts for itself has only the
// scopes it lists; one that acts for a user is bounded where it lists any.
func (r *Request) clientAllows(name string) bool {
	if r.Client == nil {
		return true
	}
	client := r.Client.Client
	if r.Principal.User != nil && len(client.Scopes) == 0 {
		return true
	}
	return slices.Contains(client.Scopes, name)
}

// subjectAllows bounds by the user: reading every token's state or the log is a
// right that an administrator gives.
func (r *Request) subjectAllows(name string) bool {
	if name != identity.ScopeIntrospect && name != identity.ScopeRevocations {
		return true
	}
	return r.Principal.User == nil || r.Principal.May(name, PathTokens).Allowed
}

// checkDeclared refuses names that the operator has not declared. Those that a
// client lists count as declared; with nothing declared, any name does.
func (a *Authority) checkDeclared(ctx context.Context, name string) error {
	if _, ok := a.Policy.Scopes[name]; ok || len(a.Policy.Scopes) == 0 || slices.Contains(identity.BuiltinScopes(), name) {
		return nil
	}
	clients, err := a.Store.Clients(ctx)
	if err != nil {
		return err
	}
	for _, c := range clients {
		if slices.Contains(c.Scopes, name) {
			return nil
		}
	}
	return fault.New(fault.InvalidScope, "the scope %s is not declared", name).In("scope")
}

// audience decides whom the token is for: the task token type, the resource asked
// for when the client may name it, or the default audience.
func (p Policy) audience(r *Request) (string, error) {
	if r.Kind == token.KindTask {
		return r.TaskType, nil
	}
	asked := r.Audience
	if asked == "" && r.Parent != nil && r.Parent.Kind == token.KindRefresh {
		asked = r.Parent.Audience[0]
	}
	if asked == "" || asked == p.DefaultAudience {
		return p.DefaultAudience, nil
	}
	if _, task := p.TaskMax[asked]; task {
		return "", fault.New(fault.InvalidTarget, "the audience is a task token type").In("audience")
	}
	if r.Client == nil || !slices.Contains(r.Client.Client.Audiences, asked) {
		return "", fault.New(fault.InvalidTarget, "the audience is not one that may be asked for").In("audience")
	}
	return asked, nil
}

// collection decides which collection the token is bound to. A token made from
// one that is bound stays bound to the same.
func (r *Request) collection() (*int64, error) {
	asked := r.Collection
	if r.Parent.bindsCollection() {
		if asked != nil && *asked != *r.Parent.Collection {
			return nil, fault.New(fault.Forbidden, "the token it is made from is bound to another collection").In(fieldCollection)
		}
		asked = r.Parent.Collection
	}
	if asked == nil {
		return nil, nil
	}
	if !r.Principal.CollectionExists {
		return nil, fault.New(fault.Invalid, "there is no such collection").In(fieldCollection)
	}
	if !r.Principal.May(ActionAccess, access.CollectionPath(*asked)).Allowed {
		return nil, fault.New(fault.Forbidden, "no access to this collection").In(fieldCollection)
	}
	return asked, nil
}

// taskRight decides rule 6: the type is on the operator's list, and the user may
// have task tokens of it, of the lifetime that was asked for.
func (p Policy) taskRight(r *Request) (access.TaskRight, error) {
	if r.Kind != token.KindTask {
		return access.TaskRight{}, nil
	}
	if _, ok := p.TaskMax[r.TaskType]; !ok {
		return access.TaskRight{}, fault.New(fault.InvalidTarget, "unknown task token type")
	}
	if r.Principal.User == nil {
		return access.TaskRight{}, fault.New(fault.Forbidden, "task tokens are for users")
	}
	right := access.TaskRights(r.Principal.Grants, r.TaskType)
	switch {
	case right.Any:
		return right, nil
	case len(right.Exact) == 0:
		return right, fault.New(fault.Forbidden, "no permission to have task tokens of this type")
	case r.Lifetime == 0:
		return right, fault.Wrap(ErrLifetime, fault.Forbidden, "a lifetime must be asked for: %s", listSeconds(right.Exact))
	case !right.Allows(r.Lifetime):
		return right, fault.Wrap(ErrLifetime, fault.Forbidden, "only these lifetimes are granted: %s; the maximum is %s seconds",
			listSeconds(right.Exact), formatSeconds(slices.Max(right.Exact)))
	}
	return right, nil
}

// ErrLifetime is the cause of a refusal of a task token whose type is granted, of
// other lifetimes than the one asked for. Protocols differ in what that is.
var ErrLifetime = errors.New("the type is granted, of another lifetime")

func listSeconds(all []int64) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = formatSeconds(n)
	}
	return strings.Join(texts, ", ")
}
