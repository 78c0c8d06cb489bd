package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

func scope(names ...string) func(*issuance.Request) {
	return func(r *issuance.Request) { r.Scope = names }
}

// with returns h with more headers, as name and value.
func with(h http.Header, more ...string) http.Header {
	out := h.Clone()
	if out == nil {
		out = http.Header{}
	}
	for i := 0; i < len(more); i += 2 {
		out.Add(more[i], more[i+1])
	}
	return out
}

func (w *world) announce(t testing.TB, a gateway.Announcement) {
	t.Helper()
	announcer, err := gateway.NewAnnouncer(a)
	must(t, err)
	w.gate.Announcer = *announcer
}

func (w *world) ownOrigin(t testing.TB) {
	t.Helper()
	origin, err := httpkit.NewCrossOrigin("https://museum.example.org")
	must(t, err)
	w.gate.CrossOrigin = origin
}

func TestARouteTellsMethodsApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base := w.proxy(t, func(c *gateway.ProxyConfig) {
		c.Routes = []gateway.Route{
			{Path: "/api", Methods: []string{"GET"}, Scope: []string{"read"}},
			{Path: "/api/", Methods: []string{"POST", "PUT"}, Scope: []string{"write"}},
			{Path: "/mixed", Methods: []string{"DELETE"}, Scope: []string{"write"}},
			{Path: "/mixed", Require: gateway.RequireOptional},
		}
	})
	reader, writer := bearer(w.issue(t, scope("read"))), bearer(w.issue(t, scope("write")))
	const passes = http.StatusTeapot
	for _, tc := range []struct {
		method, path string
		header       http.Header
		status       int
	}{
		{"GET", "/api/x", reader, passes},
		{"HEAD", "/api", reader, passes},
		{"GET", "/api", writer, 403},
		{"POST", "/api/x", reader, 403},
		{"POST", "/api/x", writer, passes},
		{"PUT", "/api/x", nil, 401},
		{"DELETE", "/api/x", writer, 405},
		{"PATCH", "/api", nil, 405},
		{"OPTIONS", "/api", nil, 405},
		{"get", "/api", reader, 405},
		{"DELETE", "/mixed/x", reader, 403},
		{"DELETE", "/mixed/x", writer, passes},
		{"POST", "/mixed/x", nil, passes},
	} {
		got := send(t, tc.method, base+tc.path, tc.header, nil)
		if got.status != tc.status {
			t.Errorf("%s %s: %d %s, want %d", tc.method, tc.path, got.status, got.body, tc.status)
		}
		if allow := got.header.Get("Allow"); got.status == 405 && allow != "GET, HEAD, POST, PUT" {
			t.Errorf("%s %s: Allow: %q", tc.method, tc.path, allow)
		}
	}
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X_HTTP_Method_Override"} {
		s := send(t, "GET", base+"/api/x", with(reader, name, "DELETE"), nil).reached(t)
		for header := range s.Header {
			if strings.Contains(strings.ToLower(header), "method") {
				t.Errorf("%s reached the application as %s", name, header)
			}
		}
	}
}

