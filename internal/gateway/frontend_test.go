package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/frontendtest"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// frontend is a web server that we have a page for. Traefik is played by what its
// documentation says: it has no route without a question, can't take one cookie away,
// and says nothing about odd paths.
type frontend struct {
	run    frontendtest.Starter
	played bool
}

// start runs the web server and returns a client whose requests it gets.
func (f frontend) start(t testing.TB, bearerd, application string) *http.Client {
	t.Helper()
	return f.run(t, bearerd, application).Client()
}

// eachFrontend runs a test behind each of them.
func eachFrontend(t *testing.T, do func(t *testing.T, f frontend)) {
	t.Parallel()
	for name, f := range map[string]frontend{
		"nginx": {run: frontendtest.Nginx}, "caddy": {run: frontendtest.Caddy}, "traefik": {frontendtest.Traefik, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			do(t, f)
		})
	}
}

// through sends a request by the client of a frontend. The target may be a path
// that no client would send: it goes out as it is.
func through(t testing.TB, client *http.Client, method, target string, h http.Header, body io.Reader) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://museum.example.org", body)
	must(t, err)
	path, query, _ := strings.Cut(target, "?")
	r.URL = &url.URL{Scheme: "http", Host: "museum.example.org", Opaque: "//museum.example.org" + path, RawQuery: query}
	if h != nil {
		r.Header = h.Clone()
	}
	resp, err := client.Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// question is what bearerd was asked.
type question struct {
	method, target, host, from string
	header                     http.Header
	body                       int64
}

// asked is bearerd behind a frontend: it notes each question before it is answered.
type asked struct {
	mu        sync.Mutex
	questions []question
}

func (a *asked) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		a.mu.Lock()
		a.questions = append(a.questions, question{r.Method, r.RequestURI, r.Host, r.RemoteAddr, r.Header.Clone(), n})
		a.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (a *asked) take() []question {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.questions = nil }()
	return a.questions
}

// behind is a world with a web server in front of a mirror.
func (w *world) behind(t testing.TB, f frontend) (*http.Client, *asked) {
	t.Helper()
	a := &asked{}
	return f.start(t, serve(t, a.wrap(w.questions())), mirror(t).String()), a
}

// questions serves what a web server asks, with the requirements that the page for Envoy
// names.
func (w *world) questions() http.Handler {
	return w.questionsFor(map[string]gateway.NamedRequirement{
		"any": {}, "api": {Scope: []string{"write"}, SafeScope: []string{"read"}}, "files": {In: []string{"basic", "token", "header:X-API-Key"}},
	})
}

// questionsFor is questions with other requirements.
func (w *world) questionsFor(named map[string]gateway.NamedRequirement) http.Handler {
	requirements, err := gateway.NewRequirements(named)
	if err != nil {
		panic(err)
	}
	auth := &gateway.ForwardAuth{Gate: w.gate, Requirements: requirements}
	mux := http.NewServeMux()
	auth.Register(mux)
	path, extAuthz := auth.Beneath()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, path) {
			extAuthz.ServeHTTP(rw, r)
			return
		}
		mux.ServeHTTP(rw, r)
	})
}

// identityOf returns the headers of a request that some application could take for
// bearerd's, but for empty ones.
func identityOf(h http.Header) map[string]string {
	got := map[string]string{}
	for name, values := range h {
		folded := strings.NewReplacer("_", "-", ".", "-", "~", "-").Replace(strings.ToLower(name))
		value := strings.Join(values, "|")
		if value != "" && (strings.HasPrefix(folded, "remote-") || strings.HasPrefix(folded, "x-bearerd-")) {
			got[name] = value
		}
	}
	return got
}

func TestFrontendTellsTheApplicationWhoIsCallingAndNothingForged(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		client, _ := w.behind(t, f)
		issued := w.issue(t, func(r *issuance.Request) { r.Scope = []string{"read"} })
		sess := w.SessionToken(t, "ada", password).Value.Reveal()
		for _, tc := range []struct {
			target string
			auth   http.Header
			want   map[string]string
		}{
			{"/x?secret=1", bearer(issued), adaIdentity(w, issued)},
			{"/api/x", bearer(issued), adaIdentity(w, issued)},
			{"/session/x", bearer(issued), adaIdentity(w, issued)},
			{"/session/x", nil, nobody()},
			{"/public/x", nil, nobody()},
			{"/public/x", bearer(issued), nobody()},
		} {
			if f.played && strings.HasPrefix(tc.target, "/public/") {
				continue
			}
			h := forgeries()
			maps.Copy(h, tc.auth)
			h.Set("Cookie", "a=b; bearerd_session="+sess+"; c=d")
			s := through(t, client, http.MethodGet, tc.target, h, nil).reached(t)
			want := maps.Clone(tc.want)
			maps.DeleteFunc(want, func(_, v string) bool { return v == "" }) // a frontend may leave out what is empty
			if diff := cmp.Diff(want, identityOf(s.Header)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.target, diff)
			}
			if s.Host != "museum.example.org" || s.Target != tc.target {
				t.Errorf("%s: arrived as %+v", tc.target, s)
			}
			cookie := "a=b; c=d"
			if tc.want["Remote-User"] != "" {
				cookie = "" // it came in by a token
			}
			if kept := s.Header.Get("Authorization") == "" && s.Header.Get("Cookie") == cookie; !kept && !f.played {
				t.Errorf("%s: the application gets %v", tc.target, s.Header)
			}
		}
	})
}

