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
		if a := r.do(t, c.method, r.url+c.path); a.status != http.StatusOK || a.text != c.want {
			t.Errorf("%s %s: %d %q", c.method, c.path, a.status, a.text)
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
		a := r.do(t, c.method, r.url+c.path)
		body := a.problem(t, http.StatusMethodNotAllowed)
		if a.header.Get("Allow") != c.allow || body["code"] != "method_not_allowed" {
			t.Errorf("%s %s: Allow %q, %s", c.method, c.path, a.header.Get("Allow"), a.text)
		}
	}
}

func TestOwnAnswersHaveSecurityHeadersAndOthersNot(t *testing.T) {
	t.Parallel()
	r := newRouted(t)
	for path, want := range map[string]bool{"/auth/me": true, "/auth/verify": false, "/app": false} {
		h := r.get(t, path).header
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
		if body := r.get(t, path).problem(t, http.StatusNotFound); body["code"] != "not_found" {
			t.Errorf("%s: %v", path, body)
		}
	}
	if a := r.do(t, http.MethodPost, r.url+"/auth/verify"); a.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow %q", a.header.Get("Allow"))
	}
	for _, path := range []string{"/x/..//auth/me", "/AUTH/me", "/auth%2Fverify"} {
		body := r.get(t, path).problem(t, http.StatusNotFound)
		if detail, _ := body["detail"].(string); !strings.Contains(detail, "did you mean /auth/") {
			t.Errorf("%s: %v", path, body)
		}
	}
}

// TestUncleanPathIsTheApplicationsAsItWasSent: a redirect would tell a client to ask
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
		if a := r.get(t, path); a.status != http.StatusOK || a.text != "application "+path+" /" {
			t.Errorf("%s: %d %q", path, a.status, a.text)
		}
	}
	for path, want := range map[string]string{"/auth/me": "me", "/auth/verify": "verified"} {
		if a := r.get(t, path); a.text != want {
			t.Errorf("%s: %q", path, a.text)
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
		if a := r.do(t, method, r.url+"/auth/verify?a=b"); a.text != "/auth/verify" {
			t.Errorf("%s: %q", method, a.text)
		}
	}
	if a := r.get(t, "/auth/%76erify"); a.text != "/auth/verify" {
		t.Errorf("by another spelling: %q", a.text)
	}
	if a := r.get(t, "/auth/verify/"); a.status != http.StatusNotFound {
		t.Errorf("with a slash: %d %q", a.status, a.text)
	}
	if a := r.get(t, "/auth%2Fverify"); a.status != http.StatusNotFound {
		t.Errorf("with an escaped slash: %d %q", a.status, a.text)
	}
	eventually(t, "the metric of the route", func() bool {
		return r.metric(t, `bearerd_http_request_duration_seconds_count{route="/auth/verify"}`) == "5"
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
	if text := r.do(t, http.MethodGet, r.ops+"/metrics").text; strings.Contains(text, "evil") {
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
	a := r.get(t, "/panic")
	body := a.problem(t, http.StatusInternalServerError)
	if strings.Contains(a.text, "secret") || a.header.Get("X-Request-Id") != body["request_id"] {
		t.Errorf("answered %v %s", a.header, a.text)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/half", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := r.send(req); err == nil {
		t.Errorf("half an answer was taken for a whole one: %d", a.status)
	}
	if a := r.get(t, "/after"); a.text != "well" {
		t.Errorf("afterwards: %d %s", a.status, a.text)
	}
	if log := r.log.String(); !strings.Contains(log, "a secret") || !strings.Contains(log, "mount_test.go") {
		t.Error("the log does not tell of the panic with its stack")
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
		a := r.get(t, path, "X-Forwarded-For", "192.0.2.7", "X-Request-Id", "abc-1")
		if want := `{"Address":"192.0.2.7","RequestID":"abc-1"}` + "\n"; a.text != want {
			t.Errorf("%s: %s", path, a.text)
		}
	}
}

func TestLogTellsTheRouteAndNeverTheQuery(t *testing.T) {
	t.Parallel()
	r := newRouted(t)
	r.get(t, "/auth/users/4/x?token=very-secret")
	eventually(t, "the log event", func() bool { return strings.Contains(r.log.String(), `"route":"GET /auth/users/{id}/x"`) })
	if strings.Contains(r.log.String(), "very-secret") {
		t.Error("the query is in the log")
	}
}

func TestPreflightIsAnsweredForEveryPath(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{
		CORS:    []string{"https://app.example.org"},
		Edges:   []server.Edge{edge{"POST /own": says("own")}},
		Gateway: []server.Edge{edge{"/": says("the application")}},
	})
	for _, path := range []string{"/own", "/app"} {
		a := r.do(t, http.MethodOptions, r.url+path, "Origin", "https://app.example.org", "Access-Control-Request-Method", "POST")
		if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Headers") != "authorization, content-type" ||
			a.header.Get("Access-Control-Allow-Origin") != "https://app.example.org" || a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		a = r.do(t, http.MethodOptions, r.url+path, "Origin", "https://evil.example.org", "Access-Control-Request-Method", "POST")
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: another origin: %v", path, a.header)
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
		a := r.do(t, http.MethodOptions, r.url+"/public/a", "Origin", origin, "Access-Control-Request-Method", "GET")
		if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Headers") != "*, authorization" ||
			a.header.Get("Access-Control-Allow-Origin") != "*" || a.text != "" {
			t.Errorf("a preflight from %s: %d %v %s", origin, a.status, a.header, a.text)
		}
		a = r.do(t, http.MethodGet, r.url+"/public/a", "Origin", origin)
		if got := a.header.Values("Access-Control-Allow-Origin"); a.text != "public" || len(got) != 1 || got[0] != "*" {
			t.Errorf("from %s: %d %v %s", origin, a.status, a.header, a.text)
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
	inner := "http://" + r.InnerAddr(0).String()
	if a := r.do(t, http.MethodGet, inner+"/inner"); a.text != "inner" {
		t.Errorf("%d %s", a.status, a.text)
	}
	r.do(t, http.MethodGet, inner+"/main").problem(t, http.StatusNotFound)
	r.get(t, "/inner").problem(t, http.StatusNotFound)
}

func TestHeadersOfEightKiBPassAndHugeOnesNot(t *testing.T) {
	t.Parallel()
	r := newRouted(t)
	if a := r.get(t, "/auth/me", "Authorization", "Bearer "+strings.Repeat("a", 9<<10), "Cookie", strings.Repeat("c", 16<<10)); a.status != http.StatusOK {
		t.Errorf("a long token: %d", a.status)
	}
	if a := r.get(t, "/auth/me", "X", strings.Repeat("a", 256<<10)); a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a huge header: %d", a.status)
	}
}
