package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/gateway"
)

// nginxPath finds nginx. Without it the tests are skipped, in CI they fail.
func nginxPath(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("nginx is missing")
	}
	t.Skip("nginx is missing: make packages installs it")
	return ""
}

// documented gives the files that docs/deploy-nginx.md shows, by their names.
func documented(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/deploy-nginx.md")
	must(t, err)
	files := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^```nginx\n# /etc/nginx/(\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		files[m[1]] = m[2]
	}
	return files
}

// replaceOnce fails when the document no longer says what the test replaces.
func replaceOnce(t testing.TB, text, old, new string) string {
	t.Helper()
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("%q stands %d times in the document", old, n)
	}
	return strings.Replace(text, old, new, 1)
}

// startNginx runs nginx with the documented files in front of bearerd and the
// application, and gives a client whose requests it gets.
func startNginx(t testing.TB, bearerd, application string) *http.Client {
	t.Helper()
	binary, files := nginxPath(t), documented(t)
	for _, name := range []string{"bearerd-verify.conf", "bearerd-application.conf", "conf.d/application.conf"} {
		if files[name] == "" {
			t.Fatalf("the document doesn't show %s", name)
		}
	}
	dir, err := os.MkdirTemp("", "nginx") //nolint:usetesting // t.TempDir can be too long for a socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	site := files["conf.d/application.conf"]
	site = replaceOnce(t, site, "server 127.0.0.1:8080;", "server "+parseURL(t, bearerd).Host+";")
	site = replaceOnce(t, site, "server 127.0.0.1:8000;", "server "+parseURL(t, application).Host+";")
	files["conf.d/application.conf"] = replaceOnce(t, site, "listen 80;", "listen unix:"+socket+";")
	files["nginx.conf"] = "daemon off; master_process off; pid nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  client_body_temp_path body;" +
		" proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  include conf.d/*.conf;\n}\n"
	for name, text := range files {
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	runNginx(t, binary, dir, socket)
	return &http.Client{
		Transport: &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func runNginx(t testing.TB, binary, dir, socket string) {
	t.Helper()
	var log lockedBuffer
	cmd := exec.Command(binary, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	cmd.Stdout, cmd.Stderr = &log, &log
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("nginx said:\n%s", log.String())
		}
	})
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(t.Context(), "unix", socket)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("nginx ended: %s", log.String())
		default:
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("nginx doesn't listen: %v\n%s", err, log.String())
		}
	}
}

// throughNginx sends a request by the client.
func throughNginx(t testing.TB, client *http.Client, method, target string, h http.Header, body io.Reader) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://museum.example.org"+target, body)
	must(t, err)
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

// question is what nginx asked bearerd.
type question struct {
	method, target, host, from string
	header                     http.Header
	body                       int64
}

// asked is bearerd behind nginx: it notes each question before it is answered.
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

// behindNginx is a world with nginx in front of a mirror.
func (w *world) behindNginx(t testing.TB) (*http.Client, *asked) {
	t.Helper()
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: w.gate}).Register(mux)
	a := &asked{}
	return startNginx(t, serve(t, a.wrap(mux)), mirror(t).String()), a
}

func TestNginxTellsTheApplicationWhoIsCallingAndNothingForged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, authoritytest.Options{})
	client, _ := w.behindNginx(t)
	issued := w.issue(t, func(r *authority.Request) { r.Scope = []string{"read"} })
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
		h := forgeries()
		maps.Copy(h, tc.auth)
		h.Set("Cookie", "a=b; bearerd_session="+sess+"; c=d")
		s := throughNginx(t, client, http.MethodGet, tc.target, h, nil).reached(t)
		want := maps.Clone(tc.want)
		maps.DeleteFunc(want, func(_, v string) bool { return v == "" }) // nginx sends no empty header
		got := map[string]string{}
		for name, values := range s.Header {
			folded := strings.NewReplacer("_", "-", ".", "-", "~", "-").Replace(strings.ToLower(name))
			if strings.HasPrefix(folded, "remote-") || strings.HasPrefix(folded, "x-bearerd-") {
				got[name] = strings.Join(values, "|")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.target, diff)
		}
		if s.Header.Get("Authorization") != "" || s.Header.Get("Cookie") != "a=b; c=d" || s.Host != "museum.example.org" || s.Target != tc.target {
			t.Errorf("%s: arrived as %+v", tc.target, s)
		}
	}
}

func TestNginxHasRoomForAUserOfManyGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, authoritytest.Options{})
	client, _ := w.behindNginx(t)
	var groups []string
	for i := range 50 {
		groups = append(groups, fmt.Sprintf("%02d%s", i, strings.Repeat("g", 250)))
	}
	if _, err := w.UpdateUser(t.Context(), authority.Operator(), "ada", authority.UserPatch{Groups: &groups}); err != nil {
		t.Fatal(err)
	}
	s := throughNginx(t, client, http.MethodGet, "/x", bearer(w.issue(t, nil)), nil).reached(t)
	if got := s.Header.Get("Remote-Groups"); got != strings.Join(groups, ",") {
		t.Errorf("%d bytes arrived as %d", len(strings.Join(groups, ",")), len(got))
	}
}

func TestNginxPassesRefusalsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, authoritytest.Options{})
	client, _ := w.behindNginx(t)
	issued, revoked := w.issue(t, nil), w.issue(t, nil)
	throughNginx(t, client, http.MethodGet, "/x", bearer(revoked), nil).reached(t)
	w.revoke(t, revoked)
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
		{"scope", "/api/x", bearer(issued), 403, refused("insufficient_scope", "the scope read is needed", `, scope="read"`)},
		{"the question from outside", "/auth/verify", bearer(issued), 404, ""},
	} {
		got := throughNginx(t, client, http.MethodPost, tc.target, tc.header, strings.NewReader("body"))
		var want []string
		if tc.challenge != "" {
			want = []string{tc.challenge}
		}
		if diff := cmp.Diff(want, got.header["Www-Authenticate"]); got.status != tc.status || diff != "" || got.header.Get("Location") != "" {
			t.Errorf("%s: %d, want %d (-want +got):\n%s", tc.name, got.status, tc.status, diff)
		}
	}
}

func TestNginxAsksOnLastingConnectionsWithoutQueryAndBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, authoritytest.Options{})
	client, a := w.behindNginx(t)
	issued := w.issue(t, nil)
	chunked := func() io.Reader { return io.MultiReader(strings.NewReader(strings.Repeat("x", 200<<10))) }
	for _, body := range []func() io.Reader{func() io.Reader { return nil }, func() io.Reader { return strings.NewReader("body") }, chunked} {
		for range 5 {
			s := throughNginx(t, client, http.MethodPut, "/x?access_token=secret&scope=admin", bearer(issued), body()).reached(t)
			if s.Method != http.MethodPut || s.Target != "/x?access_token=secret&scope=admin" {
				t.Errorf("arrived as %s %s", s.Method, s.Target)
			}
		}
	}
	questions := a.take()
	connections := map[string]bool{}
	for _, q := range questions {
		connections[q.from] = true
		if q.method != http.MethodGet || q.target != "/auth/verify" || q.body != 0 || q.host != "museum.example.org" ||
			q.header.Get("X-Forwarded-Method") != http.MethodPut || q.header.Get("Remote-User") != "" {
			t.Errorf("asked %+v", q)
		}
	}
	if len(questions) != 15 || len(connections) != 1 {
		t.Errorf("%d questions on %d connections", len(questions), len(connections))
	}
}

func TestNginxSays503WhenBearerdHasNoAnswer(t *testing.T) {
	t.Parallel()
	var status, retryAfter string
	var mu sync.Mutex
	bearerd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if status == "hang up" {
			panic(http.ErrAbortHandler)
		}
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		code := 200
		_, _ = fmt.Sscan(status, &code)
		w.WriteHeader(code)
	}))
	t.Cleanup(bearerd.Close)
	client := startNginx(t, bearerd.URL, mirror(t).String())
	check := func(set, retry string, want int, wantRetry string) {
		t.Helper()
		mu.Lock()
		status, retryAfter = set, retry
		mu.Unlock()
		got := throughNginx(t, client, http.MethodGet, "/x", nil, nil)
		if got.status != want || got.header.Get("Retry-After") != wantRetry || got.header.Get("X-From") != "" {
			t.Errorf("%s: %d, Retry-After %q; want %d %q", set, got.status, got.header.Get("Retry-After"), want, wantRetry)
		}
	}
	check("503", "7", 503, "7")
	check("503", "", 503, "1")
	check("500", "", 503, "1")
	check("hang up", "", 503, "1")
	check("400", "", 500, "")
	bearerd.Close()
	check("not there", "", 503, "1")
}

func TestNginxLeavesTheApplicationsOwnAnswersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, authoritytest.Options{})
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: w.gate}).Register(mux)
	application := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("status"), &code)
		w.Header().Set("Www-Authenticate", "Basic")
		http.Error(w, "my own", code)
	})
	client := startNginx(t, serve(t, mux), serve(t, application))
	issued := w.issue(t, nil)
	for _, status := range []int{400, 401, 403, 404, 500, 503} {
		got := throughNginx(t, client, http.MethodGet, "/x?status="+fmt.Sprint(status), bearer(issued), nil)
		if got.status != status || got.body != "my own\n" || len(got.header["Www-Authenticate"]) != 1 || got.header.Get("Www-Authenticate") != "Basic" {
			t.Errorf("%d: %d %q %q", status, got.status, got.body, got.header["Www-Authenticate"])
		}
	}
}

func TestNginxPassesStreamsAndUpgrades(t *testing.T) {
	t.Parallel()
	w := newWorld(t, authoritytest.Options{})
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: w.gate}).Register(mux)
	client := startNginx(t, serve(t, mux), serve(t, upperEcho(t)))
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
}

func TestNginxLeadsToBearerdsOwnEndpoints(t *testing.T) {
	t.Parallel()
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "bearerd "+r.RequestURI) })
	client := startNginx(t, serve(t, own), mirror(t).String())
	for _, target := range []string{"/auth/login?next=%2F", "/oauth2/token", "/.well-known/jwks.json", "/auth/api/v1/users/a%2Fb"} {
		got := throughNginx(t, client, http.MethodPost, target, nil, strings.NewReader("x"))
		if got.body != "bearerd "+target {
			t.Errorf("%s: %d %q", target, got.status, got.body)
		}
	}
}
