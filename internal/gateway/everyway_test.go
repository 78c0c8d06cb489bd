package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/frontendtest"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

type dial = func(context.Context) (net.Conn, error)

// cookieSetter is an application that answers with the request it got and sets a cookie.
func cookieSetter(t testing.TB) string {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 64)
		n, _ := r.Body.Read(body)
		for range 3 { // up to the trailer
			_, _ = r.Body.Read(body[n:])
		}
		w.Header().Set("X-From", "application")
		w.Header().Add("Set-Cookie", "sessionid=made; Path=/")
		w.Header().Add("Set-Cookie", "other=made")
		w.WriteHeader(http.StatusTeapot)
		_ = json.NewEncoder(w).Encode(seen{Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header, Trailer: r.Trailer})
	}))
}

// way is one in which a request reaches the application.
type way struct {
	dial
	keepsCookies bool // takes one cookie out of many, and knows a session from a token
	exactNames   bool // refuses a header with an underscore
	asksAgain    bool // nginx, for a refusal's body
}

// announceAll has the caller named in every header that there is.
func (w *world) announceAll(t testing.TB, encoding gateway.Encoding) {
	t.Helper()
	w.announce(t, gateway.Announcement{
		Headers: map[string]string{"X-Remote-User": "username"}, Encoding: encoding, Now: w.Time,
		Assert: func(_ context.Context, id *verification.Identity) (string, error) {
			return "signed." + id.Subject.Username, nil
		},
	})
}

