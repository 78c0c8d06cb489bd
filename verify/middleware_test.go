package verify_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
	"github.com/bearerd/bearerd/verify/verifytest"
)

// answer is what a handler answered.
type answer struct {
	status    int
	challenge string
	body      map[string]string
	header    http.Header
}

func ask(t testing.TB, h http.Handler, change ...func(*http.Request)) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/collections/4?access_token=in-the-query", nil)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{status: w.Code, challenge: w.Header().Get("WWW-Authenticate"), header: w.Header()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body)
	return a
}

func with(authorization ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Authorization"] = authorization }
}

// hello answers with whose request it is.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	subject := "nobody"
	if t, ok := verify.FromContext(r.Context()); ok {
		subject = t.Subject
	}
	w.Header().Set("Subject", subject)
	w.WriteHeader(http.StatusTeapot)
})

func TestMiddlewareAnswersAsRFC6750Says(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	good := issuer.Token(verifytest.Claims{Subject: "ada"})
	const bare = http.StatusUnauthorized
	for name, c := range map[string]struct {
		header      []string
		status      int
		code, words string
	}{
		"good":             {[]string{"Bearer " + good}, http.StatusTeapot, "", ""},
		"lower case":       {[]string{"bearer " + good}, http.StatusTeapot, "", ""},
		"odd case, spaces": {[]string{"bEaReR   " + good}, http.StatusTeapot, "", ""},
		"none":             {nil, bare, "", ""},
		"another scheme":   {[]string{"Basic YTpi"}, bare, "", ""},
		"no space":         {[]string{"Bearer" + good}, bare, "", ""},
		"nothing in it":    {[]string{"Bearer "}, 400, "invalid_request", "the Authorization header holds no well-formed Bearer token"},
		"two words":        {[]string{"Bearer a b"}, 400, "invalid_request", "the Authorization header holds no well-formed Bearer token"},
		"two headers":      {[]string{"Bearer " + good, "Bearer " + good}, 400, "invalid_request", "more than one Authorization header"},
		"one empty header": {[]string{"Bearer " + good, ""}, 400, "invalid_request", "more than one Authorization header"},
		"too long":         {[]string{"Bearer " + strings.Repeat("a", token.MaxBytes+1)}, 400, "invalid_request", "the credentials are longer than 8 KiB"},
		"as long as can be": {
			[]string{"Bearer " + strings.Repeat("a", token.MaxBytes)}, 401, "invalid_token", "malformed or unknown token",
		},
		"forged": {[]string{"Bearer " + forge(good)}, 401, "invalid_token", "malformed or unknown token"},
		"expired": {
			[]string{"Bearer " + issuer.Token(verifytest.Claims{Lifetime: -1e9})}, 401, "invalid_token", "expired",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, optional := range []bool{false, true} {
				h := v.Middleware(hello)
				if optional {
					h = v.Optional(hello)
				}
				a := ask(t, h, with(c.header...))
				if optional && c.status == bare && c.code == "" {
					if a.status != http.StatusTeapot || a.header.Get("Subject") != "nobody" {
						t.Errorf("optional: %d, %q", a.status, a.header.Get("Subject"))
					}
					continue
				}
				challenge := ""
				switch {
				case c.code != "":
					challenge = `Bearer realm="` + issuer.URL() + `", error="` + c.code + `", error_description="` + c.words + `"`
				case c.status == bare:
					challenge = `Bearer realm="` + issuer.URL() + `"`
				}
				if a.status != c.status || a.challenge != challenge {
					t.Errorf("%d %s, want %d %s", a.status, a.challenge, c.status, challenge)
				}
				if a.status == http.StatusTeapot {
					if a.header.Get("Subject") != "ada" {
						t.Errorf("subject %q", a.header.Get("Subject"))
					}
					continue
				}
				body := map[string]string{}
				if c.code != "" {
					body = map[string]string{"error": c.code, "error_description": c.words}
				}
				if diff := cmp.Diff(body, a.body); diff != "" || a.header.Get("Cache-Control") != "no-store" ||
					a.header.Get("Content-Type") != "application/json" {
					t.Errorf("body (-want +got):\n%s%v", diff, a.header)
				}
			}
		})
	}
}

