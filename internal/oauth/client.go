package oauth

import (
	"context"
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/clientauth"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/signin"
)

// authenticator finds out who sends a request.
type authenticator struct {
	signIn     *signin.Authenticator
	clientAuth *clientauth.Authenticator
}

// client authenticates the client of a request by HTTP Basic or by the form (RFC 6749
// §2.3.1), or by a JWT that it has signed (RFC 7523 §2.2). A client that sends an id and no secret is only identified, if it is public.
// client returns nil when the request names no client.
func (a authenticator) client(r *http.Request, form url.Values) (*caller.Caller, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if namesAssertion(form) {
		if form.Has("client_secret") || len(r.Header["Authorization"]) > 0 {
			return nil, errSeveralWays
		}
		return a.clientAuth.Authenticate(r.Context(), clientauth.Credential{
			Type: form.Get("client_assertion_type"), Assertion: form.Get("client_assertion"), ClientID: id,
		})
	}
	basic, found, err := httpkit.ClientBasic(r)
	switch {
	case err != nil:
		return nil, err
	case found && (secret != "" || id != "" && id != basic.Name):
		return nil, errSeveralWays
	case found:
		id, secret = basic.Name, basic.Password
	case len(r.Header["Authorization"]) > 0:
		return nil, fault.New(fault.InvalidClient, "a client authenticates by Basic or in the form")
	}
	switch {
	case id == "" && secret == "":
		return nil, nil
	case secret == "":
		return a.signIn.IdentifyClient(r.Context(), id)
	}
	return a.signIn.AuthenticateClient(r.Context(), id, secret)
}

// errSeveralWays refuses a request of which one of two ways to authenticate would not be looked
// at (RFC 6749 §2.3).
var errSeveralWays = fault.New(fault.Invalid, "the client authenticates in more than one way")

// namesAssertion reports whether a client authenticates by a JWT, or tries to.
func namesAssertion(form url.Values) bool {
	return form.Has("client_assertion") || form.Has("client_assertion_type")
}

// judge authenticates a caller by a Bearer token.
type judge func(ctx context.Context, raw string) (*caller.Caller, error)

// caller authenticates the holder of a Bearer token, by the function bearer, or else a
// client. A request with both is refused, even when one of them is valid.
func (a authenticator) caller(r *http.Request, form url.Values, bearer judge) (*caller.Caller, error) {
	raw, found, err := httpkit.Bearer(r)
	switch {
	case err != nil:
		return nil, err
	case found && (form.Has("client_id") || form.Has("client_secret") || namesAssertion(form)):
		return nil, fault.New(fault.Invalid, "the request has a Bearer token and a client")
	case found:
		c, err := bearer(r.Context(), raw)
		httpkit.Note(r, c)
		return c, err
	}
	c, err := a.client(r, form)
	if err == nil && c == nil {
		return nil, fault.New(fault.Unauthenticated, "client authentication or a Bearer token is needed")
	}
	httpkit.Note(r, c)
	return c, err
}
