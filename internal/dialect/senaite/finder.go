package senaite

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// Credentials finds the dialect's tokens besides the Authorization header: in the
// cookie token, then in the header X-JWT-Auth-Token.
type Credentials struct{}

var _ httpkit.CredentialFinder = Credentials{}

// Find implements httpkit.CredentialFinder.
func (Credentials) Find(r *http.Request) (httpkit.Credential, error) {
	raw, err := httpkit.OnlyToken(httpkit.TokenCookies(r, tokenCookie), "more than one cookie holds a token")
	if raw != "" || err != nil {
		return httpkit.Credential{Token: raw, Ambient: true}, err
	}
	raw, err = httpkit.OnlyToken(r.Header[tokenHeader], "more than one "+tokenHeader+" header")
	return httpkit.Credential{Token: raw}, err
}

// Headers implements httpkit.CredentialFinder.
func (Credentials) Headers() []string { return []string{tokenHeader} }

// Cookies implements httpkit.CredentialFinder.
func (Credentials) Cookies() []string { return []string{tokenCookie} }
