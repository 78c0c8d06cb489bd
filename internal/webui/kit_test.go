package webui_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/adminapi/openapitest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui"
)

// site is the pages on a server, over a real authority.
type site struct {
	*nodetest.Fixture
	url string
}

// newSite serves the pages. Ada is a user, and eve another.
func newSite(t *testing.T, o nodetest.Options, change ...func(*webui.Pages)) *site {
	t.Helper()
	f := nodetest.New(t, o)
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	origin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	p := &webui.Pages{
		SignIn: f.Authenticator, Issuance: f.Issuance, Revoker: f.Revoker, Directory: f.Directory, Explainer: f.Explainer,
		Status: f.Follower.Status, Policy: f.Settings.Policy, Now: f.Time,
		CrossOrigin: origin, Cookies: httpkit.NewCookies(nodetest.Issuer),
		SessionCookies: []string{"bearerd_session", "sessionid"}, Challenge: httpkit.Challenge{Realm: "test"},
	}
	for _, c := range change {
		c(p)
	}
	mux := http.NewServeMux()
	p.Register(mux)
	description, err := adminapi.Describe(adminapi.Sources{Issuer: nodetest.Issuer, Edges: []adminapi.Described{p}})
	if err != nil {
		t.Fatal(err)
	}
	description.Register(mux)
	document := openapitest.Load(t, description.JSON())
	document.CheckRoutes(mux)
	server := httptest.NewServer(document.Watch(mux))
	t.Cleanup(server.Close)
	return &site{Fixture: f, url: server.URL}
}

// browser is a client with cookies that doesn't follow redirects.
type browser struct {
	t    *testing.T
	site *site
	http *http.Client
}

func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, site: s, http: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signedIn is a browser in which somebody has signed in.
func (s *site) signedIn(t *testing.T, username, password string) *browser {
	t.Helper()
	b := s.browser(t)
	b.post("/auth/login", "username", username, "password", password).want(http.StatusSeeOther)
	return b
}

func (s *site) ada(t *testing.T) *browser { return s.signedIn(t, "ada", "correct horse") }

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   string
}

// with changes a request before it is sent.
type with func(*http.Request)

func header(name, value string) with { return func(r *http.Request) { r.Header.Set(name, value) } }

func (b *browser) get(path string, change ...with) *answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, "", change...)
}

// post sends a form of names and values.
func (b *browser) post(path string, pairs ...string) *answer {
	b.t.Helper()
	return b.do(http.MethodPost, path, form(pairs...), header("Content-Type", "application/x-www-form-urlencoded"))
}

func form(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(list, "&")
}

func (b *browser) do(method, path, body string, change ...with) *answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.site.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range change {
		c(r)
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return &answer{t: b.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: string(text)}
}

// cookie returns a cookie that the browser has.
func (b *browser) cookie(name string) string {
	b.t.Helper()
	u, err := url.Parse(b.site.url)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.http.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// want checks the status, and that the page holds texts.
func (a *answer) want(status int, texts ...string) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d:\n%s", a.what, a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			a.t.Errorf("%s: %q is missing in\n%s", a.what, text, a.body)
		}
	}
	return a
}

// without checks that the page holds none of the texts.
func (a *answer) without(texts ...string) {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			a.t.Errorf("%s: %q stands in\n%s", a.what, text, a.body)
		}
	}
}

// leads checks a redirect.
func (a *answer) leads(to string) {
	a.t.Helper()
	a.want(http.StatusSeeOther)
	if got := a.header.Get("Location"); got != to {
		a.t.Errorf("%s leads to %.100q, want %q", a.what, got, to)
	}
}

var apiToken = regexp.MustCompile(`(?:bda_|6879-)[0-9A-Za-z]{36}`)

// value returns the API token that a page shows.
func (a *answer) value() string {
	a.t.Helper()
	value := apiToken.FindString(a.body)
	if value == "" {
		a.t.Fatalf("%s shows no token:\n%s", a.what, a.body)
	}
	return value
}
