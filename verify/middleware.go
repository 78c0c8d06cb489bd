package verify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Middleware lets requests with a good token through to next, which finds it with
// [FromContext]; the request is otherwise as it came. All others are answered as
// RFC 6750 §3 says, with a challenge and a JSON body of the same members: 401 without
// a token or with a bad one, 400 for a request that contradicts itself, 403, and 503
// with Retry-After. The token is looked for in the Authorization header alone.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return v.middleware(next, false)
}

// Optional is Middleware, but lets a request that has no Bearer token through without
// one. A bad token is refused all the same.
func (v *Verifier) Optional(next http.Handler) http.Handler {
	return v.middleware(next, true)
}

func (v *Verifier) middleware(next http.Handler, optional bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := v.Request(r)
		if err != nil && (!optional || !isMissing(err)) {
			WriteError(w, err, v.cfg.Realm)
			return
		}
		ctx := context.WithValue(r.Context(), contextKey{}, &presented{token: t, realm: v.cfg.Realm})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Request judges the token of a request. It is for services whose router has
// middleware of another form; the error is an *Error, to be answered by [WriteError].
func (v *Verifier) Request(r *http.Request) (*Token, error) {
	raw, found, malformed := bearer(r.Header)
	switch {
	case malformed != nil:
		return nil, malformed
	case !found:
		return nil, noToken()
	}
	return v.Verify(r.Context(), raw)
}

// isMissing reports whether the request has no token at all.
func isMissing(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == ""
}

// WriteError answers a request with an error of Verify, Request or a requirement, as
// Middleware does. An error of any other type is answered as 503: it says that nobody
// knows.
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

// errorBody is the JSON beside a challenge.
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

// RequireScope lets requests through whose token has every one of the scopes, and
// answers 403 insufficient_scope to others. It stands behind Middleware or Optional;
// without a token the answer is 401.
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

// RequireCollection lets requests through whose token is for the collection that the
// request is about, and answers 403 insufficient_scope to others, tokens for no
// collection among them: which other collections a user has access to, only the
// issuer knows. When the function can't tell, the answer is 400; an *Error of its own
// is answered as it stands.
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
