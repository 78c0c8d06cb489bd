package senaite_test

import (
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/revoking"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/adminapi/openapitest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/dialect/dialecttest"
	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

var update = flag.Bool("update", false, "write the conversations anew")

const (
	password = "correct horse"
	prefix   = senaite.DefaultPrefix
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// site is the dialect on a real authority, behind a real listener. Ada is an
// analyst, Root an administrator; everybody has the same password.
type site struct {
	*nodetest.Fixture
	t   testing.TB
	url string
}

func newSite(t testing.TB, configure ...func(*senaite.Dialect)) *site {
	t.Helper()
	return newSiteWith(t, nodetest.Options{}, configure...)
}

func newSiteWith(t testing.TB, o nodetest.Options, configure ...func(*senaite.Dialect)) *site {
	t.Helper()
	f := nodetest.New(t, o)
	crossOrigin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	d := &senaite.Dialect{
		SignIn: f.Authenticator, Issuance: f.Issuance, Revoker: f.Revoker, Directory: f.Directory, Issuer: nodetest.Issuer, Now: f.Time, Cookies: httpkit.NewCookies(nodetest.Issuer), CrossOrigin: crossOrigin,
		SessionCookies: []string{"bearerd_session"}, Challenge: httpkit.Challenge{Realm: nodetest.Issuer},
	}
	for _, c := range configure {
		c(d)
	}
	f.User(t, "ada", password, nodetest.May("read", "/samples"))
	f.User(t, "root", password, nodetest.Admin())
	return &site{Fixture: f, t: t, url: serve(t, d)}
}

// serve mounts a dialect on a server of its own, watched for answering as it is
// described, and gives the server's address.
func serve(t testing.TB, d *senaite.Dialect) string {
	t.Helper()
	described, err := adminapi.Describe(adminapi.Sources{Issuer: nodetest.Issuer, Version: "test", Edges: []adminapi.Described{d}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	d.Register(mux)
	described.Register(mux)
	document := openapitest.Load(t, described.JSON())
	document.CheckRoutes(mux)
	watched := document.Watch(mux)
	observer := httpkit.NewObserver(httpkit.ObserverConfig{Logger: slog.New(slog.DiscardHandler), Now: d.Now})
	server := httptest.NewServer(observer.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched.ServeHTTP(w, r.WithContext(audit.WithOrigin(r.Context(), audit.Origin{Address: "192.0.2.1", RequestID: "r-1"})))
	})))
	t.Cleanup(server.Close)
	return server.URL
}

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	text    string
	cookies map[string]*http.Cookie
}

// decode reads the body of an answer.
func decode[T any](t testing.TB, a answer) (body T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.text), &body); err != nil {
		t.Fatalf("%q: %v", a.text, err)
	}
	return body
}

// refusal is the body of a refusal.
type refusal struct {
	Success bool
	Message string
}

// option changes a request.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func bearer(token string) option { return header("Authorization", "Bearer "+token) }

func basic(name, pass string) option {
	return func(r *http.Request) { r.SetBasicAuth(name, pass) }
}

func cookie(token string) option {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "token", Value: token}) }
}

func jwtHeader(token string) option { return header("X-JWT-Auth-Token", token) }

func contentType(value string) option {
	return func(r *http.Request) { r.Header.Set("Content-Type", value) }
}

var foreign = []option{header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example")}

// do sends a request to a path beneath the prefix; a body is a form where no option
// says otherwise.
func (s *site) do(method, path, body string, options ...option) answer {
	s.t.Helper()
	return s.doAt(prefix, method, path, body, options...)
}

// doAt is do beneath another prefix.
func (s *site) doAt(at, method, path, body string, options ...option) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+at+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", typeForm)
	}
	for _, o := range options {
		o(r)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{response.StatusCode, response.Header, string(text), map[string]*http.Cookie{}}
	for _, c := range response.Cookies() {
		a.cookies[c.Name] = c
	}
	return a
}

// session is one of bearerd's own pages.
func (s *site) session(name string) option {
	s.t.Helper()
	value := s.SessionToken(s.t, name, password).Value.Reveal()
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "bearerd_session", Value: value}) }
}

// form is the body of a login.
func form(name, pass string) string {
	return url.Values{"__ac_name": {name}, "__ac_password": {pass}}.Encode()
}

// loggedIn is the answer to a login.
type loggedIn struct {
	URL     string
	Count   int
	Items   []user
	Token   string
	Expires int64
	Runtime *float64 `json:"_runtime"`
}

type user struct {
	Username, FullName, Email string
	Roles, Groups             []string
	Authenticated             bool
	URL                       string `json:"api_url"`
}

// listing is a page of users.
type listing struct {
	Count, PageSize, Page, Pages int
	Next, Previous               *string
	Items                        []user
}

func (l listing) names() []string {
	names := []string{}
	for _, u := range l.Items {
		names = append(names, u.Username)
	}
	return names
}

// login returns a token for a password, which must succeed.
func (s *site) login(name string) string {
	s.t.Helper()
	a := s.do("POST", "/login", form(name, password))
	if a.status != http.StatusOK {
		s.t.Fatalf("logging in: %d %s", a.status, a.text)
	}
	return decode[loggedIn](s.t, a).Token
}

// revoked is a token of ada's that was revoked.
func (s *site) revoked() string {
	s.t.Helper()
	raw := s.AccessToken(s.t, "ada", password).Value.Reveal()
	if _, err := s.Revoke(s.t.Context(), caller.Operator(), revoking.Revocation{Token: raw}); err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// alive reports whether a token authenticates still.
func (s *site) alive(token string) bool {
	s.t.Helper()
	return s.do("GET", "/auth", "", bearer(token)).status == http.StatusOK
}

// refused checks a refusal: its status, its shape, and that nobody keeps it.
func (a answer) refused(t testing.TB, what string, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: %d %s, want %d", what, a.status, a.text, status)
		return
	}
	if got := decode[refusal](t, a); got.Success || got.Message == "" || a.header.Get("Content-Type") != typeJSON {
		t.Errorf("%s: %v %s", what, a.header, a.text)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %v", what, a.header)
	}
	if status == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%s: no challenge", what)
	}
	if c := a.cookies["token"]; c != nil && c.MaxAge >= 0 {
		t.Errorf("%s: sets %v", what, c)
	}
}

// TestConversations holds whole conversations against testdata/*.txtar.
func TestConversations(t *testing.T) {
	t.Parallel()
	dialecttest.Play(t, *update, func(t *testing.T) dialecttest.Stage {
		t.Helper()
		s := newSite(t)
		return dialecttest.Stage{URL: s.url, Acts: map[string]func(){
			"two hours pass": func() { s.Advance(2 * time.Hour) },
		}}
	})
}
