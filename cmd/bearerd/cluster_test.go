package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
	"github.com/bearerd/bearerd/internal/pgtest"
)

// shown returns the blocks of a page in docs/: those of a language, by the file that
// their first line names, or by their number.
func shown(t *testing.T, page, language string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for i, m := range regexp.MustCompile("(?ms)^```"+language+"\n(?:# (/etc/\\S+)\n)?(.*?)^```$").FindAllStringSubmatch(readText(t, "../../docs/"+page), -1) {
		name := m[1]
		if name == "" {
			name = fmt.Sprint(i)
		}
		files[name] = m[2]
	}
	return files
}

// swap fails when a page no longer says what the test replaces.
func swap(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if n := strings.Count(text, pairs[i]); n != 1 {
			t.Fatalf("%q stands %d times in\n%s", pairs[i], n, text)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// site is what docs/deploy-postgresql.md describes: nginx, two nodes, a database.
type site struct {
	*bench

	database *pgtest.Cluster
	nodes    [2]*process
	address  [2]string
	dir      string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{database: pgtest.Start(t)}
	for statement := range strings.SplitSeq(shown(t, "deploy-postgresql.md", "sql")["0"], ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			pgtest.Exec(t, s.database.DSN(), statement)
		}
	}
	dir := t.TempDir()
	cmd := exec.Command("bearerd", "keys", "master", "master.key")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.bench = newBench(t, dir, swap(t, shown(t, "deploy-postgresql.md", "yaml")["/etc/bearerd/bearerd.yaml"],
		"https://museum.example.org", "http://localhost:8080",
		"@db.example.org/bearerd?sslmode=verify-full", "@"+s.database.Addr()+"/bearerd?sslmode=disable",
		"/etc/bearerd/master.key", filepath.Join(dir, "master.key"), "10.0.0.10", "127.0.0.1"))
	for i := range s.nodes {
		s.address[i] = freeport.Address(t)
		s.start(t, i)
	}
	s.nginx(t)
	return s
}

// start starts a node where it was before, and waits until it is ready.
func (s *site) start(t *testing.T, i int) {
	t.Helper()
	p, err := start(s.command("serve", "--listen", s.address[i], "--ops-listen", "127.0.0.1:0"))
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	t.Cleanup(func() { _ = p.stop() })
	s.nodes[i] = p
	s.soon(t, "the node is ready", func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.ops+"/readyz", nil)
		if err != nil {
			return false
		}
		a, err := s.send(r)
		return err == nil && a.status == http.StatusOK
	})
}

