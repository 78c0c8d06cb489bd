package server_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/server"
)

// newRouted runs own endpoints, the gateway's, and a proxied application.
func newRouted(t *testing.T) *running {
	t.Helper()
	return run(t, server.Config{
		Edges: []server.Edge{
			dialect{edge{"POST /accounts/token/": says("issued"), "GET /things/{id}": says("thing")}, []string{"/accounts/token", "/things/{id}"}},
			edge{"GET /auth/me": says("me"), "GET /auth/users/{id}/x": says("user"), "POST /oauth2/token": says("token"), "GET /.well-known/jwks.json": says("keys")},
		},
		Gateway: []server.Edge{edge{"/auth/verify": says("verified"), "/": says("the application")}},
	})
}

func TestRequestsFindTheirEdge(t *testing.T) {
	t.Parallel()
	r := newRouted(t)
	for _, c := range []struct{ method, path, want string }{
		{http.MethodPost, "/accounts/token/", "issued"},
		{http.MethodGet, "/auth/me", "me"},
		{http.MethodGet, "/auth/users/4/x", "user"},
		{http.MethodGet, "/auth/verify", "verified"},
		{http.MethodPatch, "/auth/verify", "verified"},
		{http.MethodGet, "/", "the application"},
		{http.MethodDelete, "/authors", "the application"},
		{http.MethodGet, "/auth", "the application"},
		{http.MethodGet, "/.well-known/security.txt", "the application"},
		{http.MethodGet, "/.well-known/jwks.jsonp", "the application"},
		{http.MethodPost, "/oauth2", "the application"},
		{http.MethodGet, "/things/Fish", "thing"},
		{http.MethodPost, "/things/Fish", "the application"},
		{http.MethodGet, "/things/Fish/parts", "the application"},
		{http.MethodGet, "/accounts/token/", "the application"},
		{http.MethodOptions, "/accounts/token/", "the application"},
		{http.MethodGet, "/accounts", "the application"},
		{http.MethodPost, "/some/where?x=y", "the application"},
	} {
		if a := r.Do(t, c.method, c.path, ""); a.Status != http.StatusOK || a.Body != c.want {
			t.Errorf("%s %s: %d %q", c.method, c.path, a.Status, a.Body)
		}
	}
}

// TestApplicationTakesNoEndpoint: a method that an endpoint of bearerd's own doesn't serve
// is not the proxied application's either.
func TestApplicationTakesNoEndpoint(t *testing.T) {
	t.Parallel()
	r := newRouted(t)
	for _, c := range []struct{ method, path, allow string }{
		{http.MethodGet, "/oauth2/token", "POST"},
		{http.MethodOptions, "/oauth2/token", "POST"},
		{http.MethodPost, "/auth/me", "GET, HEAD"},
		{"NONSENSE", "/auth/me", "GET, HEAD"},
	} {
		a := r.Do(t, c.method, c.path, "")
		body := a.Is(http.StatusMethodNotAllowed).Problem()
		if a.Header.Get("Allow") != c.allow || body["code"] != "method_not_allowed" {
			t.Errorf("%s %s: Allow %q, %s", c.method, c.path, a.Header.Get("Allow"), a.Body)
		}
	}
}

func TestOwnAnswersHaveSecurityHeadersAndOthersNot(t *testing.T) {
	t.Parallel()
	r := newRouted(t)
	for path, want := range map[string]bool{"/auth/me": true, "/auth/verify": false, "/app": false} {
		h := r.Get(t, path).Header
		for _, name := range []string{"X-Content-Type-Options", "Content-Security-Policy", "X-Frame-Options", "Referrer-Policy"} {
			if got := h.Get(name) != ""; got != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
}

func TestWhatNobodyServesIsAProblem(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{
		Edges:   []server.Edge{edge{"GET /auth/me": says("me")}},
		Gateway: []server.Edge{edge{"GET /auth/verify": says("verified")}},
	})
	for _, path := range []string{"/", "/auth", "/auth/mee", "/auth//nothing", "/auth/../nothing", "/%00", "/auth/me/"} {
		if body := r.Get(t, path).Is(http.StatusNotFound).Problem(); body["code"] != "not_found" {
			t.Errorf("%s: %v", path, body)
		}
	}
	if a := r.Do(t, http.MethodPost, "/auth/verify", ""); a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow %q", a.Header.Get("Allow"))
	}
	for _, path := range []string{"/x/..//auth/me", "/AUTH/me", "/auth%2Fverify"} {
		body := r.Get(t, path).Is(http.StatusNotFound).Problem()
		if detail, _ := body["detail"].(string); !strings.Contains(detail, "did you mean /auth/") {
			t.Errorf("%s: %v", path, body)
		}
	}
}

