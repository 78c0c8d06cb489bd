package verify

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// The codes of an Error: those of RFC 6750 §3.1, and the one of RFC 6749 for when no
// decision is possible now. A request without a token has none.
const (
	CodeInvalidRequest    = "invalid_request"
	CodeInvalidToken      = "invalid_token"
	CodeInsufficientScope = "insufficient_scope"
	CodeUnavailable       = "temporarily_unavailable"
)

// Error is the error of Verify and of the middleware. Its text is for the client: it has
// no secret, and says about a forgery only that it is not valid.
type Error struct {
	Status      int           // of HTTP: 400, 401, 403 or 503
	Code        string        // one of the codes above; empty: the request has no token
	Description string        // a reason, such as "expired" or "revoked"
	Scope       string        // the scopes that are needed, where these are what is missing
	RetryAfter  time.Duration // with 503: when to try again
	cause       error
}

// Error returns the code and the description, and for the service's own log the cause.
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

// Unwrap returns the cause, such as a context's end. Don't show it to clients.
func (e *Error) Unwrap() error { return e.cause }

// Challenge returns the value of WWW-Authenticate (RFC 6750 §3), or "" where no
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

// noToken is the error of a request without a token.
func noToken() *Error {
	return &Error{Status: http.StatusUnauthorized, Description: "a token is needed"}
}

// asError maps the error of a decision to an Error of RFC 6750. The text of an
// unclassified error is never shown, and the token is refused.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Description: fault.Message(err), cause: errors.Unwrap(err)}
	switch fault.KindOf(err) { //nolint:exhaustive // a decision has three
	case fault.InvalidToken:
		e.Status, e.Code = http.StatusUnauthorized, CodeInvalidToken
	case fault.InsufficientScope:
		e.Status, e.Code = http.StatusForbidden, CodeInsufficientScope
	case fault.Unavailable:
		e.Status, e.Code, e.RetryAfter = http.StatusServiceUnavailable, CodeUnavailable, time.Second
	default:
		e.Status, e.Code, e.RetryAfter = http.StatusServiceUnavailable, CodeUnavailable, time.Second
		e.Description = "the token can't be judged now"
	}
	return e
}
