package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/edgetest"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/revoking"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

// identityHeaders are the ten, spelt out once more: this is what applications read.
var identityHeaders = []string{
	"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups",
	"X-Bearerd-Subject", "X-Bearerd-Token-Id", "X-Bearerd-Token-Kind",
	"X-Bearerd-Scope", "X-Bearerd-Collection", "X-Bearerd-Audience",
}

const (
	password = "correct horse"
	realm    = "the museum"
	metadata = nodetest.Issuer + "/.well-known/oauth-protected-resource"
)

var challenge = httpkit.Challenge{Realm: realm, ResourceMetadata: metadata}

// senaiteFinders are what the senaite dialect brings when it is mounted.
func senaiteFinders(f *nodetest.Fixture) []httpkit.CredentialFinder {
	return []httpkit.CredentialFinder{senaite.NewCredentials(f.Authenticator, f.Issuance, f.Time)}
}

// world is an authority with one user, ada, and a gate in front of it.
type world struct {
	*nodetest.Fixture
	gate  *gateway.Gate
	ada   identity.User
	login *caller.Caller
}

func newWorld(t testing.TB, o nodetest.Options) *world {
	t.Helper()
	return inhabit(t, nodetest.New(t, o))
}

// inhabit makes the user ada, who may use collection 4 and read beneath /things.
func inhabit(t testing.TB, f *nodetest.Fixture) *world {
	t.Helper()
	w := &world{Fixture: f, gate: &gateway.Gate{Verifier: f.Verifier, Now: f.Time, Challenge: challenge}}
	f.Collection(t, 4, "Fish")
	f.Collection(t, 5, "Birds")
	ada, err := f.CreateUser(t.Context(), caller.Operator(), identity.NewUser{
		Username: "ada", Name: "Ada Lovelace", Email: "ada@example.org",
		Groups: []string{"curators", "staff"}, Password: password,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.ada = ada
	for _, b := range []access.Binding{nodetest.May("access", "/collections/4"), nodetest.May("read", "/things")} {
		b.User = ada.ID
		if _, err := f.CreateBinding(t.Context(), caller.Operator(), b); err != nil {
			t.Fatal(err)
		}
	}
	w.login = f.Login(t, "ada", password)
	return w
}

// issue returns an access token of ada's, changed by what is asked for.
func (w *world) issue(t testing.TB, change func(*issuance.Request)) *issuance.Issued {
	t.Helper()
	r := &issuance.Request{Kind: token.KindAccess, Principal: w.login.Principal}
	if change != nil {
		change(r)
	}
	if r.Collection != nil {
		r.Principal = w.Login(t, "ada", password, *r.Collection).Principal
	}
	issued, err := w.Issue(t.Context(), w.login, r)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func (w *world) revoke(t testing.TB, issued *issuance.Issued) {
	t.Helper()
	r, err := w.Revoke(t.Context(), w.login, revoking.Revocation{Token: issued.Value.Reveal()})
	if err != nil || !r.Revoked {
		t.Fatal(r, err)
	}
}

// verifier serves /auth/verify, and holds what it answers against its description.
func (w *world) verifier(t testing.TB) string {
	t.Helper()
	return edgetest.Serve(t, w.gate.Now, &gateway.ForwardAuth{Gate: w.gate}).URL
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func bearer(issued *issuance.Issued) http.Header {
	return http.Header{"Authorization": {"Bearer " + issued.Value.Reveal()}}
}

func get(t testing.TB, url string, h http.Header) answer {
	t.Helper()
	return send(t, http.MethodGet, url, h, nil)
}

func send(t testing.TB, method, url string, h http.Header, body io.Reader) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if h != nil {
		r.Header = h.Clone()
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	a := edgetest.At(t, "").Send(t, r)
	return answer{a.Status, a.Header, a.Body}
}

// members reads a JSON body.
func (a answer) members(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
	return m
}

// refused checks a refusal of RFC 6750: status, code and description alike in the
// challenge and in the body; code "" is the bare challenge.
func (a answer) refused(t testing.TB, status int, code, description string) {
	t.Helper()
	want := `Bearer realm="` + realm + `"`
	if code != "" {
		want += `, error="` + code + `", error_description="` + description + `"`
	}
	got := a.header.Get("WWW-Authenticate")
	if a.status != status || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `resource_metadata="`+metadata+`"`) {
		t.Errorf("%d %s, want %d %s…", a.status, got, status, want)
	}
	m := a.members(t)
	if said, _ := m["error"].(string); said != code {
		t.Errorf("body %s, want the error %q", a.body, code)
	}
	if said, _ := m["error_description"].(string); said != description {
		t.Errorf("body %s, want the description %q", a.body, description)
	}
	if cc := a.header.Get("Cache-Control"); cc != "no-store" {
		t.Errorf("Cache-Control %q", cc)
	}
}

// identity returns the ten headers of an answer, and fails where one isn't there
// exactly once.
func identityIn(t testing.TB, h http.Header) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, name := range identityHeaders {
		if len(h[name]) != 1 {
			t.Errorf("%s stands %d times: %q", name, len(h[name]), h[name])
		}
		got[name] = h.Get(name)
	}
	return got
}

// nobody is what the ten headers say of nobody.
func nobody() map[string]string {
	m := map[string]string{}
	for _, name := range identityHeaders {
		m[name] = ""
	}
	return m
}
