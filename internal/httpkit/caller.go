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

// SignInFirst returns the fault for a request without credentials, which a page or an
// API answers with 401 and a challenge.
func SignInFirst() *fault.Error { return fault.New(fault.Unauthenticated, "sign in first") }

// SignInOrToken is [SignInFirst] where a Bearer token would do, too.
func SignInOrToken() *fault.Error {
	return fault.New(fault.Unauthenticated, "sign in or send a Bearer token")
}
