package specify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/adminapi/openapitest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/dialect/specify"
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
	origin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Fixture: f, t: t, Dialect: &specify.Dialect{
		SignIn: f.Authenticator, Issuance: f.Issuance, Revoker: f.Revoker, Directory: f.Directory, Login: true, CrossOrigin: origin, Cookies: httpkit.NewCookies(nodetest.Issuer),
		SessionCookies: []string{specify.SessionCookie}, Challenge: httpkit.Challenge{Realm: "bearerd"},
	}}
	s.url = serve(t, s.Dialect)
	return s
}

// serve mounts a dialect on a server of its own and gives the server's address.
func serve(t *testing.T, d *specify.Dialect) string {
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
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched.ServeHTTP(w, r.WithContext(audit.WithOrigin(r.Context(), audit.Origin{Address: "192.0.2.1", RequestID: "r-1"})))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	body    string
	cookies map[string]*http.Cookie
}

// option changes a request before it is sent.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func bearer(token string) option { return header("Authorization", "Bearer "+token) }

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
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", formType)
	}
	for _, o := range options {
		o(r)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{res.StatusCode, res.Header, string(text), map[string]*http.Cookie{}}
	for _, c := range res.Cookies() {
		a.cookies[c.Name] = c
	}
	return a
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
