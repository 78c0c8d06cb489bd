package verify

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// Kind is the kind of a token.
type Kind string

// The kinds that Verify accepts.
const (
	KindAccess   Kind = "access"    // a JWT for calling APIs
	KindTask     Kind = "task"      // a JWT for the task service that is its audience
	KindAPIToken Kind = "api-token" // an opaque token that a user created
)

// Token is the content of an accepted token. It is shared between requests: neither it
// nor what it points to may be changed.
type Token struct {
	Kind     Kind
	ID       string // jti, or the public id of an API token
	Subject  string // a user's id, or the client's for client credentials
	Username string // as it was when the token was issued or asked about; may be empty
	ClientID string // the client that it was issued to; may be empty
	// Actors are the users and clients that act for the subject (RFC 8693 §4.1), by their
	// ids, the current actor first. Only the first counts for deciding about access; nil:
	// nobody does.
	Actors     []string
	Audience   []string
	Scope      []string
	Collection *int64 // nil: not limited to one
	// Networks are the IP networks from which the token may be used; nil: it is not limited.
	Networks      []netip.Prefix
	IssuedAt      time.Time
	Expiry        time.Time // zero: never, which only API tokens have
	TaskTokenType string    // of a task token
}

// HasScope reports whether the token has the scope of that name.
func (t *Token) HasScope(name string) bool { return slices.Contains(t.Scope, name) }

// OfClient reports whether the token was issued to a client and not to a user.
func (t *Token) OfClient() bool { return t.Subject == t.ClientID }

// presented is the value in a request's context.
type presented struct {
	token *Token
	realm string
}

type contextKey struct{}

// NewContext returns a context with a token, as Middleware creates for its handlers. It
// is for the tests of those handlers.
func NewContext(ctx context.Context, t *Token) context.Context {
	return context.WithValue(ctx, contextKey{}, &presented{token: t})
}

// FromContext returns the token that Middleware accepted. It returns false when there is
// none: within Optional, or without the middleware of a Verifier.
func FromContext(ctx context.Context) (*Token, bool) {
	p := presentedIn(ctx)
	return p.token, p.token != nil
}

func presentedIn(ctx context.Context) *presented {
	if p, ok := ctx.Value(contextKey{}).(*presented); ok {
		return p
	}
	return &presented{}
}
