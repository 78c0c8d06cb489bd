package specify_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/bearerd/bearerd/internal/dialect/specify"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

const (
	password    = "correct horse"
	formType    = "application/x-www-form-urlencoded"
	tokenPath   = "/accounts/token/"
	revPath     = "/accounts/token/revoke/"
	refreshPath = "/accounts/token/refresh/"
	loginPath   = "/context/login/"
)

// site is the dialect over a real authority: collections 4 and 5, "ada" who has
// access to 4, and "root" who may do everything. Every answer is held against the
// API description.
type site struct {
	*nodetest.Fixture
	*specify.Dialect
	t   *testing.T
	url string
}

func newSite(t *testing.T, options nodetest.Options) *site {
	t.Helper()
	f := nodetest.New(t, options)
	f.Collection(t, 4, "KU Fish Voucher Collection")
	f.Collection(t, 5, "KU Herpetology")
	f.User(t, "ada", password, nodetest.May("access", "/collections/4"))
	f.User(t, "root", password, nodetest.Admin())
	s := &site{Fixture: f, t: t, Dialect: &specify.Dialect{
		SignIn: f.Authenticator, Issuance: f.Issuance, Revoker: f.Revoker, Directory: f.Directory, Login: true, CrossOrigin: edgetest.CrossOrigin(t), Cookies: httpkit.NewCookies(nodetest.Issuer),
		SessionCookies: []string{specify.SessionCookie}, Challenge: httpkit.Challenge{Realm: "bearerd"},
	}}
	s.url = edgetest.Serve(t, f.Time, s.Dialect).URL
	return s
}

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	body    string
	cookies map[string]*http.Cookie
}

type option = edgetest.Option

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func bearer(token string) option { return edgetest.Bearer(token) }

func jsonBody() option { return header("Content-Type", "application/json") }

// csrf adds a CSRF token to a request and, where there is one, a session.
func csrf(session string) option {
	const value = "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	return func(r *http.Request) {
		r.Header.Set("X-CSRFToken", value)
		r.Header.Set("Cookie", "csrftoken="+value+"; sessionid="+session)
	}
}

func (s *site) send(method, path, body string, options ...option) answer {
	s.t.Helper()
	return send(s.t, method, s.url+path, body, options...)
}

// send sends a request; a body is a form unless an option says otherwise.
func send(t *testing.T, method, address, body string, options ...option) answer {
	t.Helper()
	to := edgetest.At(t, address)
	to.Type = formType
	a := to.Do(t, method, "", body, options...)
	return answer{a.Status, a.Header, a.Body, a.Cookies()}
}

// form writes parameters given as name, value, name, value.
func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

// is checks the status, and of a refusal that no cache keeps it and that it sets
// no cookie.
func (a answer) is(t *testing.T, want int) {
	t.Helper()
	if a.status != want {
		t.Fatalf("status %d, want %d: %s", a.status, want, a.body)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", a.header.Get("Cache-Control"))
	}
	if want >= 400 && len(a.cookies) > 0 {
		t.Errorf("a refusal sets cookies: %v", a.cookies)
	}
	if challenged := a.header.Get("WWW-Authenticate") != ""; want == http.StatusUnauthorized && !challenged {
		t.Error("a 401 without a challenge")
	}
}
