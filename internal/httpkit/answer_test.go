package httpkit_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// answers says for each fault kind what the management API and a protected
// resource answer.
var answers = map[fault.Kind]struct {
	status    int
	code      string
	challenge string // of the management API
}{
	fault.Internal:             {500, "server_error", ""},
	fault.Invalid:              {400, "invalid_request", ""},
	fault.Unauthenticated:      {401, "unauthenticated", `Bearer realm="r"`},
	fault.BadCredentials:       {401, "bad_credentials", `Bearer realm="r"`},
	fault.InvalidToken:         {401, "invalid_token", `Bearer realm="r", error="invalid_token", error_description="why"`},
	fault.InsufficientScope:    {403, "insufficient_scope", `Bearer realm="r", error="insufficient_scope", error_description="why"`},
	fault.Forbidden:            {403, "forbidden", ""},
	fault.NotFound:             {404, "not_found", ""},
	fault.Conflict:             {409, "conflict", ""},
	fault.TooLarge:             {413, "too_large", ""},
	fault.Limited:              {429, "limited", ""},
	fault.Unavailable:          {503, "temporarily_unavailable", ""},
	fault.InvalidClient:        {401, "invalid_client", `Bearer realm="r"`},
	fault.InvalidGrant:         {400, "invalid_grant", ""},
	fault.UnauthorizedClient:   {400, "unauthorized_client", ""},
	fault.UnsupportedGrantType: {400, "unsupported_grant_type", ""},
	fault.InvalidScope:         {400, "invalid_scope", ""},
	fault.InvalidTarget:        {400, "invalid_target", ""},
	fault.AuthorizationPending: {400, "authorization_pending", ""},
	fault.SlowDown:             {400, "slow_down", ""},
	fault.AccessDenied:         {403, "access_denied", ""},
	fault.ExpiredToken:         {400, "expired_token", ""},
}

func TestProblemsAnswerEveryKind(t *testing.T) {
	t.Parallel()
	for kind := fault.Internal; kind <= fault.ExpiredToken; kind++ {
		want, ok := answers[kind]
		if !ok {
			t.Fatalf("kind %d is not in the table", kind)
		}
		h := httpkit.Handle(func(http.ResponseWriter, *http.Request) error {
			return fault.Wrap(errors.New("secret cause"), kind, "why")
		}, httpkit.Problems(httpkit.Challenge{Realm: "r"}))
		w, lines := observed(t, h, httptest.NewRequest(http.MethodGet, "/x", nil))
		id, _ := oneLine(t, lines)["request_id"].(string)
		detail := "why"
		if kind == fault.Internal {
			detail = "internal error"
		}
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("kind %d: body %q: %v", kind, w.Body, err)
		}
		if diff := cmp.Diff(map[string]any{
			"type": "about:blank", "title": http.StatusText(want.status), "status": float64(want.status),
			"detail": detail, "code": want.code, "request_id": id,
		}, got); diff != "" {
			t.Errorf("kind %d: (-want +got):\n%s", kind, diff)
		}
		retry := ""
		if kind == fault.Limited || kind == fault.Unavailable {
			retry = "1"
		}
		wantHead := []string{"application/problem+json", "no-store", want.challenge, retry}
		head := w.Header()
		gotHead := []string{head.Get("Content-Type"), head.Get("Cache-Control"), head.Get("WWW-Authenticate"), head.Get("Retry-After")}
		if diff := cmp.Diff(wantHead, gotHead); w.Code != want.status || diff != "" {
			t.Errorf("kind %d: status %d (-want +got):\n%s", kind, w.Code, diff)
		}
	}
}

