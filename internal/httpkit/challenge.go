package httpkit

import (
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// Challenge is the value of WWW-Authenticate for a request that was refused
// (RFC 6750 §3). Without Error it is the bare one for a request that had no
// token. ResourceMetadata is the URL of RFC 9728 §5.1.
type Challenge struct {
	Realm, Error, Description, Scope, ResourceMetadata string
}

// For returns the challenge completed for err. It returns c unchanged, and false, when
// a challenge is no answer to that kind of fault.
func (c Challenge) For(err error) (Challenge, bool) {
	kind := fault.KindOf(err)
	switch kind { //nolint:exhaustive // the kinds that RFC 6750 has no word for get no challenge
	case fault.Unauthenticated, fault.BadCredentials, fault.InvalidClient:
		return c, true
	case fault.Invalid, fault.InvalidToken, fault.InsufficientScope:
		c.Error, c.Description = Code(kind), fault.Message(err)
		return c, true
	default:
		return c, false
	}
}

// String returns the header's value. Characters that RFC 6750 §3 does not allow
// are replaced.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(`Bearer realm="` + token.ChallengeText(c.Realm) + `"`)
	for _, p := range []struct{ name, value string }{
		{"error", c.Error},
		{"error_description", c.Description},
		{"scope", c.Scope},
		{"resource_metadata", c.ResourceMetadata},
	} {
		if p.value != "" {
			b.WriteString(`, ` + p.name + `="` + token.ChallengeText(p.value) + `"`)
		}
	}
	return b.String()
}

// bearerBody is the JSON beside a challenge: the same members.
type bearerBody struct {
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	Scope       string `json:"scope,omitempty"`
}

// WriteChallenge answers with status, the challenge, and a JSON body with the
// members that the challenge has.
func WriteChallenge(w http.ResponseWriter, status int, c Challenge) {
	w.Header().Set("WWW-Authenticate", c.String())
	NoStore(w)
	_ = WriteJSON(w, status, bearerBody{Error: c.Error, Description: c.Description, Scope: c.Scope})
}

// BearerErrors returns the [ErrorWriter] of a protected resource (RFC 6750 §3): a
// challenge and a JSON body with the same members. Faults that RFC 6750 has no
// code for have the body alone, with [Code] and [Status].
func BearerErrors(base Challenge) ErrorWriter {
	return func(w http.ResponseWriter, _ *http.Request, err error) {
		kind := fault.KindOf(err)
		if c, ok := base.For(err); ok {
			WriteChallenge(w, Status(kind), c)
			return
		}
		SetRetryAfter(w, err)
		NoStore(w)
		_ = WriteJSON(w, Status(kind), bearerBody{Error: Code(kind), Description: fault.Message(err)})
	}
}
