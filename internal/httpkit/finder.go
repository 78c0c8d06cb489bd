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
	// Find returns the token of a request; its Token is "" when there is none. The
	// error is fault.Invalid where it is ambiguous which token is meant, and what the
	// check of a password says where that is what Find looks for.
	Find(r *http.Request) (Credential, error)
	// Places names where Find looks, which is removed from what an application behind
	// bearerd gets.
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
	Ambient bool // a browser sends it unasked, with requests of other sites too
	// User is whom the request says the token is of; "": it doesn't say. It must be so.
	User string
	// Session says that the token is a session, good in the collection that it was begun
	// for where there is one.
	Session bool
	// Check must pass, beside the cross-origin check, where an Ambient one comes with an
	// unsafe method; nil: nothing.
	Check func(r *http.Request) error
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
