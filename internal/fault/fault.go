// Package fault has the error type that bearerd's packages return to each other. A fault
// has a kind, which an edge maps to its protocol's status and code in one table, and a
// message that is safe to show to the client. Where one field of a form or one member of
// a JSON body is wrong, it names that too. Every other error is internal: the operator
// reads it in the log, a client never does.
package fault

import (
	"errors"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/redact"
)

// Kind is what went wrong, in terms that every protocol can translate.
type Kind uint8

// The kinds. The zero value is Internal, so that an error nobody classified is
// never shown.
const (
	Internal             Kind = iota
	Invalid                   // the request is malformed or contradicts itself
	Unauthenticated           // no credentials were given where some are needed
	BadCredentials            // a wrong username or password
	InvalidToken              // a malformed, expired or revoked token
	InsufficientScope         // a valid token whose scope does not allow the request
	Forbidden                 // the caller is known and has no permission
	NotFound                  // it does not exist, or the caller may not see it
	Conflict                  // it exists already, or was changed meanwhile
	TooLarge                  // a body beyond the limit
	Limited                   // too many attempts; see RetryAfter
	Unavailable               // no answer is possible now; see RetryAfter
	InvalidClient             // RFC 6749 §5.2: client authentication failed
	InvalidGrant              // RFC 6749 §5.2: the grant is invalid, expired, revoked or another client's
	UnauthorizedClient        // RFC 6749 §5.2: the client may not use this grant type
	UnsupportedGrantType      // RFC 6749 §5.2
	InvalidScope              // RFC 6749 §5.2
	InvalidTarget             // RFC 8707 §2, RFC 8693 §2.2.2
	AuthorizationPending      // RFC 8628 §3.5
	SlowDown                  // RFC 8628 §3.5
	AccessDenied              // RFC 8628 §3.5: the user refused
	ExpiredToken              // RFC 8628 §3.5: the device code ran out
	SignInAgain               // the sign-in was too long ago for this
)

// Error is a fault: its message is written for the client and holds no secret.
type Error struct {
	Kind    Kind
	Message string
	// Field is the name of the form field or JSON member that is wrong, such as
	// "scope" or "permissions.0.path"; empty when the error is about no single one.
	Field      string
	RetryAfter time.Duration // for Limited and Unavailable: when to ask again
	cause      error
}

// Error returns the message followed by the cause, for the operator's log.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Message + ": " + e.cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause, which is never shown to a client.
func (e *Error) Unwrap() error { return e.cause }

// New returns a fault. The message is shown to the client: no secrets, no internals.
// A token in it, which may come from the client's own text, is redacted.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: redact.Tokens(fmt.Sprintf(format, args...))}
}

// Wrap returns a fault that keeps its cause for the log.
func Wrap(cause error, kind Kind, format string, args ...any) *Error {
	e := New(kind, format, args...)
	e.cause = cause
	return e
}

// After returns a fault of kind Limited or Unavailable with the time after which
// to ask again.
func After(kind Kind, wait time.Duration, format string, args ...any) *Error {
	e := New(kind, format, args...)
	e.RetryAfter = wait
	return e
}

// Retry returns a copy of the fault with the time after which to ask again.
func (e *Error) Retry(after time.Duration) *Error {
	c := *e
	c.RetryAfter = after
	return &c
}

// In returns a copy of the fault that names the field at fault.
func (e *Error) In(field string) *Error {
	c := *e
	c.Field = redact.Tokens(field)
	return &c
}

// In returns err with the field at fault, in place of the one that it has: for a caller
// whose form has another name for the field. An error that is no fault, and nil, are
// returned unchanged.
func In(field string, err error) error {
	f, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	named := f.In(field)
	if err != error(f) { //nolint:errorlint // whether there is something around f
		named.cause = err
	}
	return named
}

// FieldOf returns the field that err is about: that of the first fault in its chain
// which names one. It is empty when none does.
func FieldOf(err error) string {
	for {
		f, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if f.Field != "" {
			return f.Field
		}
		err = f.cause
	}
}

// KindOf returns the kind of the first fault in err's chain; Internal when there is none.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Kind
	}
	return Internal
}

// Is reports whether err is a fault of that kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Message returns what may be shown of err: a fault's message, or a neutral
// sentence for everything else.
func Message(err error) string {
	if f, ok := errors.AsType[*Error](err); ok && f.Kind != Internal {
		return f.Message
	}
	return "internal error"
}

// RetryAfter returns how long to wait before trying again; zero when err has no time.
func RetryAfter(err error) time.Duration {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.RetryAfter
	}
	return 0
}
