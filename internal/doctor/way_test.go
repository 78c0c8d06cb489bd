package doctor_test

import (
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/doctor"
	"github.com/bearerd/bearerd/internal/echo"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/keyring"
)

var key = echo.Key{7}

// world is a server that answers as bearerd does as far as the doctor asks, and how
// requests come to it.
type world struct {
	issuer  string // "": that of the front
	proxies httpkit.Proxies
	kid     string
	key     echo.Key
	answers map[string]http.HandlerFunc // in place of bearerd's
	front   func(*httputil.ProxyRequest)
	direct  bool
	tls     bool
	date    time.Duration // by which the server's clock is wrong
}

// run starts the world and returns what the doctor finds.
func (w world) run(t *testing.T, change ...func(*doctor.Way)) doctor.Report {
	t.Helper()
	mux := http.NewServeMux()
	issuer := w.issuer
	said := func(path, text string) {
		h := w.answers[path]
		if h == nil {
			h = func(rw http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(rw, text) }
		}
		mux.HandleFunc(path, func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Date", time.Now().Add(w.date).UTC().Format(http.TimeFormat))
			h(rw, r)
		})
	}
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Date", time.Now().Add(w.date).UTC().Format(http.TimeFormat))
		if h := w.answers["/.well-known/oauth-authorization-server"]; h != nil {
			h(rw, r)
			return
		}
		_, _ = fmt.Fprintf(rw, `{"issuer":%q,"revocations_endpoint":"x"}`, issuer)
	})
	said("/.well-known/jwks.json", `{"keys":[{"kid":"`+w.kid+`"}]}`)
	said("/oauth2/token", `{"error":"invalid_request"}`)
	said("/auth/openapi.json", `{"openapi":"3.1.0"}`)
	if w.answers["/auth/api/v1/me"] == nil {
		w.answers = maps.Clone(w.answers)
		if w.answers == nil {
			w.answers = map[string]http.HandlerFunc{}
		}
		w.answers["/auth/api/v1/me"] = func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("WWW-Authenticate", "Bearer")
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}
	said("/auth/api/v1/me", "")
	for _, path := range []string{"/accounts/token", "/context/login", "/users/bearerd-doctor/keys"} {
		if w.answers[path] != nil {
			said(path, "")
		}
	}
	e := &echo.Edge{Key: w.key, Proxies: w.proxies, Now: time.Now}
	e.Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	front := server
	if !w.direct {
		target, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		front = httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			w.front(r)
		}})
		front.Config.ErrorLog = log.New(io.Discard, "", 0)
		if w.tls {
			front.StartTLS()
		} else {
			front.Start()
		}
		t.Cleanup(front.Close)
	}
	way := &doctor.Way{
		Issuer: front.URL, Key: &key, Keys: []keyring.Key{{KID: "kid", State: keyring.Active}}, Now: time.Now, Wait: 5 * time.Second,
	}
	if w.tls {
		way.Roots = x509.NewCertPool()
		way.Roots.AddCert(front.Certificate())
	}
	if issuer == "" {
		issuer = front.URL
	}
	for _, c := range change {
		c(way)
	}
	var r doctor.Report
	way.CheckOutside(t.Context(), &r)
	return r
}

var loopback = httpkit.Proxies{netip.MustParsePrefix("127.0.0.1/32")}

// Proxies, by what they do with X-Forwarded-For.
func sets(r *httputil.ProxyRequest) { r.Out.Header.Set("X-Forwarded-For", "203.0.113.9") }

func adds(r *httputil.ProxyRequest) {
	r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	r.SetXForwarded()
}
func removes(r *httputil.ProxyRequest) { r.Out.Header.Del("X-Forwarded-For") }
func passes(r *httputil.ProxyRequest) {
	r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
}

func good() world { return world{proxies: loopback, kid: "kid", key: key, front: sets} }

func TestAWayThatIsAsItShouldBe(t *testing.T) {
	t.Parallel()
	r := good().run(t)
	if r.Count(doctor.OK) != len(r) || len(r) != 7 {
		t.Errorf("%+v", r)
	}
	want(t, r, "client's address", doctor.OK, "203.0.113.9, by the proxy at 127.0.0.1")
	w := good()
	w.direct = true
	want(t, w.run(t), "proxy", doctor.OK, "none stands in front; this machine is one of trusted_proxies")
	w.proxies = nil
	want(t, w.run(t), "proxy", doctor.OK, "none stands in front")
	w = good()
	w.front = adds
	want(t, w.run(t), "client's address", doctor.OK, "the proxy at 127.0.0.1 adds 127.0.0.1 to what the client sent")
}

func TestWhatTheProxySaysOfTheClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		front   func(*httputil.ProxyRequest)
		proxies httpkit.Proxies
		detail  string
	}{
		"not trusted":                   {sets, nil, "isn't one of trusted_proxies"},
		"not trusted, and says nothing": {removes, nil, "doesn't say who the client is"},
		"says nothing":                  {removes, loopback, "sends no X-Forwarded-For"},
		"lets clients choose":           {passes, loopback, "clients can choose their address"},
		"another one lets them choose": {func(r *httputil.ProxyRequest) {
			r.Out.Header.Set("X-Forwarded-For", r.In.Header.Get("X-Forwarded-For")+", 10.0.0.1")
		}, append(loopback, netip.MustParsePrefix("10.0.0.0/8")), "clients can choose their address"},
	} {
		w := good()
		w.front, w.proxies = c.front, c.proxies
		t.Log(name)
		want(t, w.run(t), "client's address", doctor.Failed, c.detail)
	}
}

func TestHeadersThatDontArrive(t *testing.T) {
	t.Parallel()
	w := good()
	w.front = func(r *httputil.ProxyRequest) {
		sets(r)
		r.Out.Header.Del("Authorization")
		r.Out.Host = "127.0.0.1:8080"
	}
	r := w.run(t)
	want(t, r, "authorization header", doctor.Failed, "doesn't arrive")
	want(t, r, "host header", doctor.Warning, "arrives as 127.0.0.1:8080")
	w.front = func(r *httputil.ProxyRequest) { sets(r); r.Out.Header.Del(echo.ProofHeader) }
	want(t, w.run(t), "proxy", doctor.Failed, "answered with 404")
	w = good()
	w.key = echo.Key{8}
	want(t, w.run(t), "proxy", doctor.Failed, "another master key")
	want(t, good().run(t, func(w *doctor.Way) { w.Key = nil }), "proxy", doctor.Skipped, "without the master key")
}

func TestAnotherServerAnswers(t *testing.T) {
	t.Parallel()
	answers := func(path string, status int, text string) world {
		w := good()
		w.answers = map[string]http.HandlerFunc{path: func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(status)
			_, _ = fmt.Fprint(rw, text)
		}}
		return w
	}
	const metadata = "/.well-known/oauth-authorization-server"
	want(t, answers(metadata, 404, "<h1>Museum</h1>").run(t), "issuer", doctor.Failed, "answered with 404, not by bearerd")
	want(t, answers(metadata, 200, "<h1>Museum</h1>").run(t), "issuer", doctor.Failed, "not by bearerd")
	other := good()
	other.issuer = "https://other.example.org"
	want(t, other.run(t), "issuer", doctor.Failed, "the server there is https://other.example.org")
	redirect := good()
	redirect.answers = map[string]http.HandlerFunc{metadata: func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "https://www.example.org/", http.StatusMovedPermanently)
	}}
	want(t, redirect.run(t), "issuer", doctor.Failed, "to https://www.example.org/")
	want(t, redirect.run(t), "proxy", doctor.Skipped, "another server")

	another := good()
	another.kid = "another"
	want(t, another.run(t), "keys that clients see", doctor.Failed, "another database")
	want(t, answers("/.well-known/jwks.json", 404, "no").run(t), "keys that clients see", doctor.Failed, "jwks.json")
	for _, path := range []string{"/oauth2/token", "/auth/openapi.json"} {
		r := answers(path, 404, "<h1>Museum</h1>").run(t)
		want(t, r, "endpoints", doctor.Failed, path+" doesn't reach bearerd: it is answered with 404")
	}
	want(t, answers("/auth/api/v1/me", 200, "{}").run(t), "endpoints", doctor.Failed, "/auth/api/v1/me doesn't reach bearerd")

	late := good()
	late.date = -5 * time.Minute
	want(t, late.run(t), "clock and the issuer's", doctor.Failed, "ahead of the issuer's")
}