// everyWay starts all of them in front of one application.
func (w *world) everyWay(t *testing.T, application string) map[string]way {
	t.Helper()
	doors := []string{"basic", "token", "header:X-API-Key"}
	base := parseURL(t, w.proxy(t, func(c *gateway.ProxyConfig) {
		c.Upstream = parseURL(t, application)
		c.Routes = []gateway.Route{
			{Path: "/files", TokensIn: doors, Methods: []string{"GET"}},
			{Path: "/files", TokensIn: doors},
			{Path: "/session", Require: gateway.RequireOptional},
			{Path: "/api", Scope: []string{"read"}, Methods: []string{"GET"}},
			{Path: "/api", Scope: []string{"write"}},
		}
	}))
	bearerd := serve(t, w.questions())
	more := []string{"X-Remote-User", "Bearerd-Assertion"}
	ways := map[string]way{
		"proxy": {dial: func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", base.Host) }, keepsCookies: true},
	}
	for name, f := range map[string]struct {
		run frontendtest.Starter
		way way
	}{
		"nginx":   {frontendtest.Nginx, way{keepsCookies: true, asksAgain: true}},
		"caddy":   {frontendtest.CaddyWith(more...), way{keepsCookies: true}},
		"traefik": {frontendtest.TraefikWith(more...), way{}},
		"envoy":   {frontendtest.Envoy, way{exactNames: true}},
	} {
		t.Run("start "+name, func(t2 *testing.T) {
			if name == "nginx" || name == "caddy" {
				frontendtest.Program(t2, name, "/usr/sbin/"+name) // without it the others go on
			}
			f.way.dial = f.run(t, bearerd, application).Dial
			ways[name] = f.way
		})
	}
	return ways
}

// forged are headers that a client sends in the hope that the application believes them,
// in every spelling, as they stand in a request.
func forged(exactNames bool) string {
	var out strings.Builder
	for _, name := range append(slices.Clone(identityHeaders), "X-Remote-User", "Bearerd-Assertion", "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override") {
		spellings := []string{name, strings.ToLower(name), strings.ToUpper(name), name}
		if !exactNames {
			under := strings.ReplaceAll(name, "-", "_")
			spellings = append(spellings, under, strings.ToUpper(under), strings.Replace(name, "-", "_", 1), under)
		}
		for _, s := range spellings {
			fmt.Fprintf(&out, "%s: forged\r\n", s)
		}
	}
	return out.String() + "Connection: close, Remote-User, x-remote-user, Bearerd-Assertion, X-Bearerd-Subject, X-Bearerd-Token-Kind, Authorization, X-API-Key\r\n"
}

// request is one for a site's path, with forged headers, and in a trailer where it has a
// body.
func request(method, host, path, headers string, exactNames bool) string {
	head := method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers + forged(exactNames)
	if method != http.MethodPost {
		return head + "\r\n"
	}
	return head + "Transfer-Encoding: chunked\r\nTrailer: Remote-User, X-Remote-User, Bearerd-Assertion\r\n\r\n3\r\nabc\r\n0\r\n" +
		"Remote-User: forged\r\nX-Remote-User: forged\r\nBearerd-Assertion: forged\r\n\r\n"
}

// told is what an application learns from a request of who is calling, as far as it says
// something.
func (s seen) told() map[string]string {
	said := map[string]string{}
	for _, name := range append(slices.Clone(identityHeaders), "X-Remote-User", "Bearerd-Assertion") {
		if v := strings.Join(s.Header[name], "|"); v != "" {
			said[name] = v
		}
	}
	return said
}

// clean fails where something that the client sent stands where the application trusts it,
// or where one of the secrets arrived.
func (s seen) clean(t *testing.T, secrets ...string) {
	t.Helper()
	for _, h := range []http.Header{s.Header, s.Trailer} {
		for name, values := range h {
			all := strings.Join(values, "|")
			if strings.Contains(all, "forged") || slices.ContainsFunc(secrets, func(v string) bool { return strings.Contains(all, v) }) {
				t.Errorf("the application got %s: %s", name, all)
			}
		}
	}
}

// credential is one way to say who is calling.
type credential struct {
	method, headers string
	secret          string
	id, kind        string // of its token
	scope           string
	session         bool
	refused         bool
}

func (w *world) everyCredential(t *testing.T, session string) map[string]credential {
	t.Helper()
	header := func(name, value string) string { return name + ": " + value + "\r\n" }
	basicAuth := func(user, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
	}
	const cookie = "Cookie: sessionid=mine; a=b\r\n"
	may := nodetest.May("create", "/task-tokens/TES")
	may.User = w.ada.ID
	_, err := w.CreateBinding(t.Context(), caller.Operator(), may)
	must(t, err)
	by, err := w.Session(t.Context(), w.SessionToken(t, "ada", password).Value.Reveal())
	must(t, err)
	access, api := w.issue(t, scope("read")), w.APIToken(t, by, credentials.NewCredential{Scope: []string{"read"}})
	traded, err := w.Exchange(t.Context(), issuance.Exchange{Subject: w.ExchangeKey(t, by, credentials.NewCredential{}).Value.Reveal(), TaskType: "TES"})
	must(t, err)
	task := traded.Access
	a, k := access.Value.Reveal(), api.Value.Reveal()
	of := func(headers, secret string, i *issuance.Issued, kind string) credential {
		return credential{http.MethodPost, headers + cookie, secret, i.ID, kind, "read", false, false}
	}
	return map[string]credential{
		"an access token": of(header("Authorization", "Bearer "+a), a, access, "access"),
		"an API token":    of(header("authorization", "bearer "+k), k, api, "api-token"),
		"a task token":    {method: http.MethodPost, headers: header("Authorization", "Bearer "+task.Value.Reveal()) + cookie, refused: true},
		"Basic":           of(header("Authorization", basicAuth("ada", k)), basicAuth("ada", k), api, "api-token"),
		"Token":           of(header("Authorization", "Token "+k), k, api, "api-token"),
		"a header":        of(header("X-API-Key", a), a, access, "access"),
		"a session":       {method: http.MethodGet, headers: "Cookie: a=b; sessionid=" + session + "; c=d\r\n", secret: session, kind: "session", session: true},
	}
}

// TestTheApplicationIsToldTheSameWhicheverWayARequestCame goes through every way, every
// kind of credential and every encoding.
func TestTheApplicationIsToldTheSameWhicheverWayARequestCame(t *testing.T) {
	t.Parallel()
	names := map[gateway.Encoding][3]string{ // name, address, groups
		gateway.UTF8:    {"Ada Lövelace", "ada@example.org", "curators,staff"},
		gateway.Percent: {"Ada%20L%C3%B6velace", "ada%40example.org", "curators,staff"},
		gateway.ASCII:   {"", "ada@example.org", "curators,staff"},
	}
	for encoding, text := range names {
		t.Run(string(encoding), func(t *testing.T) {
			t.Parallel()
			w, session := bySessionOf(t, nodetest.Options{Settings: nodetest.WithTaskTypes})
			name := "Ada Lövelace"
			if _, err := w.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Name: &name}); err != nil {
				t.Fatal(err)
			}
			w.announce(t, gateway.Announcement{
				Headers: map[string]string{"X-Remote-User": "username"}, Encoding: encoding, Now: w.Time,
				Assert: func(_ context.Context, id *verification.Identity) (string, error) {
					return "signed." + id.Subject.Username, nil
				},
			})
			credentials := w.everyCredential(t, session)
			for by, through := range w.everyWay(t, cookieSetter(t)) {
				for kind, c := range credentials {
					t.Run(by+", "+kind, func(t *testing.T) {
						got := exchange(t, through.dial, request(c.method, frontendtest.Host, "/files/x", c.headers, through.exactNames))
						if c.refused {
							if got.status != http.StatusUnauthorized || got.header.Get("X-From") != "" {
								t.Errorf("%d %s", got.status, got.body)
							}
							return
						}
						s := got.reached(t)
						s.clean(t, c.secret)
						want := map[string]string{
							"Remote-User": "ada", "X-Remote-User": "ada", "Bearerd-Assertion": "signed.ada", "Remote-Name": text[0], "Remote-Email": text[1],
							"Remote-Groups": text[2], "X-Bearerd-Subject": w.ada.ID, "X-Bearerd-Token-Kind": c.kind, "X-Bearerd-Scope": c.scope,
						}
						told := s.told()
						if c.session {
							want["X-Bearerd-Collection"] = "4"
						} else {
							want["X-Bearerd-Token-Id"] = c.id
						}
						if told["X-Bearerd-Audience"] == "" || c.session && told["X-Bearerd-Token-Id"] == "" {
							t.Errorf("told %v", told)
						}
						delete(told, "X-Bearerd-Audience")
						if c.session {
							delete(told, "X-Bearerd-Token-Id")
						}
						maps.DeleteFunc(want, func(_, v string) bool { return v == "" })
						if diff := cmp.Diff(want, told); diff != "" {
							t.Errorf("(-want +got):\n%s", diff)
						}
						cookie := ""
						if c.session && through.keepsCookies {
							cookie = "a=b; c=d"
						}
						if s.Header.Get("Authorization") != "" || s.Header.Get("X-Api-Key") != "" || s.Header.Get("Cookie") != cookie {
							t.Errorf("arrived as %v", s.Header)
						}
						if set := got.header["Set-Cookie"]; !c.session && len(set) > 0 {
							t.Errorf("%q came back", set)
						}
					})
				}
			}
		})
	}
}

