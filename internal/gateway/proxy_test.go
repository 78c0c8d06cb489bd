package gateway_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/issuance"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// seen is a request as the application got it.
type seen struct {
	Method, Target, Host, Body string
	Header, Trailer            http.Header
}

// mirror is an application that answers with the request it got.
func mirror(t testing.TB) *url.URL {
	t.Helper()
	return parseURL(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // nobody waits for an answer
		}
		w.Header().Set("X-From", "application")
		w.WriteHeader(http.StatusTeapot)
		_ = json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.Trailer})
	})))
}

func parseURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

var routes = []gateway.Route{
	{Path: "/public/", Require: gateway.RequireNone},
	{Path: "/session/", Require: gateway.RequireOptional},
	{Path: "/read", Scope: []string{"read"}},
	{Path: "/other", Audience: "https://other.example.org"},
	{Path: "/things", Permission: access.Permission{Action: "read", Path: "/things"}},
	{Path: "/secret", Permission: access.Permission{Action: "read", Path: "/secret"}},
}

// proxy serves the routes in front of a mirror, changed by what is asked for.
func (w *world) proxy(t testing.TB, change func(*gateway.ProxyConfig)) string {
	t.Helper()
	c := gateway.ProxyConfig{Gate: w.gate, Upstream: mirror(t), Routes: routes}
	if change != nil {
		change(&c)
	}
	p, err := gateway.NewProxy(c)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, p)
}

