package httpkit

import (
	"net/http"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
)

const typeProblem = "application/problem+json"

// Problem is the body of an error in the management API (RFC 9457). Code, Field and
// RequestID are bearerd's own members: the first distinguishes kinds of one status, the
// second names the member or parameter that is wrong, the third is the request's id in
// the log.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Code      string `json:"code"`
	Field     string `json:"field,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// Problems returns an [ErrorWriter] of problem details. The base names the realm
// of the challenge that goes with a 401 and an insufficient scope.
func Problems(base Challenge) ErrorWriter {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		kind := fault.KindOf(err)
		status := Status(kind)
		if c, ok := base.For(err); ok && status != http.StatusBadRequest {
			w.Header().Set("WWW-Authenticate", c.String())
		}
		SetRetryAfter(w, err)
		NoStore(w)
		_ = writeBody(w, status, typeProblem, Problem{
			Type:      "about:blank",
			Title:     http.StatusText(status),
			Status:    status,
			Detail:    fault.Message(err),
			Code:      Code(kind),
			Field:     fault.FieldOf(err),
			RequestID: EventOf(r.Context()).RequestID(),
		})
	}
}

// MethodNotAllowed answers 405 as problem details; allow lists the methods that
// the path is served with (RFC 9110 §15.5.6).
func MethodNotAllowed(w http.ResponseWriter, r *http.Request, allow string) error {
	status := http.StatusMethodNotAllowed
	w.Header().Set("Allow", allow)
	NoStore(w)
	return writeBody(w, status, typeProblem, Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: "this path is served with " + allow, Code: "method_not_allowed",
		RequestID: EventOf(r.Context()).RequestID(),
	})
}

// Status returns the HTTP status of a fault kind where no protocol says otherwise.
func Status(kind fault.Kind) int {
	switch kind {
	case fault.Invalid, fault.InvalidGrant, fault.UnauthorizedClient, fault.UnsupportedGrantType,
		fault.InvalidScope, fault.InvalidTarget, fault.AuthorizationPending, fault.SlowDown, fault.ExpiredToken:
		return http.StatusBadRequest
	case fault.Unauthenticated, fault.BadCredentials, fault.InvalidToken, fault.InvalidClient:
		return http.StatusUnauthorized
	case fault.InsufficientScope, fault.Forbidden, fault.AccessDenied, fault.SignInAgain:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// Code returns the name of a fault kind for machines, the standard's where there is
// one (RFC 6749 §5.2, RFC 6750 §3.1, RFC 8628 §3.5, RFC 8707 §2).
func Code(kind fault.Kind) string {
	switch kind {
	case fault.Invalid:
		return "invalid_request"
	case fault.Unauthenticated:
		return "unauthenticated"
	case fault.BadCredentials:
		return "bad_credentials"
	case fault.InvalidToken:
		return "invalid_token"
	case fault.InsufficientScope:
		return "insufficient_scope"
	case fault.Forbidden:
		return "forbidden"
	case fault.NotFound:
		return "not_found"
	case fault.Conflict:
		return "conflict"
	case fault.TooLarge:
		return "too_large"
	case fault.Limited:
		return "limited"
	case fault.Unavailable:
		return "temporarily_unavailable"
	case fault.InvalidClient:
		return "invalid_client"
	case fault.InvalidGrant:
		return "invalid_grant"
	case fault.UnauthorizedClient:
		return "unauthorized_client"
	case fault.UnsupportedGrantType:
		return "unsupported_grant_type"
	case fault.InvalidScope:
		return "invalid_scope"
	case fault.InvalidTarget:
		return "invalid_target"
	case fault.AuthorizationPending:
		return "authorization_pending"
	case fault.SlowDown:
		return "slow_down"
	case fault.AccessDenied:
		return "access_denied"
	case fault.ExpiredToken:
		return "expired_token"
	case fault.SignInAgain:
		return "sign_in_again"
	case fault.Internal:
		return "server_error"
	}
	return "server_error"
}

// SetRetryAfter sets Retry-After in whole seconds, at least one, for faults of
// the kinds Limited and Unavailable; for others it does nothing.
func SetRetryAfter(w http.ResponseWriter, err error) {
	if !fault.Is(err, fault.Limited) && !fault.Is(err, fault.Unavailable) {
		return
	}
	wait := max(fault.RetryAfter(err), time.Second)
	seconds := int64((wait + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
}