// TestAPreflightCarriesNobodyWhicheverWayItCame sends one with everything that says who is
// calling.
func TestAPreflightCarriesNobodyWhicheverWayItCame(t *testing.T) {
	t.Parallel()
	w, session := bySession(t)
	w.announceAll(t, gateway.UTF8)
	value := w.issue(t, scope("read")).Value.Reveal()
	for by, through := range w.everyWay(t, cookieSetter(t)) {
		for _, host := range []string{frontendtest.Host, frontendtest.LoginHost} {
			for _, path := range []string{"/x", "/api/x", "/files/x", "/session/x"} {
				door := ""
				if path == "/files/x" || by != "proxy" {
					door = "X-API-Key: " + value + "\r\n" // where it isn't one, the proxy leaves it to the application
				}
				headers := door + "Origin: https://app.example.org\r\nAccess-Control-Request-Method: PUT\r\nAuthorization: Bearer " + value +
					"\r\nCookie: a=b; sessionid=" + session + "\r\n"
				got := exchange(t, through.dial, request(http.MethodOptions, host, path, headers, through.exactNames))
				if got.status != http.StatusTeapot {
					t.Errorf("%s, %s%s: %d %s", by, host, path, got.status, got.body)
					continue
				}
				s := got.reached(t)
				s.clean(t, value, session)
				if told := s.told(); len(told) > 0 || s.Header.Get("Cookie") != "" || s.Header.Get("Authorization") != "" || s.Header.Get("Origin") == "" {
					t.Errorf("%s, %s%s: arrived as %v", by, host, path, s.Header)
				}
			}
		}
	}
}

