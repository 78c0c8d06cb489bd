// Package caller is who makes a request, with which credential, and what they may do. It
// has the gates in the first lines of all operations. Package signin finds out who is
// calling; the operations ask this package whether the caller may.
package caller

import (
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Caller is who makes a request, and with what credential. A nil Caller is an anonymous
// request.
type Caller struct {
	Subject   *verification.Subject // whom the caller is; nil for the operator
	Token     *verification.Token   // what was presented; nil for a password, a client secret, the operator
	Principal *records.Principal    // as read when the password or the secret was checked; nil for a token
	Wait      revocation.Wait       // what the answer to a revocation waits for
	SignIn    records.SignIn        // how the caller has just signed in; zero for a token

	asOf revocation.Seq // as of which Token was accepted
	role role
	// dialect is set when the caller came through a dialect without scopes: the caller
	// may do there what their bindings allow.
	dialect bool
	// once is a credential that can be used once: what the request does uses it up.
	once []op.Op
}

// role is what kind of caller it is.
type role uint8

const (
	ordinary       role = iota
	operator            // the command line, beside the store
	system              // bearerd itself
	publicClient        // a client that was named and not authenticated, or that nobody registered
	onlyRevokeSelf      // what was presented may revoke itself and nothing else
)

// Operator returns the caller of the command line, who has the store and the master key.
func Operator() *Caller { return &Caller{role: operator} }

// System returns bearerd itself as a caller.
func System() *Caller { return &Caller{role: system} }

// ByToken returns the caller who presented a token that was accepted.
func ByToken(id *verification.Identity) *Caller {
	return &Caller{Subject: id.Subject, Token: id.Token, asOf: id.AsOf}
}

// ByPrincipal returns the caller whose password or client secret was right.
func ByPrincipal(p *records.Principal) *Caller {
	return &Caller{Subject: source.SubjectOf(p), Principal: p}
}

// ByAssertion returns the client that signed an assertion, which can be used once: what
// the request does must use it up.
func ByAssertion(p *records.Principal, once op.Spend) *Caller {
	c := ByPrincipal(p)
	c.once = []op.Op{once}
	return c
}

// DocumentClient is ByAssertion for a client that nobody registered: it has no more rights than
// a public one.
func DocumentClient(p *records.Principal, once op.Spend) *Caller {
	c := ByAssertion(p, once)
	c.role = publicClient
	return c
}

// Once returns the operations that use up the caller's credential, for the transaction of
// what the request does; nil if it may be used again.
func (c *Caller) Once() []op.Op {
	if c == nil {
		return nil
	}
	return slices.Clone(c.once)
}

// BySignIn returns the user who has just signed in.
func BySignIn(p *records.Principal, how records.SignIn) *Caller {
	c := ByPrincipal(p)
	c.SignIn = how
	return c
}

// PublicClient returns a client that was named by its id and has no secret.
func PublicClient(p *records.Principal) *Caller {
	c := ByPrincipal(p)
	c.role = publicClient
	return c
}

// OnlyRevokeSelf returns the caller as one who may revoke the presented token and do
// nothing else.
func (c *Caller) OnlyRevokeSelf() *Caller {
	restricted := *c
	restricted.role = onlyRevokeSelf
	return &restricted
}

// InDialect returns the caller as one who came through a dialect without scopes.
func (c *Caller) InDialect() *Caller {
	unscoped := *c
	unscoped.dialect = true
	return &unscoped
}

// Waiting returns the caller with w as the wait of their revocations.
func (c *Caller) Waiting(w revocation.Wait) *Caller {
	waiting := *c
	waiting.Wait = w
	return &waiting
}

// ID returns the caller's subject; "" for an anonymous request and for the operator.
func (c *Caller) ID() string {
	if c == nil || c.Subject == nil {
		return ""
	}
	return c.Subject.ID
}

// Name returns the caller's username; "" for a client and where ID is "".
func (c *Caller) Name() string {
	if c == nil || c.Subject == nil {
		return ""
	}
	return c.Subject.Username
}

// TokenID returns the public id of the token that the caller presented; "" when there
// is none.
func (c *Caller) TokenID() string {
	if c == nil || c.Token == nil {
		return ""
	}
	return c.Token.ID
}

// Actor returns how the audit log names the caller; "" for an anonymous request.
func (c *Caller) Actor() string {
	switch {
	case c != nil && c.role == operator:
		return audit.ActorCLI
	case c != nil && c.role == system:
		return audit.ActorSystem
	}
	return c.ID()
}

// Is reports whether ref, a subject or username in any of its spellings, names the caller.
func (c *Caller) Is(ref string) bool {
	return c != nil && c.Subject != nil && !c.Subject.Client && (ref == c.Subject.ID || records.Reference(ref).UserID == c.Subject.ID || identity.SameName(ref, c.Subject.Username))
}

// IsOperator reports whether the command line is calling.
func (c *Caller) IsOperator() bool { return c != nil && c.role == operator }

// BySession reports whether the caller presented a session cookie.
func (c *Caller) BySession() bool {
	return c != nil && c.Token != nil && c.Token.Kind == token.KindSession
}

// byBearer reports whether the caller presented a token that has a scope.
func (c *Caller) byBearer() bool { return c != nil && c.Token != nil && !c.BySession() }

// Client returns the OAuth client that authenticated with its secret or its key, if that is
// the caller; nil otherwise.
func (c *Caller) Client() *identity.Client {
	if c == nil || c.Principal == nil || c.Token != nil || c.role == publicClient {
		return nil
	}
	return c.Principal.Client
}

// AsOf returns the sequence of the log as of which the caller's credential was accepted.
func (c *Caller) AsOf() revocation.Seq { return max(c.asOf, c.Token.Seq) }

// HasScope reports whether the caller's token has the scope. A session has every scope.
// So has, in a dialect without scopes, a token that is limited neither to a scope nor to
// a collection.
func (c *Caller) HasScope(name string) bool {
	if !c.byBearer() {
		return true
	}
	unlimited := len(c.Token.Scope) == 0 && c.Token.Collection == nil
	return c.dialect && unlimited || slices.Contains(c.Token.Scope, name)
}

// May decides whether the caller may do an action on a path.
func (c *Caller) May(action string, path access.Path) bool {
	return c != nil && (c.role == operator || c.Subject.May(action, path).Allowed)
}

// ErrSignIn is the error of an operation that nobody may do without signing in.
var ErrSignIn = fault.New(fault.Unauthenticated, "sign in first")

// ErrBadClient is the error of client authentication, the same for an unknown client, a
// public one, a wrong secret and a wrong signature (RFC 6749 §5.2).
var ErrBadClient = fault.New(fault.InvalidClient, "client authentication failed")

// SelfRevokingKinds returns the kinds of token that may be presented as a Bearer to
// revoke themselves.
func SelfRevokingKinds() []token.Kind { return append(verification.APIKinds(), token.KindExchangeKey) }
