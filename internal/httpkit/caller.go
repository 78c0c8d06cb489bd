package httpkit

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
)

// Caller is who makes a request.
type Caller interface {
	ID() string      // the subject or client id; empty when there is none
	Name() string    // the username; empty for a client
	TokenID() string // the public id of the token it came with; empty for none
}

// Note records in the request's [Event] who makes it.
func Note(r *http.Request, c Caller) {
	event := EventOf(r.Context())
	event.Principal, event.PrincipalName, event.TokenID = c.ID(), c.Name(), c.TokenID()
}

// SignInFirst returns the fault for a request without credentials, which a page or an
// API answers with 401 and a challenge.
func SignInFirst() *fault.Error { return fault.New(fault.Unauthenticated, "sign in first") }

// SignInOrToken is [SignInFirst] where a Bearer token is accepted too.
func SignInOrToken() *fault.Error {
	return fault.New(fault.Unauthenticated, "sign in or send a Bearer token")
}
