package httpkit

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
)

// Caller is whom a request speaks for.
type Caller interface {
	ID() string      // the subject or client id; empty for nobody
	TokenID() string // the public id of the token it came with; empty for none
}

// Note records in the request's [Event] whom it speaks for.
func Note(r *http.Request, c Caller) {
	event := EventOf(r.Context())
	event.Principal, event.TokenID = c.ID(), c.TokenID()
}

// SessionCookie returns the value of the first of the cookies that the request has. It
// alone decides: where it is no session, a second cookie doesn't help.
func SessionCookie(r *http.Request, names []string) (value string, found bool) {
	for _, name := range names {
		if cookie, err := r.Cookie(name); err == nil {
			return cookie.Value, true
		}
	}
	return "", false
}

// SignInFirst returns the fault for a request without credentials, which a page or an
// API answers with 401 and a challenge.
func SignInFirst() *fault.Error { return fault.New(fault.Unauthenticated, "sign in first") }

// SignInOrToken is [SignInFirst] where a Bearer token would do, too.
func SignInOrToken() *fault.Error {
	return fault.New(fault.Unauthenticated, "sign in or send a Bearer token")
}
