package senaite_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/revoking"

	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

var update = flag.Bool("update", false, "write the conversations again")

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
	d := &senaite.Dialect{
		SignIn: f.Authenticator, Issuance: f.Issuance, Revoker: f.Revoker, Directory: f.Directory, Issuer: nodetest.Issuer, Now: f.Time, Cookies: httpkit.NewCookies(nodetest.Issuer), CrossOrigin: edgetest.CrossOrigin(t),
		SessionCookies: []string{"bearerd_session"}, Challenge: httpkit.Challenge{Realm: nodetest.Issuer},
	}
	for _, c := range configure {
		c(d)
	}
	f.User(t, "ada", password, nodetest.May("read", "/samples"))
	f.User(t, "root", password, nodetest.Admin())
	return &site{Fixture: f, t: t, url: edgetest.Serve(t, f.Time, d).URL}
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

type option = edgetest.Option

func header(name, value string) option { return edgetest.Header(name, value) }

func bearer(token string) option { return edgetest.Bearer(token) }

func basic(name, pass string) option {
	return func(r *http.Request) { r.SetBasicAuth(name, pass) }
}

func cookie(token string) option { return edgetest.Cookie("token", token) }

func jwtHeader(token string) option { return header("X-JWT-Auth-Token", token) }

func contentType(value string) option { return edgetest.Type(value) }

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
	to := edgetest.At(s.t, s.url)
	to.Type = typeForm
	a := to.Do(s.t, method, at+path, body, options...)
	return answer{a.Status, a.Header, a.Body, a.Cookies()}
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

// alive reports whether a token still authenticates.
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
	edgetest.Play(t, *update, func(t *testing.T) edgetest.Stage {
		t.Helper()
		s := newSite(t)
		return edgetest.Stage{URL: s.url, Acts: map[string]func(){
			"two hours pass": func() { s.Advance(2 * time.Hour) },
		}}
	})
}