// TestUncleanPathIsTheApplicationsAsItWasSent: a redirect would make a client ask
// for something else than it did, before anybody has judged it.
func TestUncleanPathIsTheApplicationsAsItWasSent(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{
		Edges: []server.Edge{edge{"GET /auth/me": says("me")}},
		Gateway: []server.Edge{edge{"/auth/verify": says("verified"), "/": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "application "+r.URL.EscapedPath()+" "+r.Pattern)
		}}},
	})
	for _, path := range []string{"/a//b", "/a/../b", "//authors", "/a/./me", "/x/%2e%2e//y", "/a;/b", "/a/b/.."} {
		if a := r.Get(t, path); a.Status != http.StatusOK || a.Body != "application "+path+" /" {
			t.Errorf("%s: %d %q", path, a.Status, a.Body)
		}
	}
	for path, want := range map[string]string{"/auth/me": "me", "/auth/verify": "verified"} {
		if a := r.Get(t, path); a.Body != want {
			t.Errorf("%s: %q", path, a.Body)
		}
	}
}

// exact is an edge that is found without a search.
type exact struct{ edge }

func (e exact) Exact() (string, http.Handler) { return "/auth/verify", e.edge["/auth/verify"] }

func TestExactEdgeIsServedAsAMuxWould(t *testing.T) {
	t.Parallel()
	pattern := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Pattern) }
	r := run(t, server.Config{Gateway: []server.Edge{
		exact{edge{"/auth/verify": pattern}}, edge{"/": says("application")},
	}})
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, "NONSENSE"} {
		if a := r.Do(t, method, "/auth/verify?a=b", ""); a.Body != "/auth/verify" {
			t.Errorf("%s: %q", method, a.Body)
		}
	}
	if a := r.Get(t, "/auth/%76erify"); a.Body != "/auth/verify" {
		t.Errorf("by another spelling: %q", a.Body)
	}
	if a := r.Get(t, "/auth/verify/"); a.Status != http.StatusNotFound {
		t.Errorf("with a slash: %d %q", a.Status, a.Body)
	}
	if a := r.Get(t, "/auth%2Fverify"); a.Status != http.StatusNotFound {
		t.Errorf("with an escaped slash: %d %q", a.Status, a.Body)
	}
	eventually(t, "the metric of the route", func() bool {
		return r.metric(t, `bearerd_http_request_duration_seconds_count{code="200",route="/auth/verify"}`) == "5"
	})
}

// TestConnectMakesNoRoute: of a CONNECT a mux would take the path for the pattern.
func TestConnectMakesNoRoute(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Edges: []server.Edge{edge{"/a/{x}/": says("a")}}})
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("CONNECT /a/evil HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusNotFound {
		t.Fatalf("%v, %v", res, err)
	}
	_ = res.Body.Close()
	if text := r.ops.Get(t, "/metrics").Body; strings.Contains(text, "evil") {
		t.Error("a client's path became a label")
	}
}

func TestPanicIsAProblemAndTheServerGoesOn(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Edges: []server.Edge{edge{
		"GET /panic": func(http.ResponseWriter, *http.Request) { panic("a secret") },
		"GET /after": says("well"),
		"GET /half": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 64<<10))
			panic("half way")
		},
	}}})
	a := r.Get(t, "/panic")
	body := a.Is(http.StatusInternalServerError).Problem()
	if strings.Contains(a.Body, "secret") || a.Header.Get("X-Request-Id") != body["request_id"] {
		t.Errorf("answered %v %s", a.Header, a.Body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/half", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := r.Try(t, req); err == nil {
		t.Errorf("half an answer was taken for a whole one: %d", a.Status)
	}
	if a := r.Get(t, "/after"); a.Body != "well" {
		t.Errorf("afterwards: %d %s", a.Status, a.Body)
	}
	if log := r.log.String(); !strings.Contains(log, "a secret") || !strings.Contains(log, "mount_test.go") {
		t.Error("the log does not have the panic with its stack")
	}
}

func TestOriginReachesTheAuditLog(t *testing.T) {
	t.Parallel()
	origin := func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(audit.OriginOf(r.Context()))
	}
	c := server.Config{
		Proxies: httpkit.Proxies{netip.MustParsePrefix("127.0.0.0/8")},
		Edges:   []server.Edge{edge{"GET /own": origin}}, Gateway: []server.Edge{edge{"/": origin}},
	}
	r := run(t, c)
	for _, path := range []string{"/own", "/other"} {
		a := r.Get(t, path, edgetest.Header("X-Forwarded-For", "192.0.2.7"), edgetest.Header("X-Request-Id", "abc-1"), edgetest.Header("User-Agent", "a browser"))
		if want := `{"Address":"192.0.2.7","RequestID":"abc-1","Agent":"a browser"}` + "\n"; a.Body != want {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
}

func TestLogTellsTheRouteAndNeverTheQuery(t *testing.T) {
	t.Parallel()
	r := newRouted(t)
	r.Get(t, "/auth/users/4/x?token=very-secret")
	eventually(t, "the log event", func() bool { return strings.Contains(r.log.String(), `"route":"GET /auth/users/{id}/x"`) })
	if strings.Contains(r.log.String(), "very-secret") {
		t.Error("the query is in the log")
	}
}

func TestPreflightIsAnsweredForEveryPathOfOurs(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{
		CORS:    []string{"https://app.example.org"},
		Edges:   []server.Edge{edge{"POST /own": says("own")}},
		Gateway: []server.Edge{edge{"/": says("the application")}},
	})
	if a := r.Do(t, http.MethodOptions, "/app", "", edgetest.Header("Origin", "https://app.example.org"), edgetest.Header("Access-Control-Request-Method", "POST")); a.Body != "the application" {
		t.Errorf("/app: %d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/own", "/auth/nothing"} {
		a := r.Do(t, http.MethodOptions, path, "", edgetest.Header("Origin", "https://app.example.org"), edgetest.Header("Access-Control-Request-Method", "POST"))
		if a.Status != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Headers") != "authorization, content-type" ||
			a.Header.Get("Access-Control-Allow-Origin") != "https://app.example.org" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, a.Status, a.Header)
		}
		a = r.Do(t, http.MethodOptions, path, "", edgetest.Header("Origin", "https://evil.example.org"), edgetest.Header("Access-Control-Request-Method", "POST"))
		if a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: another origin: %v", path, a.Header)
		}
	}
}