// reached returns what the application got, and fails when it got nothing.
func (a answer) reached(t testing.TB) seen {
	t.Helper()
	var s seen
	if a.status != http.StatusTeapot || a.header.Get("X-From") != "application" {
		t.Fatalf("did not reach the application: %d %s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestProxyAppliesItsRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base := w.proxy(t, nil)
	plain := w.issue(t, nil)
	reader := w.issue(t, func(r *issuance.Request) { r.Scope = []string{"read"} })
	junk := http.Header{"Authorization": {"Bearer junk"}}
	const passes = http.StatusTeapot
	for _, tc := range []struct {
		path   string
		header http.Header
		status int
	}{
		{"/", nil, 401},
		{"/", junk, 401},
		{"/", bearer(plain), passes},
		{"/anything/else", nil, 401},
		{"/anything/else", bearer(plain), passes},
		{"/public/logo.png", nil, passes},
		{"/public/logo.png", junk, passes},
		{"/public", nil, passes},
		{"/publications", nil, 401},
		{"/session/x", nil, passes},
		{"/session/x", junk, 401},
		{"/session/x", bearer(plain), passes},
		{"/session/x", http.Header{"Authorization": {"Basic YWRhOng="}}, passes},
		{"/read/x", nil, 401},
		{"/read/x", bearer(plain), 403},
		{"/read/x", bearer(reader), passes},
		{"/other", bearer(plain), 401},
		{"/things/7", bearer(plain), passes},
		{"/secret", bearer(plain), 403},
	} {
		if got := get(t, base+tc.path, tc.header); got.status != tc.status {
			t.Errorf("%s: %d %s, want %d", tc.path, got.status, got.body, tc.status)
		}
	}
}

func TestProxyRefusesAsRFC6750Says(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base := w.proxy(t, nil)
	plain, revoked := w.issue(t, nil), w.issue(t, nil)
	w.revoke(t, revoked)
	get(t, base+"/x", nil).refused(t, 401, "", "")
	get(t, base+"/x", http.Header{"Authorization": {"Bearer a", "Bearer b"}}).refused(t, 400, "invalid_request", "more than one Authorization header")
	get(t, base+"/session/", http.Header{"Authorization": {"Bearer a", "Bearer b"}}).refused(t, 400, "invalid_request", "more than one Authorization header")
	get(t, base+"/x", bearer(revoked)).refused(t, 401, "invalid_token", "revoked")
	got := get(t, base+"/read", bearer(plain))
	got.refused(t, 403, "insufficient_scope", "the scope read is needed")
	if c := got.header.Get("WWW-Authenticate"); !strings.Contains(c, `, scope="read"`) {
		t.Errorf("the challenge doesn't say which scope is wanted: %s", c)
	}
	// Without a token the challenge says what to ask for (RFC 6750 §3).
	got = get(t, base+"/read", nil)
	if c := got.header.Get("WWW-Authenticate"); got.status != 401 || !strings.Contains(c, `, scope="read"`) {
		t.Errorf("without a token: %d %s", got.status, c)
	}
	// A browser that would rather have a login page gets the same, as a page.
	got = get(t, base+"/x", http.Header{"Authorization": {"Bearer junk"}, "Accept": {"text/html"}, "Sec-Fetch-Mode": {"navigate"}})
	if c := got.header.Get("WWW-Authenticate"); got.status != 401 || !strings.Contains(c, `error="invalid_token"`) || !strings.Contains(got.body, "<h1>You are not signed in</h1>") {
		t.Errorf("%d %s %s", got.status, c, got.body)
	}
	if got.header.Get("Location") != "" {
		t.Error("sent elsewhere")
	}
}

func TestRevokedIsRefusedByTheProxyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base, issued := w.proxy(t, nil), w.issue(t, nil)
	get(t, base+"/x", bearer(issued)).reached(t)
	w.revoke(t, issued)
	get(t, base+"/x", bearer(issued)).refused(t, 401, "invalid_token", "revoked")
}

func TestTheApplicationLearnsWhoIsCalling(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base, issued := w.proxy(t, nil), w.issue(t, nil)
	for _, path := range []string{"/x", "/session/x"} {
		s := get(t, base+path, bearer(issued)).reached(t)
		if diff := cmp.Diff(adaIdentity(w, issued), identityIn(t, s.Header)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// forgeries are spellings of the identity headers that a CGI-like interface takes
// for the same variable.
func forgeries() http.Header {
	h := http.Header{}
	for _, name := range identityHeaders {
		for _, spelling := range []string{
			name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"),
			strings.ToUpper(strings.ReplaceAll(name, "-", "_")), strings.Replace(name, "-", "_", 1), strings.ReplaceAll(name, "-", "."), strings.ReplaceAll(name, "-", "~"),
		} {
			h[spelling] = []string{"root", "wheel"}
		}
	}
	return h
}

func TestForgedIdentityNeverReachesTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base, issued := w.proxy(t, nil), w.issue(t, nil)
	for _, tc := range []struct {
		path string
		auth http.Header
		want map[string]string
	}{
		{"/x", bearer(issued), adaIdentity(w, issued)},
		{"/session/x", bearer(issued), adaIdentity(w, issued)},
		{"/session/x", nil, map[string]string{}},
		{"/public/x", nil, map[string]string{}},
		{"/public/x", bearer(issued), map[string]string{}},
	} {
		h := forgeries()
		maps.Copy(h, tc.auth)
		h.Set("Connection", "close, Remote-User, X-Bearerd-Subject, Authorization")
		s := get(t, base+tc.path, h).reached(t)
		got := map[string]string{}
		for name, values := range s.Header {
			folded := strings.NewReplacer("_", "-", ".", "-", "~", "-").Replace(strings.ToLower(name))
			if strings.HasPrefix(folded, "remote-") || strings.HasPrefix(folded, "x-bearerd-") {
				got[name] = strings.Join(values, "|")
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.path, diff)
		}
	}
}

// raw sends text and returns the answer, for what no proper client sends.
func raw(t testing.TB, base, text string) answer {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", parseURL(t, base).Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func TestForgedIdentityInATrailerNeverReachesTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	got := raw(t, w.proxy(t, nil), "POST /public/x HTTP/1.1\r\nHost: app\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"+
		"Trailer: Remote-User, Remote_name, X-Sum\r\n\r\n3\r\nabc\r\n0\r\nRemote-User: root\r\nRemote_name: root\r\nX-Sum: 1\r\n\r\n")
	s := got.reached(t)
	if s.Body != "abc" {
		t.Errorf("body %q", s.Body)
	}
	for name := range s.Trailer {
		if strings.HasPrefix(name, "Remote") {
			t.Errorf("trailer %s", name)
		}
	}
}

func TestTheTokenStaysWithTheProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	issued := w.issue(t, nil)
	value := issued.Value.Reveal()
	sess := w.SessionToken(t, "ada", password).Value.Reveal()
	plain, passing := w.proxy(t, nil), w.proxy(t, func(c *gateway.ProxyConfig) { c.PassToken = true })
	gate := *w.gate
	gate.Finders = senaiteFinders(w.Fixture)
	origin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	must(t, err)
	gate.CrossOrigin = origin
	w.gate = &gate
	three := w.proxy(t, nil)
	const basic = "Basic YWRhOng="
	good := "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:"+password))
	for _, tc := range []struct {
		name, base, path     string
		authorization        string
		cookie, other        string
		wantAuth, wantCookie string
		wantOther            string
	}{
		{name: "removed", base: plain, path: "/x", authorization: "bearer " + value},
		{name: "passed on where that is wanted", base: passing, path: "/x", authorization: "Bearer " + value, wantAuth: "Bearer " + value},
		{name: "where none is looked for it is the application's", base: plain, path: "/public/x", authorization: "Bearer " + value, wantAuth: "Bearer " + value},
		{name: "another scheme is the application's", base: plain, path: "/session/x", authorization: basic, wantAuth: basic},
		{name: "cookies are the application's", base: plain, path: "/session/x", cookie: "sessionid=abc; token=x; a=\"b c\"", wantCookie: "sessionid=abc; token=x; a=\"b c\""},
		{name: "but not our session", base: plain, path: "/session/x", cookie: "a=b; bearerd_session=" + sess + "; c=d", wantCookie: "a=b; c=d"},
		{name: "whatever its name", base: passing, path: "/public/x", cookie: `sessionid="` + sess + `"`},
		{name: "three places", base: three, path: "/x", authorization: "Bearer " + value, cookie: "token=" + value + "; a=b", other: value},
		{name: "a password", base: three, path: "/x", authorization: good},
		{name: "a cookie, and a scheme of the application's", base: three, path: "/x", authorization: "Digest x", cookie: "token=" + value, wantAuth: "Digest x"},
		{name: "a password where none is looked for", base: three, path: "/public/x", authorization: good, wantAuth: good},
		{name: "header alone", base: three, path: "/x", other: value},
	} {
		h := http.Header{}
		for name, v := range map[string]string{"Authorization": tc.authorization, "Cookie": tc.cookie, "X-Jwt-Auth-Token": tc.other} {
			if v != "" {
				h.Set(name, v)
			}
		}
		s := get(t, tc.base+tc.path, h).reached(t)
		want := []string{tc.wantAuth, tc.wantCookie, tc.wantOther}
		if diff := cmp.Diff(want, []string{s.Header.Get("Authorization"), s.Header.Get("Cookie"), s.Header.Get("X-Jwt-Auth-Token")}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestTheRequestPassesAsItWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base := w.proxy(t, nil)
	for _, target := range []string{
		"/public/a%2Fb%20c/%E9%AD%9A", "/public/caf\xc3\xa9", "/public/a|b^c\"d{e}`<f>", "/public/%61", "/public/a+b;c=d,e",
		"/public/x?a=b;c=d&e=%zz&%&&=", "/public/x?", "/public/x?a=b?c#d", "/public/x//y/",
	} {
		s := raw(t, base, "GET "+target+" HTTP/1.1\r\nHost: app.example.org:81\r\nConnection: close\r\n\r\n").reached(t)
		if s.Target != target || s.Host != "app.example.org:81" {
			t.Errorf("%s arrived as %s at %s", target, s.Target, s.Host)
		}
	}
	s := send(t, "PATCH", base+"/public/x", http.Header{
		"Accept-Encoding": {"br"}, "Te": {"gzip"}, "Keep-Alive": {"1"}, "X-Hop": {"1"}, "Connection": {"X-Hop"}, "Proxy-Authorization": {"x"}, "X-End": {"1", "2"},
	}, strings.NewReader("body")).reached(t)
	if s.Method != "PATCH" || s.Body != "body" || s.Header.Get("Accept-Encoding") != "br" || len(s.Header["X-End"]) != 2 {
		t.Errorf("arrived as %+v", s)
	}
	for _, name := range []string{"Te", "Keep-Alive", "X-Hop", "Connection", "Proxy-Authorization"} {
		if v, there := s.Header[name]; there {
			t.Errorf("%s: %q is between neighbours", name, v)
		}
	}
}

func TestThePathOfTheUpstreamStandsBeforeThatOfTheRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	for _, prefix := range []string{"/app", "/app/"} {
		base := w.proxy(t, func(c *gateway.ProxyConfig) { c.Upstream = parseURL(t, c.Upstream.String()+prefix) })
		if s := get(t, base+"/public/x%2Fy?z", nil).reached(t); s.Target != "/app/public/x%2Fy?z" {
			t.Errorf("%s: %s", prefix, s.Target)
		}
	}
}

func TestAmbiguousPathsNeverReachTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	direct := w.proxy(t, nil)
	p, err := gateway.NewProxy(gateway.ProxyConfig{Gate: w.gate, Upstream: mirror(t), Routes: routes})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	p.Register(mux)
	mounted := serve(t, mux)
	for _, target := range []string{
		"/public/../x", "/public/%2e%2e/x", "/public/..%2fx", "/public/..;/x", `/public/..\x`, "/public%2f..%2fx", "//evil.example.org/public/", "/%2fpublic", "/a;/x", "*",
	} {
		for name, base := range map[string]string{"direct": direct, "mounted": mounted} {
			method := "GET "
			if target == "*" {
				method = "PUT "
			}
			got := raw(t, base, method+target+" HTTP/1.1\r\nHost: app\r\nConnection: close\r\nAuthorization: Bearer "+w.issue(t, nil).Value.Reveal()+"\r\n\r\n")
			if got.header.Get("X-From") != "" || got.status == http.StatusOK {
				t.Errorf("%s, %s: %d %s", target, name, got.status, got.body)
			}
			if name == "direct" && (got.status != http.StatusBadRequest || target != "*" && got.members(t)["code"] != "invalid_request") {
				t.Errorf("%s: %d %s, want 400", target, got.status, got.body)
			}
		}
	}
	for _, request := range []string{"CONNECT app:80 HTTP/1.1", "CONNECT /public/x HTTP/1.1"} {
		if got := raw(t, direct, request+"\r\nHost: app\r\nConnection: close\r\n\r\n"); got.header.Get("X-From") != "" && strings.Contains(request, "app:80") {
			t.Errorf("%s: %d %s", request, got.status, got.body)
		}
	}
}

