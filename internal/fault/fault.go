// Package fault is the one error type that crosses the borders of bearerd's
// packages. A fault has a kind, which an edge maps to its protocol's status and
// code in one table, and a message that is safe to show to whoever asked. Every
// other error is internal: the operator reads it in the log, a client never does.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what went wrong in terms that every protocol can translate.
type Kind uint8

// The kinds. The zero value is Internal, so that an error nobody classified is
// never shown.
const (
	Internal             Kind = iota
	Invalid                   // the request is malformed or contradicts itself
	Unauthenticated           // no credentials were given where some are needed
	BadCredentials            // a wrong username or password
	InvalidToken              // a token that is not, or no longer, good
	InsufficientScope         // a good token that does not reach far enough
	Forbidden                 // the caller is known and may not
	NotFound                  // no such thing, or none that the caller may see
	Conflict                  // it exists already, or was changed meanwhile
	TooLarge                  // a body beyond the limit
	Limited                   // too many attempts; see RetryAfter
	Unavailable               // the answer can't be given now; see RetryAfter
	InvalidClient             // RFC 6749 §5.2: client authentication failed
	InvalidGrant              // RFC 6749 §5.2: the grant is invalid, expired, revoked or another client's
	UnauthorizedClient        // RFC 6749 §5.2: the client may not use this grant type
	UnsupportedGrantType      // RFC 6749 §5.2
	InvalidScope              // RFC 6749 §5.2
	InvalidTarget             // RFC 8707 §2, RFC 8693 §2.2.2
	AuthorizationPending      // RFC 8628 §3.5
	SlowDown                  // RFC 8628 §3.5
	AccessDenied              // RFC 8628 §3.5: the user said no
	ExpiredToken              // RFC 8628 §3.5: the device code ran out
)

// Error is a fault: its message is written for the client and holds no secret.
type Error struct {
	Kind       Kind
	Message    string
	RetryAfter time.Duration // for Limited and Unavailable: when to ask again
	cause      error
}

// Error gives the message followed by the cause, for the operator's log.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Message + ": " + e.cause.Error()
	}
	return e.Message
}

// Unwrap gives the cause, which is never shown to a client.
func (e *Error) Unwrap() error { return e.cause }

// New makes a fault. The message is shown to the client: no secrets, no internals.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault that remembers its cause for the log.
func Wrap(cause error, kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), cause: cause}
}

// After makes a fault of kind Limited or Unavailable that says when to try again.
func After(kind Kind, wait time.Duration, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), RetryAfter: wait}
}

// Retry gives the fault with the time after which to ask again.
func (e *Error) Retry(after time.Duration) *Error {
	e.RetryAfter = after
	return e
}

// KindOf tells the kind of the first fault in err's chain; Internal when there is none.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Kind
	}
	return Internal
}

// Is reports whether err is a fault of that kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Message gives what may be shown of err: a fault's message, or a neutral
// sentence for everything else.
func Message(err error) string {
	if f, ok := errors.AsType[*Error](err); ok && f.Kind != Internal {
		return f.Message
	}
	return "internal error"
}

// RetryAfter tells when to try again; zero when err does not say.
func RetryAfter(err error) time.Duration {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.RetryAfter
	}
	return 0
}