// A public document is for every origin: neither a list of origins nor an application
// behind comes between.
func TestPublicDocumentAnswersThePreflightOfEveryOriginItself(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{
		CORS:    []string{"https://app.example.org"},
		Edges:   []server.Edge{public{}},
		Gateway: []server.Edge{edge{"/": says("the application")}},
	})
	for _, origin := range []string{"https://app.example.org", "https://other.example.org"} {
		a := r.Do(t, http.MethodOptions, "/public/a", "", edgetest.Header("Origin", origin), edgetest.Header("Access-Control-Request-Method", "GET"))
		if a.Status != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Headers") != "*, authorization" ||
			a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Body != "" {
			t.Errorf("a preflight from %s: %d %v %s", origin, a.Status, a.Header, a.Body)
		}
		a = r.Get(t, "/public/a", edgetest.Header("Origin", origin))
		if got := a.Header.Values("Access-Control-Allow-Origin"); a.Body != "public" || len(got) != 1 || got[0] != "*" {
			t.Errorf("from %s: %d %v %s", origin, a.Status, a.Header, a.Body)
		}
	}
}

// public is an edge with a public document.
type public struct{}

func (public) Register(mux *http.ServeMux) {
	httpkit.HandlePublic(mux, "/public/{path...}", says("public"))
}

func TestInnerListenerShowsItsOwnEdgesAlone(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{
		Edges: []server.Edge{edge{"GET /main": says("main")}},
		Inner: []server.Inner{{Listen: "127.0.0.1:0", Edges: []server.Edge{edge{"GET /inner": says("inner")}}}},
	})
	inner := edgetest.At(t, "http://"+r.InnerAddr(0).String())
	if a := inner.Get(t, "/inner"); a.Body != "inner" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	inner.Get(t, "/main").Is(http.StatusNotFound).Problem()
	r.Get(t, "/inner").Is(http.StatusNotFound).Problem()
}

func TestHeadersOfEightKiBPassAndHugeOnesNot(t *testing.T) {
	t.Parallel()
	r := newRouted(t)
	if a := r.Get(t, "/auth/me", edgetest.Bearer(strings.Repeat("a", 9<<10)), edgetest.Header("Cookie", strings.Repeat("c", 16<<10))); a.Status != http.StatusOK {
		t.Errorf("a long token: %d", a.Status)
	}
	if a := r.Get(t, "/auth/me", edgetest.Header("X", strings.Repeat("a", 256<<10))); a.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a huge header: %d", a.Status)
	}
}

// probe asks about every path, when a request says so.
type probe struct{}

func (probe) Asks(r *http.Request, path string) bool { return r.Header.Get("Probe") == path }
func (probe) Reached(w http.ResponseWriter)          { w.WriteHeader(http.StatusNoContent) }

// TestAProbeAnswersWhereEndpointsAre: what leads to the application, or to nothing, isn't
// said to lead to an endpoint, and an endpoint that is asked about isn't called.
func TestAProbeAnswersWhereEndpointsAre(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{
		Issuer:  "https://auth.example.org/sso",
		Probe:   probe{},
		Edges:   []server.Edge{dialect{edge{"POST /accounts/token": says("issued")}, []string{"/accounts/token"}}},
		Gateway: []server.Edge{edge{"/": says("the application")}},
	})
	for _, c := range []struct {
		path, probe string
		status      int
		body        string
	}{
		{"/accounts/token", "/accounts/token", http.StatusNoContent, ""},
		{"/sso/accounts/token", "/accounts/token", http.StatusNoContent, ""},
		{"/accounts/token", "/accounts", http.StatusOK, "the application"},
		{"/accounts", "/accounts", http.StatusOK, "the application"},
		{"/accounts/token", "", http.StatusOK, "the application"},
	} {
		a := r.Do(t, http.MethodGet, c.path, "", edgetest.Header("Probe", c.probe))
		if a.Status != c.status || a.Body != c.body {
			t.Errorf("%s, asked about %q: %d %q, want %d %q", c.path, c.probe, a.Status, a.Body, c.status, c.body)
		}
	}
}
