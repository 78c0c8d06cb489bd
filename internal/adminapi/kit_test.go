package adminapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/adminapi/openapitest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

const (
	cookie   = "bearerd_session"
	password = "correct horse"
	root     = "/auth/api/v1"
)

// site is the API over a real authority, with an administrator "root" and a user
// "ada". Every answer is held against the API description.
type site struct {
	*nodetest.Fixture
	t          *testing.T
	url        string
	admin, ada string // Bearer tokens
	adaID      string

	made, bound string // where the site is furnished: ids of a token and of a binding
}

func newSite(t *testing.T, change ...func(*adminapi.API)) *site {
	t.Helper()
	s := &site{Fixture: nodetest.New(t, nodetest.Options{}), t: t}
	s.User(t, "root", password, nodetest.Admin())
	s.adaID = s.User(t, "ada", password).ID
	s.admin = s.AccessToken(t, "root", password, identity.ScopeAdmin).Value.Reveal()
	s.ada = s.AccessToken(t, "ada", password).Value.Reveal()
	s.url = s.serve(change...).URL
	return s
}

func (s *site) serve(change ...func(*adminapi.API)) *httptest.Server {
	s.t.Helper()
	origin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	if err != nil {
		s.t.Fatal(err)
	}
	api := &adminapi.API{
		SignIn: s.Authenticator, Issuance: s.Issuance, Revoker: s.Revoker, Directory: s.Directory, Explainer: s.Explainer,
		Status: s.Follower.Status, Policy: s.Settings.Policy, Now: s.Time,
		CrossOrigin: origin, SessionCookies: []string{cookie},
		Challenge: httpkit.Challenge{Realm: "bearerd"},
	}
	for _, c := range change {
		c(api)
	}
	described, err := adminapi.Describe(adminapi.Sources{Issuer: nodetest.Issuer, Version: "test", Edges: []adminapi.Described{api}})
	if err != nil {
		s.t.Fatal(err)
	}
	mux := http.NewServeMux()
	api.Register(mux)
	described.Register(mux)
	document := openapitest.Load(s.t, described.JSON())
	document.CheckRoutes(mux)
	handler := document.Watch(mux)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := audit.WithOrigin(r.Context(), audit.Origin{Address: "192.0.2.1", RequestID: "r-1"})
		handler.ServeHTTP(w, r.WithContext(ctx))
	}))
	s.t.Cleanup(server.Close)
	return server
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// option changes a request before it is sent.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func bearer(token string) option { return header("Authorization", "Bearer "+token) }

func session(value string) option { return header("Cookie", cookie+"="+value) }

// send sends a request; a body is JSON unless an option says otherwise.
func (s *site) send(method, path, body string, options ...option) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, o := range options {
		o(r)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

// as sends a request of the API with a token.
func (s *site) as(token, method, path, body string) answer {
	s.t.Helper()
	return s.send(method, root+path, body, bearer(token))
}

// asAdmin sends a request of the API as the administrator, checks its status, and
// returns its body.
func (s *site) asAdmin(want int, method, path, body string) map[string]any {
	s.t.Helper()
	a := s.as(s.admin, method, path, body)
	a.is(s.t, want)
	return a.json(s.t)
}

// is checks the status, and the form of every refusal.
func (a answer) is(t *testing.T, want int) {
	t.Helper()
	if a.status != want {
		t.Fatalf("status %d, want %d: %s", a.status, want, a.body)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if want < 400 {
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := a.json(t)["status"]; got != float64(want) {
		t.Errorf("the problem's status is %v", got)
	}
	if challenged := a.header.Get("WWW-Authenticate") != ""; want == http.StatusUnauthorized && !challenged {
		t.Error("a 401 without a challenge")
	}
}

// detail is what a problem says.
func (a answer) detail(t *testing.T) string {
	t.Helper()
	text, _ := a.json(t)["detail"].(string)
	return text
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	if a.body == "" {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return m
}

// to returns what a member says, which must be a T.
func to[T any](t *testing.T, member any) T {
	t.Helper()
	v, ok := member.(T)
	if !ok {
		t.Fatalf("%v is a %T", member, member)
	}
	return v
}

// items returns a list's items and its next cursor.
func items(t *testing.T, m map[string]any) ([]map[string]any, string) {
	t.Helper()
	raw := to[[]any](t, m["items"])
	var all []map[string]any
	for _, item := range raw {
		all = append(all, to[map[string]any](t, item))
	}
	next, _ := m["next"].(string)
	return all, next
}
