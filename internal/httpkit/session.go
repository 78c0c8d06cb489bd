package httpkit

import (
	"context"
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// maxSessions is how many session tokens of one request are looked up at most. A browser
// has two where a cookie was set for another path or for the domain above.
const maxSessions = 4

// SessionCookies returns the session tokens in the cookies of these names, each once.
// Values that are no session token by prefix, length or checksum are skipped: an
// application behind the same host may use a cookie of the same name.
func SessionCookies(r *http.Request, names []string) []string {
	var found []string
	for _, name := range names {
		for _, cookie := range r.CookiesNamed(name) {
			if token.IsSession(cookie.Value) && !slices.Contains(found, cookie.Value) {
				found = append(found, cookie.Value)
			}
		}
	}
	return found
}

// Session returns whose session a request has, as judge returns it; found is false when
// no cookie of these names holds a session token. Session tokens that judge refuses with
// fault.InvalidToken, for example because they have expired, are ignored beside a valid
// one. Two different valid ones are fault.Invalid: somebody else may have set one of
// them. Any other error of judge is returned as it is.
func Session[T any](r *http.Request, names []string, judge func(ctx context.Context, raw string) (T, error)) (session T, found bool, err error) {
	var nobody T
	tokens := SessionCookies(r, names)
	if len(tokens) > maxSessions {
		return nobody, true, errManySessions()
	}
	var refused error
	good := false
	for _, raw := range tokens {
		s, err := judge(r.Context(), raw)
		switch {
		case fault.Is(err, fault.InvalidToken):
			refused = err
		case err != nil:
			return nobody, true, err
		case good:
			return nobody, true, errManySessions()
		default:
			session, good = s, true
		}
	}
	if good {
		return session, true, nil
	}
	return nobody, len(tokens) > 0, refused
}

func errManySessions() error {
	return fault.New(fault.Invalid, "the cookies hold more than one session: sign out at /auth/logout to end them all")
}