func TestTwoRulesForOnePathAndMethodStopTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	for name, list := range map[string][]gateway.Route{
		"twice":             {{Path: "/a", Methods: []string{"GET"}}, {Path: "/a/", Methods: []string{"POST", "GET"}}},
		"GET includes HEAD": {{Path: "/a", Methods: []string{"GET"}}, {Path: "/a", Methods: []string{"HEAD"}}},
		"no method twice":   {{Path: "/a"}, {Path: "/a"}},
		"a method in small": {{Path: "/a", Methods: []string{"get"}}},
		"an unknown door":   {{Path: "/a", TokensIn: []string{"cookie"}}},
		"a door to nowhere": {{Path: "/a", Require: gateway.RequireNone, TokensIn: []string{"basic"}}},
		"Host as a door":    {{Path: "/a", TokensIn: []string{"header:Host"}}},
	} {
		if _, err := gateway.NewProxy(gateway.ProxyConfig{Gate: w.gate, Upstream: mirror(t), Routes: list}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestASafeMethodMayNeedASmallerScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	ask := w.verifier(t) + "/auth/verify?scope=write&safe_scope=read"
	reader, both := bearer(w.issue(t, scope("read"))), bearer(w.issue(t, scope("read", "write")))
	writer := bearer(w.issue(t, scope("write")))
	for name, tc := range map[string]struct {
		header http.Header
		status int
	}{
		"reading":                    {with(reader, "X-Forwarded-Method", "GET"), 200},
		"reading, as nginx says":     {with(reader, "X-Original-Method", "HEAD"), 200},
		"writing with read":          {with(reader, "X-Forwarded-Method", "POST"), 403},
		"writing with write":         {with(writer, "X-Forwarded-Method", "POST"), 200},
		"reading with write":         {with(writer, "X-Forwarded-Method", "GET"), 403},
		"two names, one unsafe":      {with(reader, "X-Forwarded-Method", "GET", "X-Original-Method", "PUT"), 403},
		"two names in one header":    {with(reader, "X-Forwarded-Method", "GET", "X-Forwarded-Method", "PUT"), 403},
		"a method nobody knows":      {with(reader, "X-Forwarded-Method", "get"), 403},
		"not named, with one scope":  {reader, 403},
		"not named, with the other":  {writer, 403},
		"not named, with both":       {both, 200},
		"an empty name":              {with(reader, "X-Forwarded-Method", ""), 403},
		"a safe one that isn't GET":  {with(reader, "X-Forwarded-Method", "OPTIONS"), 200},
		"one that only seems to be":  {with(reader, "X-Forwarded-Method", "GET "), 200}, // net/http trims it
		"named beside an unsafe own": {with(both, "X-Forwarded-Method", "GET"), 200},
	} {
		if got := get(t, ask, tc.header); got.status != tc.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, tc.status)
		}
	}
	if got := send(t, "POST", ask, with(reader, "X-Forwarded-Method", "GET"), nil); got.status != 403 {
		t.Errorf("an unsafe method of its own: %d", got.status)
	}
}

func TestWhatATokenOpensLeavesNoCookieBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	app := parseURL(t, serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-From", "application")
		rw.Header().Add("Set-Cookie", "sessionid=made; Path=/")
		rw.WriteHeader(http.StatusEarlyHints)
		rw.Header().Add("Set-Cookie", "other=made")
		rw.WriteHeader(http.StatusTeapot)
		_ = json.NewEncoder(rw).Encode(seen{Header: r.Header})
	})))
	issued := w.issue(t, nil)
	for _, tc := range []struct {
		name   string
		keep   bool
		path   string
		header http.Header
		cookie string // that reaches the application
		set    int    // cookies that come back
	}{
		{"a token", false, "/x", bearer(issued), "", 0},
		{"a token where cookies are kept", true, "/x", bearer(issued), "sessionid=bob", 2},
		{"nobody, where a token is optional", false, "/session/x", nil, "sessionid=bob", 2},
		{"a token that is optional", false, "/session/x", bearer(issued), "", 0},
		{"where no token is asked for", false, "/public/x", bearer(issued), "sessionid=bob", 2},
	} {
		base := w.proxy(t, func(c *gateway.ProxyConfig) { c.Upstream, c.KeepCookies = app, tc.keep })
		got := get(t, base+tc.path, with(tc.header, "Cookie", "sessionid=bob"))
		if sent := got.reached(t).Header.Get("Cookie"); sent != tc.cookie {
			t.Errorf("%s: the application got %q", tc.name, sent)
		}
		if set := got.header["Set-Cookie"]; len(set) != tc.set {
			t.Errorf("%s: %q came back", tc.name, set)
		}
	}
}

