package verify

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// The codes of an Error: those of RFC 6750 §3.1, and the one of RFC 6749 for what
// can't be said now. A request without a token has none.
const (
	CodeInvalidRequest    = "invalid_request"
	CodeInvalidToken      = "invalid_token"
	CodeInsufficientScope = "insufficient_scope"
	CodeUnavailable       = "temporarily_unavailable"
)

// Error is every error of Verify and of the middleware. What it says is for the
// client: no secret, and no more about a forgery than that it is none of ours.
type Error struct {
	Status      int           // of HTTP: 400, 401, 403 or 503
	Code        string        // one of the codes above; empty: the request has no token
	Description string        // a reason, such as "expired" or "revoked"
	Scope       string        // the scopes that are needed, where these are what is missing
	RetryAfter  time.Duration // with 503: when to ask again
	cause       error
}

// Error gives the code and the description, and for the service's own log the cause.
func (e *Error) Error() string {
	text := e.Description
	if e.Code != "" {
		text = e.Code + ": " + text
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap gives the cause, such as a context's end. It is nothing to show a client.
func (e *Error) Unwrap() error { return e.cause }

// Challenge gives the value of WWW-Authenticate (RFC 6750 §3), or "" where no
// challenge is due, which is with 503.
func (e *Error) Challenge(realm string) string {
	if e.Status == http.StatusServiceUnavailable {
		return ""
	}
	var b strings.Builder
	b.WriteString(`Bearer realm="` + token.ChallengeText(realm) + `"`)
	if e.Code != "" {
		b.WriteString(`, error="` + token.ChallengeText(e.Code) + `", error_description="` + token.ChallengeText(e.Description) + `"`)
	}
	if e.Scope != "" {
		b.WriteString(`, scope="` + token.ChallengeText(e.Scope) + `"`)
	}
	return b.String()
}

func invalidRequest(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Description: description}
}

func insufficient(description, scope string) *Error {
	return &Error{Status: http.StatusForbidden, Code: CodeInsufficientScope, Description: description, Scope: scope}
}

// noToken is the answer to a request that has none.
func noToken() *Error {
	return &Error{Status: http.StatusUnauthorized, Description: "a token is needed"}
}

func unavailable(cause error, description string) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Code: CodeUnavailable, Description: description,
		RetryAfter: time.Second, cause: cause,
	}
}

// asError says a refusal in the words of RFC 6750. What nobody classified is never
// shown, and never a yes.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	r, ok := errors.AsType[*token.Refusal](err)
	switch {
	case !ok:
		return unavailable(err, "the token can't be judged now")
	case r.Check == token.CheckScope || r.Check == token.CheckAccess:
		return insufficient(r.Reason, "")
	}
	return &Error{Status: http.StatusUnauthorized, Code: CodeInvalidToken, Description: r.Reason, cause: r}
}