func TestFrontendLeavesOtherCredentialsToTheApplication(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		client, _ := w.behind(t, f)
		h := http.Header{"Authorization": {"Basic YTpi"}, "Cookie": {"session=mine"}}
		s := through(t, client, http.MethodGet, "/session/x", h, nil).reached(t)
		if s.Header.Get("Authorization") != "Basic YTpi" || s.Header.Get("Cookie") != "session=mine" {
			t.Errorf("arrived as %v", s.Header)
		}
	})
}

func TestFrontendHasRoomForAUserOfManyGroups(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		w.announce(t, gateway.Announcement{Headers: map[string]string{"X-Remote-User": "groups"}}) // in two headers
		client, _ := w.behind(t, f)
		var groups []string
		for i := range 32 { // less than the 8 KiB that are sent
			groups = append(groups, fmt.Sprintf("%02d%s", i, strings.Repeat("g", 250)))
		}
		if _, err := w.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Groups: &groups}); err != nil {
			t.Fatal(err)
		}
		s := through(t, client, http.MethodGet, "/x", bearer(w.issue(t, nil)), nil).reached(t)
		if got := s.Header.Get("Remote-Groups"); got != strings.Join(groups, ",") {
			t.Errorf("%d bytes arrived as %d", len(strings.Join(groups, ",")), len(got))
		}
	})
}

func TestFrontendPassesRefusalsOn(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		client, _ := w.behind(t, f)
		issued, revoked := w.issue(t, nil), w.issue(t, nil)
		four := int64(4)
		lost := w.issue(t, func(r *issuance.Request) { r.Collection = &four })
		through(t, client, http.MethodGet, "/x", bearer(revoked), nil).reached(t)
		through(t, client, http.MethodGet, "/x", bearer(lost), nil).reached(t)
		w.revoke(t, revoked)
		if _, _, err := w.RemoveAccess(t.Context(), caller.Operator(), w.ada.ID, access.CollectionPath(4)); err != nil {
			t.Fatal(err)
		}
		bare := fmt.Sprintf(`Bearer realm="%s", resource_metadata="%s"`, realm, metadata)
		refused := func(code, why, scope string) string {
			return fmt.Sprintf(`Bearer realm="%s", error="%s", error_description="%s"%s, resource_metadata="%s"`, realm, code, why, scope, metadata)
		}
		for _, tc := range []struct {
			name, target string
			header       http.Header
			status       int
			challenge    string
		}{
			{"no token", "/x", nil, 401, bare},
			{"a browser without a token", "/x", http.Header{"Accept": {"text/html"}}, 401, bare},
			{"revoked a moment ago", "/x", bearer(revoked), 401, refused("invalid_token", "revoked", "")},
			{"revoked, where none is needed", "/session/x", bearer(revoked), 401, refused("invalid_token", "revoked", "")},
			{"junk", "/x", http.Header{"Authorization": {"Bearer junk"}}, 401, refused("invalid_token", "malformed or unknown token", "")},
			{"scope", "/api/x", bearer(issued), 403, refused("insufficient_scope", "the scope write is needed", `, scope="write"`)},
			{"the collection lost a moment ago", "/x", bearer(lost), 403, refused("insufficient_scope", "no access to the collection", "")},
			{"the question from outside", "/auth/verify", bearer(issued), 404, ""},
			{"the question from outside, spelt otherwise", "/auth//verify?optional=true", nil, 404, ""},
		} {
			if f.played && tc.challenge == "" {
				continue
			}
			got := through(t, client, http.MethodPost, tc.target, tc.header, strings.NewReader("body"))
			var want []string
			if tc.challenge != "" {
				want = []string{tc.challenge}
			}
			if diff := cmp.Diff(want, got.header["Www-Authenticate"]); got.status != tc.status || diff != "" || got.header.Get("Location") != "" {
				t.Errorf("%s: %d, want %d (-want +got):\n%s", tc.name, got.status, tc.status, diff)
			}
		}
	})
}