// TestAnApplicationWithALoginKeepsIt holds the site of each page that stands first.
func TestAnApplicationWithALoginKeepsIt(t *testing.T) {
	t.Parallel()
	w, _ := bySession(t)
	w.announceAll(t, gateway.UTF8)
	reader := "Authorization: Bearer " + w.issue(t, scope("read")).Value.Reveal() + "\r\n"
	const cookie, own = "Cookie: sessionid=mine; a=b\r\n", "Authorization: Basic YTpi\r\n"
	for by, through := range w.everyWay(t, cookieSetter(t)) {
		if by == "proxy" {
			continue // it has one site, and its routes have tests of their own
		}
		for name, tc := range map[string]struct {
			method, path, headers string
			status                int
			user, cookie          string
			sets                  int
		}{
			"nobody":                        {"GET", "/x", cookie, 418, "", "sessionid=mine; a=b", 2},
			"nobody, posting":               {"POST", "/api/x", cookie, 418, "", "sessionid=mine; a=b", 2},
			"the application's own Basic":   {"GET", "/x", own + cookie, 418, "", "sessionid=mine; a=b", 2},
			"a token":                       {"POST", "/x", reader + cookie, 418, "ada", "", 0},
			"reading with the scope read":   {"GET", "/api/x", reader + cookie, 418, "ada", "", 0},
			"writing with the scope read":   {"POST", "/api/x", reader + cookie, 403, "", "", 0},
			"another method than the real":  {"POST", "/api/x", "X-Forwarded-Method: GET\r\nX-Original-Method: GET\r\n" + reader, 403, "", "", 0},
			"a token that is none":          {"GET", "/x", "Authorization: Bearer junk\r\n" + cookie, 401, "", "", 0},
			"a token that is none, in case": {"GET", "/x", "AUTHORIZATION: bEARER junk\r\n" + cookie, 401, "", "", 0},
		} {
			got := exchange(t, through.dial, request(tc.method, frontendtest.LoginHost, tc.path, tc.headers, through.exactNames))
			if got.status != tc.status || len(got.header["Set-Cookie"]) != tc.sets {
				t.Errorf("%s, %s: %d %v %s", by, name, got.status, got.header, got.body)
				continue
			}
			if tc.status != http.StatusTeapot {
				m := got.members(t)
				if m["error"] == "" || m["detail"] == "" || got.header.Get("Www-Authenticate") == "" {
					t.Errorf("%s, %s: %v %s", by, name, got.header, got.body)
				}
				continue
			}
			s := got.reached(t)
			s.clean(t)
			if s.Header.Get("Remote-User") != tc.user || s.Header.Get("Cookie") != tc.cookie {
				t.Errorf("%s, %s: arrived as %v", by, name, s.Header)
			}
			if kept := s.Header.Get("Authorization") == "Basic YTpi"; kept != strings.HasPrefix(tc.headers, own) {
				t.Errorf("%s, %s: arrived as %v", by, name, s.Header)
			}
		}
	}
}

// TestARefusalReachesTheClientAsBearerdWroteIt holds status, headers and body, as JSON and
// as a page.
func TestARefusalReachesTheClientAsBearerdWroteIt(t *testing.T) {
	t.Parallel()
	w, _ := bySession(t)
	w.gate.TokensPage = "https://museum.example.org/auth/tokens"
	bearerHeader := "Authorization: Bearer " + w.issue(t, scope("read")).Value.Reveal() + "\r\n"
	const page = "Accept: text/html,*/*;q=0.8\r\n"
	for by, through := range w.everyWay(t, cookieSetter(t)) {
		for name, tc := range map[string]struct {
			path, headers string
			status        int
			says          string
			challenges    []string
		}{
			"no token":         {"/x", "", 401, "This needs a token", []string{"Bearer realm"}},
			"a page of it":     {"/x", page, 401, "This needs a token", []string{"Bearer realm"}},
			"junk":             {"/x", "Authorization: Bearer junk\r\n", 401, "not accepted: malformed", []string{"Bearer realm"}},
			"too small a one":  {"/api/x", bearerHeader, 403, "(write)", []string{"Bearer realm"}},
			"a page of that":   {"/api/x", page + bearerHeader, 403, "(write)", []string{"Bearer realm"}},
			"nothing, at door": {"/files/x", "", 401, "This needs a token", []string{"Bearer realm", "Basic realm"}},
		} {
			got := exchange(t, through.dial, request(http.MethodPost, frontendtest.Host, tc.path, tc.headers, through.exactNames))
			kind := "application/json"
			if strings.HasPrefix(tc.headers, page) {
				kind = "text/html; charset=utf-8"
			}
			if got.status != tc.status || !strings.Contains(got.body, tc.says) || got.header.Get("Content-Type") != kind || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: %d %v %s", by, name, got.status, got.header, got.body)
			}
			challenges := got.header["Www-Authenticate"]
			if len(challenges) != len(tc.challenges) {
				t.Errorf("%s, %s: the challenges %q", by, name, challenges)
				continue
			}
			for i, want := range tc.challenges {
				if !strings.HasPrefix(challenges[i], want) {
					t.Errorf("%s, %s: the challenges %q", by, name, challenges)
				}
			}
		}
	}
}
