package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/oauth"
)

// env is the endpoints on a real authority, behind a real listener.
type env struct {
	*nodetest.Fixture
	http *edgetest.Site
}

const cacheTime = 5 * time.Minute

func newEnv(t testing.TB, o nodetest.Options) *env {
	t.Helper()
	return serve(t, nodetest.New(t, o))
}

func serve(t testing.TB, f *nodetest.Fixture, change ...func(*oauth.Edge)) *env {
	t.Helper()
	edge := newEdge(f)
	for _, c := range change {
		c(edge)
	}
	return &env{Fixture: f, http: edgetest.Serve(t, f.Time, edge)}
}

func newEdge(f *nodetest.Fixture) *oauth.Edge {
	return &oauth.Edge{
		SignIn: f.Authenticator, ClientAuth: f.ClientAuth, Issuance: f.Issuance, Flows: f.Flows, Assertions: f.Assertions, Revoker: f.Revoker, Verifier: f.Verifier,
		Applied: f.Ledger.Applied, JWKS: f.JWKS, SignedBy: f.Algorithms, Quota: f.Quota, Now: f.Time,
		Site: oauth.Site{
			Issuer: f.Settings.Policy.Issuer, DefaultAudience: f.Settings.Policy.DefaultAudience,
			Scopes: f.Settings.Policy.Scopes, Staleness: f.Settings.Staleness,
		},
		CacheTime: cacheTime,
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any // nil when it is no JSON object
}

type option = edgetest.Option

func asBearer(token string) option { return edgetest.Bearer(token) }

func asBasic(id, secret string) option { return edgetest.Basic(id, secret) }

func asClient(id string) option { return asBasic(id, nodetest.ClientSecret) }

func withHeader(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

const typeForm = "application/x-www-form-urlencoded"

func (e *env) do(t testing.TB, method, path, body string, options ...option) answer {
	t.Helper()
	got := e.http.Do(t, method, path, body, options...)
	a := answer{status: got.Status, header: got.Header, text: got.Body}
	_ = json.Unmarshal([]byte(got.Body), &a.body)
	return a
}

func (e *env) get(t testing.TB, path string, options ...option) answer {
	t.Helper()
	return e.do(t, http.MethodGet, path, "", options...)
}

// post sends a form, written as it is to be sent.
func (e *env) post(t testing.TB, path, form string, options ...option) answer {
	t.Helper()
	return e.do(t, http.MethodPost, path, form, append([]option{withHeader("Content-Type", typeForm)}, options...)...)
}

// form writes parameters, given as name and value in turn.
func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

// refused checks an OAuth error: status, code, that nothing may be cached, and that
// a reason is given in the characters that RFC 6749 §5.2 allows.
func (a answer) refused(t testing.TB, status int, code string) {
	t.Helper()
	if a.status != status || a.body["error"] != code {
		t.Errorf("answered %d %v, want %d %s", a.status, a.text, status, code)
	}
	description, ok := a.body["error_description"].(string)
	if !ok || description == "" || strings.ContainsFunc(description, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		t.Errorf("error_description is %q", description)
	}
	a.uncached(t)
	if challenge := a.header.Get("WWW-Authenticate"); status == http.StatusUnauthorized && challenge == "" {
		t.Error("a 401 without a challenge")
	}
}

func (a answer) uncached(t testing.TB) {
	t.Helper()
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
}

func (a answer) ok(t testing.TB) answer {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	return a
}

// str returns a member that must be a string.
func (a answer) str(t testing.TB, name string) string {
	t.Helper()
	s, ok := a.body[name].(string)
	if !ok {
		t.Fatalf("%s is %v in %s", name, a.body[name], a.text)
	}
	return s
}

// clientToken gets a token for a client.
func (e *env) clientToken(t testing.TB, id string, pairs ...string) string {
	t.Helper()
	pairs = append([]string{"grant_type", "client_credentials"}, pairs...)
	return e.post(t, "/oauth2/token", form(pairs...), asClient(id)).ok(t).str(t, "access_token")
}

// addClient makes a client as it is described.
func (e *env) addClient(t testing.TB, n identity.NewClient) {
	t.Helper()
	if _, _, err := e.CreateClient(t.Context(), caller.Operator(), n, false); err != nil {
		t.Fatal(err)
	}
}