// What a client may try so that another question is asked than the one that is
// configured, or none.
func TestFrontendLetsNobodyChooseTheQuestion(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		client, a := w.behind(t, f)
		twice := bearer(w.issue(t, nil))
		twice.Add("Authorization", "Basic YTpi")
		for _, tc := range []struct {
			target string
			header http.Header
		}{
			{"/x?optional=true", nil},
			{"/x?optional=true&audience=&scope=", nil},
			{"/x?", nil},
			{"/api/x?optional=true", nil},
			{"/public/../x", nil},
			{"/public/%2e%2e/x", nil},
			{"/public%2f..%2fx", nil},
			{"/session/../api/x", nil},
			{"//x", nil},
			{"/x/..;/public/x", nil},
			{"/x", twice},
			{"/x", http.Header{"X-Original-Uri": {"/public/x"}, "X-Forwarded-Uri": {"/public/x"}, "X-Rewrite-Url": {"/public/x"}}},
			{"/x", http.Header{"X-Forwarded-Method": {"OPTIONS"}, "X-Http-Method-Override": {"OPTIONS"}}},
		} {
			if f.played && strings.Contains(tc.target, "..") {
				continue
			}
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, "BREW"} {
				got := through(t, client, method, tc.target, tc.header, nil)
				if got.header.Get("X-From") != "" || got.status < 400 || got.status >= 500 {
					t.Errorf("%s %s %v: %d %s", method, tc.target, tc.header, got.status, got.body)
				}
			}
		}
		for _, q := range a.take() {
			if !strings.HasPrefix(q.target, "/auth/verify") || strings.Contains(q.target, "optional") && q.target != "/auth/verify?optional=true&preflight=pass" {
				t.Errorf("asked %s", q.target)
			}
		}
	})
}

func TestFrontendAsksWithoutQueryAndBodyAndLosesNeither(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		client, a := w.behind(t, f)
		issued := w.issue(t, nil)
		long := strings.Repeat("x", 200<<10)
		for _, body := range []string{"", "body", long} {
			s := through(t, client, http.MethodPut, "/x?access_token=secret&scope=admin", bearer(issued), io.MultiReader(strings.NewReader(body))).reached(t)
			if s.Method != http.MethodPut || s.Target != "/x?access_token=secret&scope=admin" || s.Body != body {
				t.Errorf("arrived as %s %s with %d bytes of %d", s.Method, s.Target, len(s.Body), len(body))
			}
		}
		for _, q := range a.take() {
			if q.method != http.MethodGet || q.target != "/auth/verify?preflight=pass" || q.body != 0 || q.header.Get("X-Forwarded-Method") != http.MethodPut ||
				q.host != "museum.example.org" && q.header.Get("X-Forwarded-Host") != "museum.example.org" {
				t.Errorf("asked %+v", q)
			}
		}
	})
}

// Caddy before the change of July 2026 keeps a connection to the application among those to
// bearerd where a question is answered over another connection before its own is made. So it
// asked the application, whose 200 let everything pass.
func TestFrontendNeverAsksTheApplication(t *testing.T) {
	const bursts, many = 60, 128
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		var questions, others atomic.Int64
		application := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/auth/") {
				questions.Add(1)
			} else {
				others.Add(1)
			}
		}))
		client := f.start(t, serve(t, w.questions()), application)
		h := bearer(w.issue(t, nil))
		for range bursts { // each is a new burst: connections are idle, and too few
			var all sync.WaitGroup
			for range many {
				all.Go(func() { through(t, client, http.MethodGet, "/x", h, nil) })
			}
			all.Wait()
		}
		if questions.Load() > 0 || others.Load() != bursts*many {
			t.Errorf("the application was asked %d questions, and reached by %d requests of %d", questions.Load(), others.Load(), bursts*many)
		}
	})
}

func TestFrontendLetsNothingPassWithoutBearerd(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		closed := serve(t, http.NotFoundHandler())
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		must(t, err)
		gone := "http://" + listener.Addr().String()
		must(t, listener.Close())
		for name, bearerd := range map[string]string{
			"not there":  gone,
			"unknown":    closed,
			"hanging up": serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })),
			"failing":    serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })),
			"no lease": serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusServiceUnavailable)
			})),
		} {
			client := f.start(t, bearerd, mirror(t).String())
			for _, target := range []string{"/x", "/api/x", "/session/x"} {
				got := through(t, client, http.MethodGet, target, http.Header{"Authorization": {"Bearer x.y.z"}}, nil)
				if got.header.Get("X-From") != "" || got.status < 400 {
					t.Errorf("%s, %s: %d %s", name, target, got.status, got.body)
				}
				if name == "no lease" && (got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1") {
					t.Errorf("%s: %d, Retry-After %q", name, got.status, got.header.Get("Retry-After"))
				}
			}
			if !f.played {
				through(t, client, http.MethodGet, "/public/x", nil, nil).reached(t)
			}
		}
	})
}