func TestBearerErrorsSayTheSameInHeaderAndBody(t *testing.T) {
	t.Parallel()
	base := httpkit.Challenge{Realm: "bearerd", ResourceMetadata: "https://x.example/.well-known/oauth-protected-resource"}
	const tail = `, resource_metadata="https://x.example/.well-known/oauth-protected-resource"`
	for _, c := range []struct {
		err                     error
		status                  int
		challenge, body, waited string
	}{
		{fault.New(fault.Unauthenticated, "no token"), 401, `Bearer realm="bearerd"` + tail, `{}`, ""},
		{
			fault.New(fault.Invalid, "two tokens"), 400,
			`Bearer realm="bearerd", error="invalid_request", error_description="two tokens"` + tail,
			`{"error":"invalid_request","error_description":"two tokens"}`, "",
		},
		{
			fault.New(fault.InvalidToken, "expired"), 401,
			`Bearer realm="bearerd", error="invalid_token", error_description="expired"` + tail,
			`{"error":"invalid_token","error_description":"expired"}`, "",
		},
		{
			fault.New(fault.InsufficientScope, "needs read"), 403,
			`Bearer realm="bearerd", error="insufficient_scope", error_description="needs read"` + tail,
			`{"error":"insufficient_scope","error_description":"needs read"}`, "",
		},
		{
			fault.After(fault.Unavailable, 1500*time.Millisecond, "no lease"), 503, "",
			`{"error":"temporarily_unavailable","error_description":"no lease"}`, "2",
		},
		{fault.New(fault.Forbidden, "no"), 403, "", `{"error":"forbidden","error_description":"no"}`, ""},
		{errors.New("secret"), 500, "", `{"error":"server_error","error_description":"internal error"}`, ""},
	} {
		w := httptest.NewRecorder()
		httpkit.BearerErrors(base)(w, httptest.NewRequest(http.MethodGet, "/", nil), c.err)
		got := []string{w.Header().Get("WWW-Authenticate"), strings.TrimSpace(w.Body.String()), w.Header().Get("Retry-After")}
		if diff := cmp.Diff([]string{c.challenge, c.body, c.waited}, got); w.Code != c.status || diff != "" {
			t.Errorf("%v: status %d (-want +got):\n%s", c.err, w.Code, diff)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v: headers %v", c.err, w.Header())
		}
	}
}

func TestWriteChallengeTellsTheScope(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	httpkit.WriteChallenge(w, http.StatusForbidden, httpkit.Challenge{Realm: "r", Error: "insufficient_scope", Scope: "read write"})
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="r", error="insufficient_scope", scope="read write"` {
		t.Error(got)
	}
	if got := w.Body.String(); got != `{"error":"insufficient_scope","scope":"read write"}`+"\n" {
		t.Error(got)
	}
}

func TestAChallengeHoldsNothingThatRFC6750Forbids(t *testing.T) {
	t.Parallel()
	got := httpkit.Challenge{Realm: "a\"b\r\nc", Error: "e", Description: "say \"no\" \\ é\x00", Scope: "x\ty"}.String()
	if want := `Bearer realm="a'b??c", error="e", error_description="say 'no' ? ??", scope="x?y"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add("realm", "why")
	f.Add("\"", "\\\r\n\x7fé")
	allowed := regexp.MustCompile(`^Bearer realm="([\x20-\x21\x23-\x5B\x5D-\x7E]*)"(, error_description="([\x20-\x21\x23-\x5B\x5D-\x7E]+)")?$`)
	f.Fuzz(func(t *testing.T, realm, description string) {
		got := httpkit.Challenge{Realm: realm, Description: description}.String()
		if !allowed.MatchString(got) || len(got) > 1100 {
			t.Errorf("%q", got)
		}
	})
}

func TestRetryAfterIsAtLeastASecondAndOnlyWhereItHelps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{fault.After(fault.Limited, time.Minute, "x"), "60"},
		{fault.After(fault.Limited, time.Second+time.Nanosecond, "x"), "2"},
		{fault.New(fault.Unavailable, "x"), "1"},
		{fault.After(fault.Invalid, time.Minute, "x"), ""},
		{errors.New("x"), ""},
		{nil, ""},
	} {
		w := httptest.NewRecorder()
		httpkit.SetRetryAfter(w, c.err)
		if got := w.Header().Get("Retry-After"); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestMethodNotAllowedIsAProblemThatNamesTheMethods(t *testing.T) {
	t.Parallel()
	h := httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return httpkit.MethodNotAllowed(w, r, "GET, HEAD")
	}, httpkit.Problems(httpkit.Challenge{Realm: "r"}))
	w, _ := observed(t, h, httptest.NewRequest(http.MethodPost, "/x", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" ||
		w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("answered %d %v", w.Code, w.Header())
	}
	var p httpkit.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != http.StatusMethodNotAllowed || p.Code != "method_not_allowed" || p.RequestID == "" {
		t.Errorf("problem: %+v", p)
	}
}
