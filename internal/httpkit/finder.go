package httpkit

import (
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// CredentialFinder finds a token in other places than a Bearer Authorization header. A
// dialect brings one when it is mounted.
type CredentialFinder interface {
	// Find returns the token of a request; its Token is "" when there is none. The error
	// is fault.Invalid where it is ambiguous which token is meant. A finder that checks a
	// password returns the error of that check.
	Find(r *http.Request) (Credential, error)
	// Places returns where Find looks. Those parts are removed from requests to an
	// application behind bearerd.
	Places() Places
}

// Places are parts of a request that hold credentials.
type Places struct {
	Headers []string // in canonical form
	Cookies []string
	Schemes []string // of the Authorization header, in lower case
}

// Credential is a token that was found.
type Credential struct {
	Token   string
	Ambient bool // a browser sends it by itself, also with requests that another site starts
	// User is the user that the request names as the token's owner, which must be right;
	// "" when it names none.
	User string
	// Session is set when the token is a session, which is valid in the collection that
	// it was started for, if any.
	Session bool
	// Check, unless nil, must return nil, in addition to the cross-origin check, where an
	// Ambient credential comes with an unsafe method.
	Check func(r *http.Request) error
}

// maxToken is the greatest length of a token, in bytes.
const maxToken = 8 << 10

// OnlyToken returns the only token among the values of a place; "" when there is none.
// The error is fault.Invalid for more than one, with that message, and for one that is
// too long.
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
// are several, those without the form of a token and repeated ones are left out: an
// application on a neighbouring host or path may have set one.
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