func TestRequestsThatAreBrokenAreTheClientsFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base := w.proxy(t, nil)
	got := raw(t, base, "POST /public/x HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno number\r\n")
	if got.status != http.StatusBadRequest || got.members(t)["code"] != "invalid_request" {
		t.Errorf("%d %s, want 400", got.status, got.body)
	}
}

func TestWhereARequestCameFromIsSaidByTrustedProxiesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	stranger := w.proxy(t, nil)
	trusted := w.proxy(t, func(c *gateway.ProxyConfig) { c.TrustedProxies = httpkit.Proxies{netip.MustParsePrefix("127.0.0.0/8")} })
	said := http.Header{
		"X-Forwarded-For": {"203.0.113.7", "198.51.100.1"}, "X-Forwarded-Host": {"museum.example.org"}, "X-Forwarded-Proto": {"https"},
		"X-Forwarded-Port": {"443"}, "X-Forwarded-User": {"root"}, "X-Real-Ip": {"203.0.113.7"}, "Forwarded": {"for=203.0.113.7"},
		"X_Forwarded_For": {"203.0.113.8"}, "X_real-Ip": {"203.0.113.8"}, "X-Forwarded_proto": {"https"}, "Host": {"app.example.org"},
	}
	origin := func(h http.Header) map[string]string {
		got := map[string]string{}
		for name, values := range h {
			if strings.Contains(strings.ToLower(name), "forwarded") || strings.Contains(strings.ToLower(name), "real") {
				got[name] = strings.Join(values, "|")
			}
		}
		return got
	}
	wantStranger := map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "app.example.org", "X-Forwarded-Proto": "http"}
	wantTrusted := map[string]string{
		"X-Forwarded-For": "203.0.113.7, 198.51.100.1, 127.0.0.1", "X-Forwarded-Host": "museum.example.org", "X-Forwarded-Proto": "https",
		"X-Forwarded-Port": "443", "X-Forwarded-User": "root", "X-Real-Ip": "203.0.113.7",
	}
	if diff := cmp.Diff(wantStranger, origin(get(t, stranger+"/public/", said).reached(t).Header)); diff != "" {
		t.Errorf("a stranger's word (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantTrusted, origin(get(t, trusted+"/public/", said).reached(t).Header)); diff != "" {
		t.Errorf("a trusted proxy's word (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantStranger, origin(get(t, trusted+"/public/", http.Header{"Host": {"app.example.org"}}).reached(t).Header)); diff != "" {
		t.Errorf("a trusted proxy that says nothing (-want +got):\n%s", diff)
	}
}

func TestAnApplicationThatIsDownIs502(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobodyThere := parseURL(t, "http://"+listener.Addr().String())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	hangsUp := parseURL(t, serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })))
	for name, upstream := range map[string]*url.URL{"nobody there": nobodyThere, "hangs up": hangsUp} {
		base := w.proxy(t, func(c *gateway.ProxyConfig) { c.Upstream = upstream })
		for _, h := range []http.Header{bearer(w.issue(t, nil)), {"Accept": {"text/html"}, "Authorization": {"Bearer " + w.issue(t, nil).Value.Reveal()}}} {
			got := get(t, base+"/x", h)
			m := got.members(t)
			if got.status != http.StatusBadGateway || got.header.Get("Content-Type") != "application/problem+json" || m["code"] != "bad_gateway" || m["status"] != 502.0 {
				t.Errorf("%s: %d %v %s", name, got.status, got.header, got.body)
			}
			if strings.Contains(got.body, upstream.Host) {
				t.Errorf("%s: says where the application is: %s", name, got.body)
			}
		}
		get(t, base+"/x", nil).refused(t, 401, "", "")
	}
}

func TestProxyConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	good := parseURL(t, "http://127.0.0.1:1")
	for name, c := range map[string]gateway.ProxyConfig{
		"nothing":    {},
		"no gate":    {Upstream: good},
		"no URL":     {Gate: w.gate},
		"scheme":     {Gate: w.gate, Upstream: parseURL(t, "ftp://127.0.0.1")},
		"no host":    {Gate: w.gate, Upstream: parseURL(t, "http:///x")},
		"user":       {Gate: w.gate, Upstream: parseURL(t, "http://a:b@127.0.0.1")},
		"query":      {Gate: w.gate, Upstream: parseURL(t, "http://127.0.0.1/?x")},
		"bad route":  {Gate: w.gate, Upstream: good, Routes: []gateway.Route{{Path: "x"}}},
		"two routes": {Gate: w.gate, Upstream: good, Routes: []gateway.Route{{Path: "/x"}, {Path: "/x/"}}},
	} {
		if _, err := gateway.NewProxy(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