func TestMiddlewareLeavesTheRequestAsItCame(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	raw := "Bearer " + issuer.Token(verifytest.Claims{})
	a := ask(t, issuer.Verifier(t).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != raw || r.URL.RawQuery != "access_token=in-the-query" || string(body) != "a body" {
			w.WriteHeader(http.StatusConflict)
		}
	})), with(raw), func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("a body")) })
	if a.status != http.StatusOK {
		t.Errorf("the request was changed: %d", a.status)
	}
}

func TestRequirementsAreJudgedOnEachRequest(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	byPath := func(r *http.Request) (int64, error) {
		return strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/collections/"), 10, 64)
	}
	own := &verify.Error{Status: http.StatusForbidden, Code: verify.CodeInsufficientScope, Description: "not on Sundays"}
	scope := func(names ...string) http.Handler { return v.Middleware(verify.RequireScope(names...)(hello)) }
	collection := func(of func(*http.Request) (int64, error)) http.Handler {
		return v.Middleware(verify.RequireCollection(of)(hello))
	}
	reader := issuer.Token(verifytest.Claims{Scope: []string{"read"}, Collection: 4})
	bare := issuer.Token(verifytest.Claims{})
	for name, c := range map[string]struct {
		handler   http.Handler
		raw       string
		status    int
		challenge string
	}{
		"has the scope":        {scope("read"), reader, http.StatusTeapot, ""},
		"needs no scope":       {scope(), bare, http.StatusTeapot, ""},
		"has no scope":         {scope("read"), bare, 403, `error_description="the scope read is needed", scope="read"`},
		"has one of two":       {scope("read", "write"), reader, 403, `error_description="the scope write is needed", scope="read write"`},
		"has a longer name":    {scope("rea"), reader, 403, `error_description="the scope rea is needed", scope="rea"`},
		"is for it":            {collection(byPath), reader, http.StatusTeapot, ""},
		"is for none":          {collection(byPath), bare, 403, `error="insufficient_scope", error_description="the token is for no collection"`},
		"is for another":       {collection(func(*http.Request) (int64, error) { return 42, nil }), reader, 403, `error_description="the token is for another collection"`},
		"names none":           {collection(func(*http.Request) (int64, error) { return 0, errors.New("secret words") }), reader, 400, `error_description="the request names no collection"`},
		"says so itself":       {collection(func(*http.Request) (int64, error) { return 0, own }), reader, 403, `error_description="not on Sundays"`},
		"has no token":         {v.Optional(verify.RequireScope()(hello)), "", 401, `Bearer realm="` + issuer.URL() + `"`},
		"has no middleware":    {verify.RequireScope()(hello), reader, 401, `Bearer realm=""`},
		"has only a bad one":   {v.Optional(verify.RequireScope()(hello)), "x", 401, `error="invalid_token"`},
		"collection, no token": {v.Optional(verify.RequireCollection(byPath)(hello)), "", 401, `Bearer realm=`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				a := ask(t, c.handler, func(r *http.Request) {
					if c.raw != "" {
						r.Header.Set("Authorization", "Bearer "+c.raw)
					}
				})
				if a.status != c.status || !strings.Contains(a.challenge, c.challenge) {
					t.Errorf("%d %s, want %d %s", a.status, a.challenge, c.status, c.challenge)
				}
				if strings.Contains(a.challenge, "secret words") {
					t.Error("the cause was shown")
				}
			}
		})
	}
}

func TestAHandlerCanBeTestedAlone(t *testing.T) {
	t.Parallel()
	h := verify.RequireScope("read")(hello)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	ctx := verify.NewContext(r.Context(), &verify.Token{Subject: "ada", Scope: []string{"read"}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(ctx))
	if w.Code != http.StatusTeapot || w.Header().Get("Subject") != "ada" {
		t.Errorf("%d", w.Code)
	}
}

func TestChallengesHoldNothingThatEndsThem(t *testing.T) {
	t.Parallel()
	e := &verify.Error{Status: 403, Code: "insufficient_scope", Description: "a \"b\"\r\nSet-Cookie: c\\", Scope: "x\ny"}
	got := e.Challenge("r\"ealm\x00" + strings.Repeat("m", 600))
	if strings.ContainsAny(got, "\r\n\x00\\") || strings.Count(got, `"`) != 8 || len(got) > 700 {
		t.Errorf("%s", got)
	}
	if got := (&verify.Error{Status: 503, Code: "temporarily_unavailable"}).Challenge("x"); got != "" {
		t.Errorf("a challenge with 503: %s", got)
	}
}

func TestAnUnknownErrorIsNeverAYes(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	verify.WriteError(w, errors.New("a secret"), "r")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}