func TestHeadersAreNamedAndNobodyElseSendsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.announce(t, gateway.Announcement{Headers: map[string]string{"X-Remote-User": "username", "x-webauth-groups": "groups"}})
	verify, proxy := w.verifier(t)+"/auth/verify", w.proxy(t, nil)
	h := bearer(w.issue(t, nil))
	for name, got := range map[string]http.Header{
		"forward auth": get(t, verify, h).header, "proxy": get(t, proxy+"/x", h).reached(t).Header,
	} {
		if got.Get("X-Remote-User") != "ada" || got.Get("X-Webauth-Groups") != "curators,staff" || identityIn(t, got)["Remote-User"] != "ada" {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := get(t, verify+"?optional=true", nil).header; len(got["X-Remote-User"]) != 1 || got.Get("X-Remote-User") != "" {
		t.Errorf("nobody: %v", got)
	}
	for _, spelling := range []string{"X-Remote-User", "x_remote_user", "X-Remote_User", "X.Remote.User", "Bearerd-Assertion", "bearerd_assertion"} {
		s := get(t, proxy+"/session/x", http.Header{spelling: {"root"}}).reached(t)
		for name, values := range s.Header {
			if values[0] == "root" {
				t.Errorf("%s reached the application as %s", spelling, name)
			}
		}
	}
}

func TestHeadersThatMeanSomethingElseAreRefused(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]gateway.Announcement{
		"an unknown field":    {Headers: map[string]string{"X-User": "password"}},
		"Authorization":       {Headers: map[string]string{"Authorization": "username"}},
		"Cookie":              {Headers: map[string]string{"cookie": "username"}},
		"X-Forwarded-User":    {Headers: map[string]string{"X-Forwarded-User": "username"}},
		"one of the ten":      {Headers: map[string]string{"Remote-User": "email"}},
		"another of the ten":  {Headers: map[string]string{"X-Bearerd-Scope": "scope"}},
		"the assertion":       {Headers: map[string]string{"Bearerd-Assertion": "subject"}},
		"an underscore":       {Headers: map[string]string{"X_User": "username"}},
		"no name":             {Headers: map[string]string{"": "username"}},
		"a space":             {Headers: map[string]string{"X User": "username"}},
		"beyond ASCII":        {Headers: map[string]string{"X-Üser": "username"}},
		"a strange encoding":  {Encoding: "latin-1"},
		"two in one spelling": {Headers: map[string]string{"X-User": "username", "x-user": "email"}},
	} {
		if _, err := gateway.NewAnnouncer(a); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// rename sets ada's name, display name and groups.
func (w *world) rename(t testing.TB, username, name string, groups ...string) {
	t.Helper()
	p := identity.UserPatch{Name: &name, Groups: &groups, Username: &username}
	if _, err := w.UpdateUser(t.Context(), caller.Operator(), w.ada.ID, p); err != nil {
		t.Fatal(err)
	}
	w.login = w.Login(t, username, password)
}

func TestNamesBeyondASCIIAreEncodedAsTheApplicationReadsThem(t *testing.T) {
	t.Parallel()
	for encoding, want := range map[gateway.Encoding]map[string]string{
		"":              {"Remote-User": "Müller", "Remote-Name": "Jörg 鈴木, 100%", "Remote-Groups": "a b,größen,staff"},
		gateway.Percent: {"Remote-User": "M%C3%BCller", "Remote-Name": "J%C3%B6rg%20%E9%88%B4%E6%9C%A8%2C%20100%25", "Remote-Groups": "a%20b,gr%C3%B6%C3%9Fen,staff", "Remote-Email": "ada%40example.org"},
	} {
		w := newWorld(t, nodetest.Options{})
		w.rename(t, "Müller", "Jörg 鈴木, 100%", "größen", "a b", "staff")
		w.announce(t, gateway.Announcement{Encoding: encoding})
		h := bearer(w.issue(t, nil))
		for way, got := range map[string]http.Header{
			"forward auth": get(t, w.verifier(t)+"/auth/verify", h).header, "proxy": get(t, w.proxy(t, nil)+"/x", h).reached(t).Header,
		} {
			for name, value := range want {
				if got.Get(name) != value {
					t.Errorf("%s, %s: %s: %q, want %q", way, encoding, name, got.Get(name), value)
				}
			}
		}
	}
}

func TestASCIIRefusesWhatItCannotSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.announce(t, gateway.Announcement{Encoding: gateway.ASCII})
	verify, proxy := w.verifier(t)+"/auth/verify", w.proxy(t, nil)+"/x"
	w.rename(t, "ada", "Ada Löwe", "staff")
	if got := get(t, verify, bearer(w.issue(t, nil))); got.status != 200 || got.header.Get("Remote-Name") != "" || got.header.Get("Remote-User") != "ada" {
		t.Errorf("a display name: %d %v", got.status, got.header)
	}
	for _, groups := range [][]string{{"staff"}, {"größen"}} {
		username := map[string]string{"staff": "Müller", "größen": "ada"}[groups[0]]
		w.rename(t, username, "", groups...)
		h := bearer(w.issue(t, nil))
		for way, url := range map[string]string{"forward auth": verify, "proxy": proxy} {
			if got := get(t, url, h); got.status != 403 || !strings.Contains(got.body, "upstream.encoding") || got.header.Get("Remote-User") != "" {
				t.Errorf("%s, %s in %v: %d %s", way, username, groups, got.status, got.body)
			}
		}
	}
}

func TestGroupsAreChosenAndBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	many := []string{"museum-fish", "museum-", "fish", "Xmuseum-x", "room1", "room12"}
	for range 300 {
		many = append(many, "other-"+strings.Repeat("g", 40)+string(rune('a'+len(many)%26))+string(rune('a'+len(many)/26)))
	}
	w.rename(t, "ada", "", many...)
	verify := w.verifier(t) + "/auth/verify"
	h := bearer(w.issue(t, nil))
	got := get(t, verify, h)
	if got.status != 403 || !strings.Contains(got.body, "upstream.groups") {
		t.Errorf("too many: %d %s", got.status, got.body)
	}
	w.announce(t, gateway.Announcement{Groups: []string{"museum-*", "room?"}})
	other := bearer(w.issue(t, nil)) // what was told of a token is kept
	if got := get(t, w.verifier(t)+"/auth/verify", other); got.header.Get("Remote-Groups") != "museum-,museum-fish,room1" {
		t.Errorf("chosen: %d %q", got.status, got.header.Get("Remote-Groups"))
	}
}

func TestAPreflightCarriesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	const script = "https://app.example.org"
	base := w.proxy(t, func(c *gateway.ProxyConfig) {
		c.Origins = []string{script}
		c.Routes = append([]gateway.Route{{Path: "/door", TokensIn: []string{"header:X-API-Key"}}}, routes...)
	})
	preflight := func(origin, headers string) http.Header {
		return http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"PUT"}, "Access-Control-Request-Headers": {headers}}
	}
	for _, tc := range []struct{ path, headers string }{
		{"/x", "authorization"}, {"/x", "x-trace, Authorization,content-type"}, {"/door/x", "x-api-key"}, {"/session/x", "authorization"},
	} {
		got := send(t, "OPTIONS", base+tc.path, preflight(script, tc.headers), nil)
		allowed := strings.ReplaceAll(got.header.Get("Access-Control-Allow-Headers"), " ", "")
		if got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != script || allowed != strings.ToLower(strings.ReplaceAll(tc.headers, " ", "")) ||
			got.header.Get("Access-Control-Allow-Methods") != "PUT" || got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s: %d %v", tc.path, tc.headers, got.status, got.header)
		}
	}
	secrets := bearer(w.issue(t, nil))
	for name, tc := range map[string]struct {
		path   string
		header http.Header
	}{
		"of another origin":       {"/x", preflight("https://evil.example.org", "authorization")},
		"for no token":            {"/x", preflight(script, "content-type")},
		"a door that isn't there": {"/x", preflight(script, "x-api-key")},
		"where no token is asked": {"/public/x", preflight(script, "authorization")},
	} {
		h := with(tc.header, "Cookie", "sessionid=bob", "X-HTTP-Method-Override", "DELETE", "Remote-User", "root", "Authorization", secrets.Get("Authorization"))
		s := send(t, "OPTIONS", base+tc.path, h, strings.NewReader("body")).reached(t)
		for _, gone := range []string{"Authorization", "Cookie", "X-Http-Method-Override", "Remote-User", "X-Bearerd-Subject"} {
			if v := s.Header.Get(gone); v != "" {
				t.Errorf("%s: %s: %s reached the application", name, gone, v)
			}
		}
		if s.Body != "" || s.Header.Get("Origin") == "" || s.Header.Get("Access-Control-Request-Method") != "PUT" {
			t.Errorf("%s: arrived as %+v", name, s)
		}
	}
	got := get(t, base+"/x", with(secrets, "Origin", script))
	if got.status != http.StatusTeapot || got.header.Get("Access-Control-Allow-Origin") != script || !strings.Contains(strings.Join(got.header["Vary"], ","), "Origin") {
		t.Errorf("the request itself: %d %v", got.status, got.header)
	}
	if got := get(t, base+"/x", http.Header{"Origin": {script}}); got.status != 401 || got.header.Get("Access-Control-Allow-Origin") != script {
		t.Errorf("a refusal, which the script must be able to read: %d %v", got.status, got.header)
	}
	if got := send(t, "OPTIONS", base+"/x", http.Header{"Origin": {script}}, nil); got.status != 401 {
		t.Errorf("OPTIONS that is no preflight: %d", got.status)
	}
}

