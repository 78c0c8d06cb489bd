package specify

import (
	"context"
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// Sessions finds the session that /context/login/ starts, so that the application can use
// it like the original's: its user, in the chosen collection, and with the CSRF token
// where a request may change something. An invalid session counts as none, as in the
// original, so that the sign-in page can still be reached.
type Sessions struct {
	// Check judges a session; the error is fault.InvalidToken for one that isn't valid.
	Check func(ctx context.Context, raw string) error
}

var _ httpkit.CredentialFinder = (*Sessions)(nil)

var sessionCookies = []string{SessionCookie}

// Find implements httpkit.CredentialFinder.
func (s *Sessions) Find(r *http.Request) (httpkit.Credential, error) {
	raw, found, err := httpkit.Session(r, sessionCookies, func(ctx context.Context, raw string) (string, error) {
		return raw, s.Check(ctx, raw)
	})
	switch {
	case !found || fault.Is(err, fault.InvalidToken):
		return httpkit.Credential{}, nil
	case err != nil:
		return httpkit.Credential{}, err
	}
	return httpkit.Credential{Token: raw, Ambient: true, Session: true, Check: checkToken}, nil
}

// Places implements httpkit.CredentialFinder. The session needs none: bearerd's sessions
// are always removed, and a cookie of that name with another value is the application's
// own.
func (*Sessions) Places() httpkit.Places { return httpkit.Places{} }