// TestPathsOfDialects has a front that leads one path of a dialect to the application, which
// answers it as bearerd would.
func TestPathsOfDialects(t *testing.T) {
	t.Parallel()
	paths := func(w *doctor.Way) {
		w.Paths = []doctor.Paths{{Dialect: "specify", Paths: []string{"/accounts/token", "/context/login"}}, {Dialect: "other", Paths: []string{"/users/{name}/keys"}}}
	}
	w := good()
	reached := func(rw http.ResponseWriter, r *http.Request) {
		e := &echo.Edge{Key: key, Now: time.Now}
		if !e.Asks(r, r.URL.Path) {
			t.Errorf("%s is asked without a proof for it: %v", r.URL, r.Header)
		}
		e.Reached(rw)
	}
	w.answers = map[string]http.HandlerFunc{"/accounts/token": reached, "/context/login": reached, "/users/bearerd-doctor/keys": reached}
	r := w.run(t, paths)
	want(t, r, "dialect specify", doctor.OK, "all 2 paths reach bearerd")
	want(t, r, "dialect other", doctor.OK, "its path reaches bearerd")
	w.answers["/context/login"] = func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(rw, `{"collections":{},"username":null,"password":null,"collection":null}`)
	}
	r = w.run(t, paths)
	want(t, r, "dialect specify", doctor.Failed, "what doesn't reach bearerd: /context/login")
	want(t, r, "dialect other", doctor.OK, "")
	w.answers["/context/login"] = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) }
	want(t, w.run(t, paths), "dialect specify", doctor.Failed, "/context/login")
	want(t, w.run(t, paths, func(w *doctor.Way) { w.Key = nil }), "dialect specify", doctor.Skipped, "without the master key")
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	w := good()
	w.tls = true
	want(t, w.run(t), "certificate", doctor.OK, "valid until 2084-01-29")
	want(t, w.run(t, func(w *doctor.Way) { w.Roots = nil }), "certificate", doctor.Failed, "certificate signed by unknown authority")
	want(t, w.run(t, func(w *doctor.Way) {
		w.Issuer = strings.Replace(w.Issuer, "127.0.0.1", "localhost", 1)
	}), "certificate", doctor.Failed, "not localhost")
	soon := func(w *doctor.Way) {
		w.Now = func() time.Time { return time.Date(2084, 1, 20, 0, 0, 0, 0, time.UTC) }
	}
	want(t, w.run(t, soon), "certificate", doctor.Warning, "valid until 2084-01-29")
	plain := good()
	want(t, plain.run(t, func(w *doctor.Way) { w.Issuer = strings.Replace(w.Issuer, "http://", "https://", 1) }), "issuer", doctor.Failed, "can't be reached")
}

func TestNothingAnswers(t *testing.T) {
	t.Parallel()
	for issuer, detail := range map[string]string{
		"http://127.0.0.1:1":                "connection refused",
		"https://nowhere.invalid":           "nowhere.invalid",
		"https://auth.example.org:99999999": "invalid port",
	} {
		var r doctor.Report
		(&doctor.Way{Issuer: issuer, Now: time.Now, Wait: 5 * time.Second}).CheckOutside(t.Context(), &r)
		want(t, r, "issuer", doctor.Failed, detail)
		want(t, r, "proxy", doctor.Skipped, "nothing answers")
	}
}

func TestTheServerOfThisMachine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		state  doctor.State
		detail string
		runs   bool
	}{
		"ready":     {200, `{"status":"ok"}`, doctor.OK, "ready", true},
		"not ready": {503, `{"status":"unavailable","reason":"stopping"}`, doctor.Failed, "stopping", true},
		"another":   {200, `<h1>Hello</h1>`, doctor.Failed, "something else answers", false},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(c.status)
			_, _ = fmt.Fprint(rw, c.body)
		}))
		t.Cleanup(s.Close)
		var r doctor.Report
		at := strings.TrimPrefix(s.URL, "http://")
		if runs := (&doctor.Way{Ops: at, Now: time.Now, Wait: time.Second}).CheckServer(t.Context(), &r); runs != c.runs {
			t.Errorf("%s: runs is %t", name, runs)
		}
		want(t, r, "server", c.state, c.detail)
		// Listening on every address is asked for here.
		r = nil
		(&doctor.Way{Ops: strings.Replace(at, "127.0.0.1", "0.0.0.0", 1), Now: time.Now, Wait: time.Second}).CheckServer(t.Context(), &r)
		want(t, r, "server", c.state, c.detail)
	}
	var r doctor.Report
	(&doctor.Way{Ops: "127.0.0.1:1", Now: time.Now, Wait: time.Second}).CheckServer(t.Context(), &r)
	want(t, r, "server", doctor.Warning, "none answers on this machine")
	r = nil
	(&doctor.Way{}).CheckServer(t.Context(), &r)
	want(t, r, "server", doctor.Skipped, "no ops_listen")
}