func TestForwardAuthLetsAPreflightPassWhereItIsAskedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	verify := w.verifier(t) + "/auth/verify"
	preflight := http.Header{"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"PUT"}, "X-Forwarded-Method": {"OPTIONS"}}
	without := func(name string) http.Header {
		h := preflight.Clone()
		h.Del(name)
		return h
	}
	for name, tc := range map[string]struct {
		query  string
		header http.Header
		status int
	}{
		"asked to":                  {"?preflight=pass", preflight, 200},
		"not asked to":              {"", preflight, 401},
		"no origin":                 {"?preflight=pass", without("Origin"), 401},
		"no method asked for":       {"?preflight=pass", without("Access-Control-Request-Method"), 401},
		"the method isn't named":    {"?preflight=pass", without("X-Forwarded-Method"), 401},
		"another name says another": {"?preflight=pass", with(preflight, "X-Original-Method", "GET"), 401},
		"named twice":               {"?preflight=pass", with(without("X-Forwarded-Method"), "X-Original-Method", "GET", "X-Forwarded-Method", "OPTIONS"), 401},
		"another word":              {"?preflight=yes", preflight, 400},
	} {
		got := get(t, verify+tc.query, with(tc.header, "Cookie", "token=x"))
		if got.status != tc.status {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if id := identityIn(t, got.header); id["Remote-User"] != "" {
			t.Errorf("%s: %v", name, id)
		}
	}
}

func TestAnAssertionSaysWhoIsCallingAndIsNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.Freeze()
	w.announce(t, gateway.Announcement{Now: w.Time, Assert: func(ctx context.Context, id *verification.Identity) (string, error) {
		return w.Assert(ctx, id, "museum")
	}})
	verify, proxy := w.verifier(t)+"/auth/verify", w.proxy(t, nil)
	four := int64(4)
	issued := w.issue(t, func(r *issuance.Request) { r.Collection, r.Scope = &four, []string{"read"} })
	first := get(t, verify, bearer(issued)).header.Get("Bearerd-Assertion")
	parts := strings.Split(first, ".")
	if len(parts) != 3 {
		t.Fatalf("%q", first)
	}
	read := func(part string) (m map[string]any) {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		must(t, err)
		must(t, json.Unmarshal(raw, &m))
		return m
	}
	if typ := read(parts[0])["typ"]; typ != "bearerd-assertion+jwt" {
		t.Errorf("typ %v", typ)
	}
	claims := read(parts[1])
	for name, want := range map[string]any{
		"iss": nodetest.Issuer, "aud": "museum", "sub": w.ada.ID, "username": "ada", "scope": "read", "collection": 4.0, "token_id": issued.ID,
		"exp": float64(w.Time().Unix() + 30),
	} {
		if claims[name] != want {
			t.Errorf("%s: %v, want %v", name, claims[name], want)
		}
	}
	if again := get(t, proxy+"/x", bearer(issued)).reached(t).Header.Get("Bearerd-Assertion"); again != first {
		t.Error("it is signed again for each request")
	}
	w.Advance(16 * time.Second)
	if later := get(t, verify, bearer(issued)).header.Get("Bearerd-Assertion"); later == first || later == "" {
		t.Error("it is kept for longer than 15 s")
	}
	if got := get(t, verify, http.Header{"Authorization": {"Bearer " + first}}); got.status != 401 {
		t.Errorf("as a token: %d", got.status)
	}
	if got := get(t, verify+"?optional=true", nil).header; len(got["Bearerd-Assertion"]) != 1 || got.Get("Bearerd-Assertion") != "" {
		t.Errorf("nobody: %v", got)
	}
}

func TestARefusalSaysWhatIsMissingAndHowToGetIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	w.gate.TokensPage = "https://museum.example.org/auth/tokens"
	base := w.proxy(t, nil)
	plain, revoked := w.issue(t, nil), w.issue(t, nil)
	w.revoke(t, revoked)
	for path, tc := range map[string]struct {
		header http.Header
		detail string
	}{
		"/x":      {nil, "This needs a token: send it as Authorization: Bearer TOKEN. Create one at https://museum.example.org/auth/tokens."},
		"/y":      {bearer(revoked), "The token is not accepted: revoked. Create one at https://museum.example.org/auth/tokens."},
		"/read/x": {bearer(plain), "The token lacks a scope that is needed (read). Create one that has it at https://museum.example.org/auth/tokens."},
		"/secret": {bearer(plain), "The token doesn't reach this: no permission to read /secret."},
	} {
		got := get(t, base+path, tc.header)
		if said, _ := got.members(t)["detail"].(string); said != tc.detail {
			t.Errorf("%s: %q", path, said)
		}
		page := get(t, base+path, with(tc.header, "Accept", "text/html,*/*;q=0.8"))
		if page.status != got.status || !strings.Contains(page.body, "<p>") || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || page.header.Get("Www-Authenticate") == "" {
			t.Errorf("%s as a page: %d %v %s", path, page.status, page.header, page.body)
		}
	}
}
