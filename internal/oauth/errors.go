package oauth

import (
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// failure is the answer to a kind of fault.
type failure struct {
	status int
	code   string // RFC 6749 §5.2 and its extensions
}

// failureOf is the table of OAuth errors.
func failureOf(kind fault.Kind) failure {
	switch kind {
	case fault.Invalid, fault.NotFound, fault.Conflict:
		return failure{http.StatusBadRequest, "invalid_request"}
	case fault.TooLarge:
		return failure{http.StatusRequestEntityTooLarge, "invalid_request"}
	case fault.Unauthenticated, fault.BadCredentials, fault.InvalidClient:
		return failure{http.StatusUnauthorized, "invalid_client"}
	case fault.InvalidToken:
		return failure{http.StatusUnauthorized, "invalid_token"}
	case fault.InsufficientScope:
		return failure{http.StatusForbidden, "insufficient_scope"}
	case fault.Forbidden, fault.SignInAgain:
		return failure{http.StatusForbidden, "access_denied"}
	case fault.Limited:
		return failure{http.StatusTooManyRequests, "temporarily_unavailable"}
	case fault.Unavailable:
		return failure{http.StatusServiceUnavailable, "temporarily_unavailable"}
	case fault.InvalidGrant, fault.UnauthorizedClient, fault.UnsupportedGrantType, fault.InvalidScope,
		fault.InvalidTarget, fault.AuthorizationPending, fault.SlowDown, fault.AccessDenied, fault.ExpiredToken:
		return failure{http.StatusBadRequest, httpkit.Code(kind)}
	case fault.Internal:
	}
	return failure{http.StatusInternalServerError, "server_error"}
}

// errorBody is the JSON of RFC 6749 §5.2.
type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// realm names the protection space in challenges. It writes the answers to errors.
type realm string

// writeError answers an error where only clients are expected. A 401 always has a
// challenge (RFC 9110 §15.5.2).
func (in realm) writeError(w http.ResponseWriter, _ *http.Request, err error) {
	f := failureOf(fault.KindOf(err))
	if f.status == http.StatusUnauthorized {
		w.Header().Add("WWW-Authenticate", in.basicChallenge())
	}
	f.write(w, err)
}

// bearerErrors answers errors where a Bearer token is accepted too, perhaps with a scope:
// the challenge says what is wrong with the token (RFC 6750 §3).
func (in realm) bearerErrors(scope string) httpkit.ErrorWriter {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		f := failureOf(fault.KindOf(err))
		challenge, ok := httpkit.Challenge{Realm: string(in)}.For(err)
		switch {
		case f.code == "invalid_client":
			w.Header().Add("WWW-Authenticate", in.basicChallenge())
			w.Header().Add("WWW-Authenticate", challenge.String())
		case ok && triedBearer(r):
			if f.code == "insufficient_scope" {
				challenge.Scope = scope
			}
			w.Header().Set("WWW-Authenticate", challenge.String())
		}
		f.write(w, err)
	}
}

func (in realm) basicChallenge() string {
	return "Basic" + strings.TrimPrefix(httpkit.Challenge{Realm: string(in)}.String(), "Bearer") + `, charset="UTF-8"`
}

// triedBearer reports whether the request has a Bearer token, valid or not.
func triedBearer(r *http.Request) bool {
	for _, value := range r.Header["Authorization"] {
		if scheme, _, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "bearer") {
			return true
		}
	}
	return false
}

func (f failure) write(w http.ResponseWriter, err error) {
	httpkit.SetRetryAfter(w, err)
	httpkit.NoStore(w)
	_ = httpkit.WriteJSON(w, f.status, errorBody{f.code, describe(err)}) // strings can be encoded
}

// describe returns the message with the characters that error_description may have
// (RFC 6749 §5.2).
func describe(err error) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"':
			return '\''
		case c < ' ' || c > '~' || c == '\\':
			return '?'
		}
		return c
	}, fault.Message(err))
}
