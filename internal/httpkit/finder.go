package httpkit

import (
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// CredentialFinder finds a token in other places than the Authorization header. A
// dialect brings one when it is mounted.
type CredentialFinder interface {
	// Find returns the token of a request; its Token is "" when there is none. The
	// error is fault.Invalid where it is ambiguous which token is meant.
	Find(r *http.Request) (Credential, error)
	// Headers and Cookies name, in canonical form, the places where Find looks, which
	// are removed from what an application behind bearerd gets.
	Headers() []string
	Cookies() []string
}

// Credential is a token that was found.
type Credential struct {
	Token   string
	Ambient bool // a browser sends it unasked, with requests of other sites too
}

// maxToken bounds a token, in bytes.
const maxToken = 8 << 10

// OnlyToken returns the one token among the values of a place; "" when there is none.
// The error is fault.Invalid for more than one, with that message, and for one that
// is too long.
func OnlyToken(values []string, tooMany string) (string, error) {
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", fault.New(fault.Invalid, "%s", tooMany)
	case len(values[0]) > maxToken:
		return "", fault.New(fault.Invalid, "the token is longer than 8 KiB")
	}
	return values[0], nil
}

// TokenCookies returns the values of the cookies of that name, for OnlyToken. Where there
// are several, those that are no token by their shape are left out, and each stands once:
// an application on a neighbouring host or path may have set one.
func TokenCookies(r *http.Request, name string) []string {
	cookies := r.CookiesNamed(name)
	var values []string
	for _, c := range cookies {
		if len(cookies) == 1 || token.LooksLikeToken(c.Value) && !slices.Contains(values, c.Value) {
			values = append(values, c.Value)
		}
	}
	return values
}
