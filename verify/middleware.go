package verify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Middleware passes requests with a valid token to next, which gets it with
// [FromContext]; the request is otherwise unchanged. All others are refused as in RFC
// 6750 §3, with a challenge and a JSON body of the same members: 401 without a token or
// with an invalid one, 400 for a malformed request, 403, and 503 with Retry-After. The
// token is read only from the Authorization header. The client's address is the peer's, or
// what [Config.TrustedProxies] say it is.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return v.middleware(next, false)
}

// Optional is Middleware, but also passes requests without a Bearer token to next. An
// invalid token is still refused.
func (v *Verifier) Optional(next http.Handler) http.Handler {
	return v.middleware(next, true)
}

func (v *Verifier) middleware(next http.Handler, optional bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := v.Request(r)
		if err != nil && (!optional || !isMissing(err)) {
			WriteError(w, err, v.realm)
			return
		}
		ctx := context.WithValue(r.Context(), contextKey{}, &presented{token: t, realm: v.realm})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Request judges the token of a request. It is for services whose router has middleware
// of another form; the error is an *Error, for [WriteError].
func (v *Verifier) Request(r *http.Request) (*Token, error) {
	raw, found, malformed := bearer(r.Header)
	switch {
	case malformed != nil:
		return nil, malformed
	case !found:
		return nil, noToken()
	}
	return v.VerifyFrom(r.Context(), raw, v.addressOf(r))
}

// addressOf returns the address of the client that sent a request; zero when it has none.
func (v *Verifier) addressOf(r *http.Request) netip.Addr {
	return v.proxies.Client(r.RemoteAddr, r.Header["X-Forwarded-For"])
}

// isMissing reports whether the request has no token at all.
func isMissing(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == ""
}

// WriteError responds with an error of Verify, Request or a requirement, as Middleware
// does. An error of any other type becomes 503.
func WriteError(w http.ResponseWriter, err error, realm string) {
	e := asError(err)
	h := w.Header()
	if challenge := e.Challenge(realm); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if e.Status == http.StatusServiceUnavailable {
		wait := max(e.RetryAfter, time.Second)
		h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(e.body())
}

// errorBody is the JSON body of a response with a challenge.
type errorBody struct {
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	Scope       string `json:"scope,omitempty"`
}

func (e *Error) body() errorBody {
	if e.Code == "" {
		return errorBody{}
	}
	return errorBody{Error: e.Code, Description: e.Description, Scope: e.Scope}
}

// RequireScope passes on requests whose token has all of the scopes, and answers 403
// insufficient_scope to others. Use it within Middleware or Optional; without a token the
// answer is 401.
func RequireScope(names ...string) func(http.Handler) http.Handler {
	return require(func(_ *http.Request, t *Token) error {
		for _, name := range names {
			if !t.HasScope(name) {
				return insufficient("the scope "+name+" is needed", strings.Join(names, " "))
			}
		}
		return nil
	})
}

// RequireCollection passes on requests whose token is for the collection that the request
// is about, and answers 403 insufficient_scope to others, including tokens for no
// collection: only the issuer knows which other collections a user has access to. When
// the function returns an error, the answer is 400, or that error if it is an *Error.
func RequireCollection(of func(*http.Request) (int64, error)) func(http.Handler) http.Handler {
	return require(func(r *http.Request, t *Token) error {
		id, err := of(r)
		if e, ok := errors.AsType[*Error](err); ok {
			return e
		}
		switch {
		case err != nil:
			e := invalidRequest("the request names no collection")
			e.cause = err
			return e
		case t.Collection == nil:
			return insufficient("the token is for no collection", "")
		case *t.Collection != id:
			return insufficient("the token is for another collection", "")
		}
		return nil
	})
}

// require makes a middleware of a condition on the token of a request.
func require(check func(*http.Request, *Token) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := presentedIn(r.Context())
			if p.token == nil {
				WriteError(w, noToken(), p.realm)
				return
			}
			if err := check(r, p.token); err != nil {
				WriteError(w, err, p.realm)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