func TestFrontendLeavesTheApplicationsOwnAnswersAlone(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		application := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			code := 0
			_, _ = fmt.Sscan(r.URL.Query().Get("status"), &code)
			w.Header().Set("Www-Authenticate", "Basic")
			http.Error(w, "my own", code)
		})
		client := f.start(t, serve(t, w.questions()), serve(t, application))
		issued := w.issue(t, nil)
		for _, status := range []int{400, 401, 403, 404, 500, 503} {
			got := through(t, client, http.MethodGet, "/x?status="+fmt.Sprint(status), bearer(issued), nil)
			if got.status != status || got.body != "my own\n" || len(got.header["Www-Authenticate"]) != 1 || got.header.Get("Www-Authenticate") != "Basic" {
				t.Errorf("%d: %d %q %q", status, got.status, got.body, got.header["Www-Authenticate"])
			}
		}
	})
}

func TestFrontendPassesStreamsAndUpgrades(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		client := f.start(t, serve(t, w.questions()), serve(t, upperEcho(t)))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://museum.example.org/live", nil)
		must(t, err)
		r.Header = bearer(w.issue(t, nil))
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		resp, err := client.Do(r)
		must(t, err)
		defer func() { _ = resp.Body.Close() }()
		line, ok := resp.Body.(io.ReadWriter)
		if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
			t.Fatalf("%d %v", resp.StatusCode, resp.Header)
		}
		expect := func(want string) {
			t.Helper()
			got := make([]byte, len(want))
			if _, err := io.ReadFull(line, got); err != nil || !bytes.Equal(got, []byte(want)) {
				t.Fatalf("%q %v, want %q", got, err, want)
			}
		}
		expect("hello\n")
		_, _ = io.WriteString(line, "one\n")
		expect("ONE\n")
	})
}

func TestFrontendLeadsToBearerdsOwnEndpoints(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "bearerd "+r.RequestURI) })
		client := f.start(t, serve(t, own), mirror(t).String())
		for _, target := range []string{"/auth/login?next=%2F", "/oauth2/token", "/.well-known/jwks.json", "/auth/api/v1/users/a%2Fb"} {
			got := through(t, client, http.MethodPost, target, nil, strings.NewReader("x"))
			if got.body != "bearerd "+target {
				t.Errorf("%s: %d %q", target, got.status, got.body)
			}
		}
	})
}

// What a proxy that signs people in says to bearerd, no client says through a front end: it
// could try secrets there from an address that bearerd trusts.
func TestFrontendBringsNoProxysSecretOfAClients(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]frontendtest.Starter{
		"nginx": frontendtest.Nginx, "caddy": frontendtest.Caddy, "traefik": frontendtest.Traefik, "envoy": frontendtest.Envoy,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for name, values := range r.Header {
					if strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "X-Bearerd-Proxy") {
						_, _ = fmt.Fprintf(w, "%s: %s\n", name, strings.Join(values, "|"))
					}
				}
				_, _ = io.WriteString(w, "bearerd")
			})
			client := run(t, serve(t, own), mirror(t).String()).Client()
			targets := []string{"/auth/sign-in/sso", "/auth/login", "/AUTH//sign-in/sso", "/oauth2/token", "/.well-known/jwks.json"}
			if name != "envoy" { // whose page has no routes of the dialects
				targets = append(targets, "/accounts/token/", "/@@API/senaite/v1/login", "/api/profile", "/user/anyaccess")
			}
			for _, target := range targets {
				for _, spelling := range []string{"X-Bearerd-Proxy", "x-bearerd-proxy", "X_Bearerd_Proxy", "X-Bearerd_Proxy", "X_Bearerd-Proxy"} {
					got := through(t, client, http.MethodGet, target, http.Header{spelling: {"secret", "secret"}}, nil)
					if name == "envoy" && strings.Contains(spelling, "_") && got.status == http.StatusBadRequest {
						continue
					}
					if got.status != http.StatusOK || got.body != "bearerd" {
						t.Errorf("%s with %s: %d %q", target, spelling, got.status, got.body)
					}
				}
			}
		})
	}
}