// soon waits until something is so.
func (s *site) soon(t *testing.T, what string, so func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !so() {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("it never happens that %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// nginx runs nginx with the files of both pages, in front of an application that
// answers everybody.
func (s *site) nginx(t *testing.T) {
	t.Helper()
	binary := tool(t, "nginx", "/usr/sbin/nginx")
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-From", "application") }))
	t.Cleanup(application.Close)
	files, nodes := shown(t, "deploy-nginx.md", "nginx"), shown(t, "deploy-postgresql.md", "nginx")
	const retry = "include bearerd-retry.conf;\n"
	dir, err := os.MkdirTemp("", "site") //nolint:usetesting // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.dir = dir
	verify := swap(t, files["/etc/nginx/bearerd-verify.conf"], "proxy_connect_timeout 1s;\n", "", "proxy_read_timeout 5s;\n", "") + retry
	upstream := "upstream bearerd {\n    server 127.0.0.1:8080;\n    keepalive 32;\n}\n"
	for name, text := range map[string]string{
		"bearerd-verify.conf":      verify,
		"bearerd-endpoint.conf":    files["/etc/nginx/bearerd-endpoint.conf"] + retry,
		"bearerd-application.conf": files["/etc/nginx/bearerd-application.conf"],
		"bearerd-refusal.conf":     files["/etc/nginx/bearerd-refusal.conf"],
		"bearerd-locations.conf":   files["/etc/nginx/bearerd-locations.conf"],
		"conf.d/bearerd-maps.conf": files["/etc/nginx/conf.d/bearerd-maps.conf"],
		"conf.d/api.conf":          swap(t, files["/etc/nginx/conf.d/api.conf"], "listen 80;", "listen unix:"+filepath.Join(dir, "socket")+";"),
		"bearerd-retry.conf":       nodes["/etc/nginx/bearerd-retry.conf"],
		"conf.d/bearerd.conf":      swap(t, nodes["/etc/nginx/conf.d/bearerd.conf"], "10.0.0.11:8080", s.address[0], "10.0.0.12:8080", s.address[1]),
		"conf.d/application.conf": swap(t, files["/etc/nginx/conf.d/application.conf"], upstream, "", "127.0.0.1:8000",
			strings.TrimPrefix(application.URL, "http://"), "listen 80;", "listen unix:"+filepath.Join(dir, "socket")+";"),
		"nginx.conf": "daemon off; master_process off; pid nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  client_body_temp_path body;" +
			" proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  include conf.d/*.conf;\n}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil || text == "" {
			t.Fatalf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	var said bytes.Buffer
	cmd := exec.Command(binary, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx said:\n%s", &said)
		}
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "socket"))
	}
	s.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "museum.example.org:80" {
				return dial(ctx, network, address)
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	s.soon(t, "nginx listens", func() bool {
		conn, err := dial(t.Context(), "", "")
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// pageWait is for how long the page has people wait before they restart the next
// node: nginx asks a node that was away again after a second.
const pageWait = 2 * time.Second

const outside = "http://museum.example.org"

// get asks for something of the application's, and says whether it came from there.
func (s *site) get(t *testing.T, token string) (status int, reached bool, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, outside+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.client.Do(r)
	if err != nil {
		t.Error(err)
		return 0, false, nil
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("X-From") == "application", resp.Header
}

// whoNotices sends requests while something is done, and returns how many were sent
// and which of them did not get through.
func (s *site) whoNotices(t *testing.T, token string, do func()) (sent int, refused []int) {
	t.Helper()
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer close(done)
		do()
	})
	for ended := false; !ended; {
		for range 20 { // and some when it is done
			sent++
			if status, reached, _ := s.get(t, token); !reached {
				refused = append(refused, status)
			}
		}
		select {
		case <-done:
			ended = true
		default:
		}
	}
	group.Wait()
	return sent, refused
}

// TestTwoNodesBehindNginx is the site of docs/deploy-postgresql.md on a bad day.
func TestTwoNodesBehindNginx(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := func() string {
		a, err := s.post(outside+"/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("no token: %v, %+v", err, a)
		}
		value, _ := a.body["access_token"].(string)
		return value
	}
	good := token()
	nobody := func(what string, do func()) {
		t.Helper()
		sent, refused := s.whoNotices(t, good, do)
		if len(refused) > 0 {
			t.Errorf("%s: of %d requests were refused %v", what, sent, refused)
		}
		t.Logf("%s: %d requests, none refused", what, sent)
	}
	nobody("an ordinary day", func() {})
	nobody("a node is killed and comes back", func() {
		_ = s.nodes[0].cmd.Process.Signal(syscall.SIGKILL)
		<-s.nodes[0].done
		time.Sleep(200 * time.Millisecond)
		s.start(t, 0)
	})
	nobody("one node after the other is restarted", func() {
		for i := range s.nodes {
			if err := s.nodes[i].stop(); err != nil {
				t.Error(err)
			}
			s.start(t, i)
			time.Sleep(pageWait)
		}
	})
	s.revocationHolds(t, token())
	s.databaseStops(t, good)
	s.metricsAreThere(t)
	s.dumpIsRestored(t)
}

// revocationHolds revokes a token on whichever node nginx asks.
func (s *site) revocationHolds(t *testing.T, token string) {
	t.Helper()
	if _, reached, _ := s.get(t, token); !reached {
		t.Fatal("a new token is refused")
	}
	a, err := s.post(outside+"/oauth2/revoke", url.Values{"token": {token}})
	if err != nil || a.status != http.StatusOK || a.body["confirmed"] != 2.0 { // the killed one may still be on the list
		t.Fatalf("revoking: %v, %v", err, a.body)
	}
	for range 50 {
		if status, reached, _ := s.get(t, token); reached || status != http.StatusUnauthorized {
			t.Fatalf("a revoked token: %d", status)
		}
	}
}

// databaseStops is a day on which even PostgreSQL stops.
func (s *site) databaseStops(t *testing.T, good string) {
	t.Helper()
	s.database.Stop(t)
	took := s.soon(t, "nobody gets through", func() bool {
		_, reached, _ := s.get(t, good)
		return !reached
	})
	if took > 4*time.Second {
		t.Errorf("requests got through for %v without a database", took)
	}
	for range 20 {
		status, reached, header := s.get(t, good)
		if reached || status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
			t.Errorf("without a database: %d, Retry-After %q", status, header.Get("Retry-After"))
		}
	}
	s.database.Restart(t)
	back := s.soon(t, "requests get through again", func() bool {
		_, reached, _ := s.get(t, good)
		return reached
	})
	t.Logf("the database was gone: yes for another %v, and again %v after it was back", took.Round(time.Millisecond), back.Round(time.Millisecond))
	if back > 10*time.Second {
		t.Errorf("the nodes took %v to recover", back)
	}
}

// metricsAreThere compares the names on the page with the metrics of a node.
func (s *site) metricsAreThere(t *testing.T) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.nodes[0].ops+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	told, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\bbearerd_[a-z_]*[a-z]`).FindAllString(readText(t, "../../docs/deploy-postgresql.md"), -1)
	if len(names) < 8 {
		t.Errorf("the page names %q", names)
	}
	for _, name := range names {
		if !regexp.MustCompile(`(?m)^` + name + `(\{| )`).Match(told) {
			t.Errorf("there is no %s", name)
		}
	}
	if !bytes.Contains(told, []byte("\nbearerd_nodes 2\n")) {
		t.Error("two nodes are not counted as two")
	}
}

// dumpIsRestored loses the database, and puts a dump in its place.
func (s *site) dumpIsRestored(t *testing.T) {
	t.Helper()
	commands := strings.Split(strings.TrimSpace(shown(t, "deploy-postgresql.md", "sh")["1"]), "\n")
	if len(commands) != 2 {
		t.Fatalf("the page says %q", commands)
	}
	host, port, _ := net.SplitHostPort(s.database.Addr())
	run := func(line string) {
		t.Helper()
		tool(t, strings.Fields(line)[0])
		cmd := exec.Command("sh", "-ec", line)
		cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER=postgres")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	run(commands[0])
	for _, node := range s.nodes {
		if err := node.stop(); err != nil {
			t.Error(err)
		}
	}
	pgtest.Exec(t, s.database.DSN(), "DROP DATABASE bearerd WITH (FORCE)")
	for statement := range strings.SplitSeq(shown(t, "deploy-postgresql.md", "sql")["0"], ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" && !strings.HasPrefix(statement, "CREATE ROLE") {
			pgtest.Exec(t, s.database.DSN(), statement)
		}
	}
	run(commands[1])
	for i := range s.nodes {
		s.start(t, i)
	}
	a, err := s.post(outside+"/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
	value, _ := a.body["access_token"].(string)
	if _, reached, _ := s.get(t, value); err != nil || !reached {
		t.Errorf("after the restore: %v, %+v", err, a)
	}
	_ = s.nodes[0].stop()
	if !strings.Contains(s.nodes[0].log.String(), "the database was restored from a backup") {
		t.Errorf("the node doesn't say that it runs on a restored backup:\n%s", s.nodes[0].log)
	}
}
