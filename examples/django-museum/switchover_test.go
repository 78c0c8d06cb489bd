package museum_test

import (
	"bytes"
	"context"
	"database/sql" //nolint:depguard // the application's own database
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the application's database

	"github.com/bearerd/bearerd/internal/freeport"
)

// The tokens that clients hold: 40 hexadecimal digits, as Django REST framework makes them.
const (
	tokenOfAda  = "0123456789abcdef0123456789abcdef0123aaaa"
	tokenOfBert = "0123456789abcdef0123456789abcdef0123bbbb"
	tokenOfCarl = "0123456789abcdef0123456789abcdef0123cccc"
)

// oldMuseum is an application with its own token table, and bearerd in front of it.
type oldMuseum struct {
	*testing.T

	dir, url, application string
	server                *exec.Cmd // bearerd; nil while it doesn't run
	log                   bytes.Buffer
}

// TestTheSwitchRefusesNothingThatWasAllowed follows docs/switch-over.md with a real Django
// REST framework and its own tokens, which clients go on using all the time: bearerd only
// reports, agrees, sees a difference that was planted, and agrees again; then it is
// enforced, and refuses no request that was allowed before; in the end the old tokens are
// revoked one by one.
func TestTheSwitchRefusesNothingThatWasAllowed(t *testing.T) {
	t.Parallel()
	m := newOldMuseum(t)
	m.newToken("ada", tokenOfAda)
	m.newToken("bert", tokenOfBert)
	m.serveApplication()

	// Monday.
	m.bearerd("apply", "-f", "users.yaml", "--source", "museum")
	m.importTokens()
	// Tuesday: beside the old checks.
	m.serveBearerd(false)
	clients := m.useAllTheTime(tokenOfAda, tokenOfBert)
	for range 3 {
		m.whoami(tokenOfAda, 200, "ada", "TokenAuthentication", "Token "+tokenOfAda)
		m.whoami("", 401)
		m.whoami(strings.Repeat("f", 40), 401)
	}
	// Wednesday: both agree.
	for _, s := range m.shadow() {
		if s.Disagreed != 0 || s.Agreed != s.Count || s.Count != 3 {
			t.Errorf("they disagree: %+v", s)
		}
	}
	if n := len(m.shadow()); n != 2 { // no token, and one that neither knows
		t.Errorf("%d reasons, want 2: %+v", n, m.shadow())
	}
	// A token that was created in the old table since.
	m.newToken("carl", tokenOfCarl)
	m.whoami(tokenOfCarl, 200, "carl", "TokenAuthentication", "Token "+tokenOfCarl)
	var planted int64
	for _, s := range m.shadow() {
		if planted += s.Disagreed; s.Disagreed > 0 && (s.Reason != "malformed or unknown token" || s.Examples[0].Path != "/api/whoami/" || s.Examples[0].Status != 200) {
			t.Errorf("the difference is %+v", s)
		}
	}
	if planted != 1 {
		t.Errorf("%d requests disagree, want the planted one", planted)
	}
	// Thursday: the file once more.
	m.importTokens()
	clients.add(tokenOfCarl)
	time.Sleep(6 * time.Second) // for which a server refuses from memory what it didn't find
	before := m.disagreed()
	for range 3 {
		m.whoami(tokenOfCarl, 200, "carl", "TokenAuthentication", "Token "+tokenOfCarl)
	}
	if now := m.disagreed(); now != before {
		t.Errorf("%d requests disagree after the import, %d before", now, before)
	}
	// Friday: the switch, under the clients' hands.
	m.stopBearerd()
	m.serveBearerd(true)
	for name, raw := range map[string]string{"ada": tokenOfAda, "bert": tokenOfBert, "carl": tokenOfCarl} {
		m.whoami(raw, 200, name, "BearerdAuthentication", "")
	}
	m.whoami("", 401)
	clients.stop()
	if n := clients.refused.Load(); n != 0 {
		t.Errorf("%d requests were refused that had been allowed: %v", n, clients.why())
	}
	if clients.served.Load() == 0 {
		t.Error("the clients asked nothing")
	}
	// After that: one by one.
	all := map[string]string{"ada": tokenOfAda, "bert": tokenOfBert, "carl": tokenOfCarl}
	for _, name := range []string{"ada", "carl", "bert"} {
		m.write("revoked", all[name]+"\n")
		m.bearerd("token", "revoke", "--file", "revoked")
		m.whoami(all[name], 401)
		delete(all, name)
		for other, raw := range all {
			m.whoami(raw, 200, other, "BearerdAuthentication", "")
		}
	}
	if strings.Contains(m.log.String(), tokenOfAda) {
		t.Error("the log has a token")
	}
}

func newOldMuseum(t *testing.T) *oldMuseum {
	t.Helper()
	needDjango(t)
	if out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import rest_framework").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Debian's python3-djangorestframework is needed: %v\n%s", err, out)
		}
		t.Skipf("python3-djangorestframework is not installed: %v", err)
	}
	m := &oldMuseum{T: t, dir: t.TempDir()}
	m.application = "http://127.0.0.1:" + freeport.Port(t)
	m.url = "http://localhost:" + freeport.Port(t)
	m.write("users.yaml", "users:\n  - {username: ada, external_id: \"1\"}\n  - {username: bert, external_id: \"2\"}\n  - {username: carl, external_id: \"3\"}\n")
	for name, enforce := range map[string]string{"report.yaml": ", enforce: false", "enforce.yaml": ""} {
		m.write(name, fmt.Sprintf(`issuer: %s
listen: %s
ops_listen: 127.0.0.1:%s
database: bearerd.db
foreign_tokens: [{name: drf, pattern: "[0-9a-f]{40}"}]
upstream:
  url: %s
  routes:
    - {path: /, require: optional%s}
    - {path: /api/, tokens_in: [token]%s}
`, m.url, strings.TrimPrefix(m.url, "http://"), freeport.Port(t), m.application, enforce, enforce))
	}
	t.Cleanup(func() {
		m.stopBearerd()
		if t.Failed() {
			t.Logf("bearerd:\n%s", &m.log)
		}
	})
	return m
}

func (m *oldMuseum) write(name, text string) {
	m.Helper()
	must(m.T, os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600))
}

func (m *oldMuseum) python(args ...string) *exec.Cmd {
	script, err := filepath.Abs("testdata/old_museum.py")
	must(m.T, err)
	source, err := filepath.Abs("../../clients/python/src")
	must(m.T, err)
	cmd := exec.CommandContext(context.WithoutCancel(m.Context()), "/usr/bin/python3", append([]string{script, filepath.Join(m.dir, "old.sqlite3")}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+source, "PYTHONDONTWRITEBYTECODE=1")
	return cmd
}

// newToken creates a user and a token in the application's own table.
func (m *oldMuseum) newToken(user, key string) {
	m.Helper()
	if out, err := m.python("token", user, key).CombinedOutput(); err != nil {
		m.Fatalf("creating a token in the old table: %v\n%s", err, out)
	}
}

func (m *oldMuseum) serveApplication() {
	m.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(m.application, "http://"), ":")
	cmd := m.python(port)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	must(m.T, cmd.Start())
	m.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if m.Failed() {
			m.Logf("the application: %s", &said)
		}
	})
	m.await(m.application + "/api/whoami/")
}

// await waits until a server answers.
func (m *oldMuseum) await(url string) {
	m.Helper()
	for end := time.Now().Add(stepTimeout); ; time.Sleep(50 * time.Millisecond) {
		if _, err := m.get(url, ""); err == nil {
			return
		} else if time.Now().After(end) {
			m.Fatal(err)
		}
	}
}

// bearerd runs a command, and returns what it prints.
func (m *oldMuseum) bearerd(args ...string) string {
	m.Helper()
	cmd := exec.CommandContext(m.Context(), filepath.Join(bin, "bearerd"), append(args, "--config", "report.yaml")...)
	cmd.Dir = m.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		m.Fatalf("bearerd %s: %v\n%s", args, err, &stderr)
	}
	return string(out)
}

func (m *oldMuseum) serveBearerd(enforced bool) {
	m.Helper()
	file := map[bool]string{true: "enforce.yaml", false: "report.yaml"}[enforced]
	m.server = exec.CommandContext(context.WithoutCancel(m.Context()), filepath.Join(bin, "bearerd"), "serve", "--config", file)
	m.server.Dir, m.server.Stdout, m.server.Stderr = m.dir, &m.log, &m.log
	must(m.T, m.server.Start())
	m.await(m.url + "/.well-known/jwks.json")
}

func (m *oldMuseum) stopBearerd() {
	if m.server == nil {
		return
	}
	_ = m.server.Process.Signal(syscall.SIGTERM)
	_ = m.server.Wait()
	m.server = nil
}

// importTokens runs the statement of the page about Django REST framework on the
// application's database, and imports what it writes.
func (m *oldMuseum) importTokens() {
	m.Helper()
	page, err := os.ReadFile("../../docs/coming-over-django-rest-framework.md")
	must(m.T, err)
	block := regexp.MustCompile("(?s)```sql\n(.*?);\n```").FindSubmatch(page)
	if block == nil {
		m.Fatal("the page has no statement")
	}
	db, err := sql.Open("sqlite", filepath.Join(m.dir, "old.sqlite3"))
	must(m.T, err)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(m.Context(), "SELECT value, owner, name, CAST(created_at AS TEXT) FROM ("+string(block[1])+")")
	must(m.T, err)
	defer func() { _ = rows.Close() }()
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	must(m.T, w.Write([]string{"value", "owner", "name", "created_at"}))
	for rows.Next() {
		row := make([]string, 4)
		must(m.T, rows.Scan(&row[0], &row[1], &row[2], &row[3]))
		must(m.T, w.Write(row))
	}
	must(m.T, rows.Err())
	w.Flush()
	m.write("tokens.csv", file.String())
	m.bearerd("token", "import", "tokens.csv")
}

// shadowed is what bearerd would have refused.
type shadowed struct {
	Reason                   string
	Count, Agreed, Disagreed int64
	Examples                 []struct {
		Path   string
		Status int
	}
}

// shadow returns what bearerd would have refused at the API until now.
func (m *oldMuseum) shadow() []shadowed {
	m.Helper()
	time.Sleep(6 * time.Second) // a server writes every five
	var list struct {
		Items []struct {
			Route string
			shadowed
		}
	}
	must(m.T, json.Unmarshal([]byte(m.bearerd("shadow", "--output", "json")), &list))
	var all []shadowed
	for _, one := range list.Items {
		if one.Route == "/api/" {
			all = append(all, one.shadowed)
		}
	}
	return all
}

func (m *oldMuseum) disagreed() (n int64) {
	m.Helper()
	for _, s := range m.shadow() {
		n += s.Disagreed
	}
	return n
}

// get asks with an old token.
func (m *oldMuseum) get(url, raw string) (answer, error) {
	r, err := http.NewRequestWithContext(m.Context(), http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	if raw != "" {
		r.Header.Set("Authorization", "Token "+raw)
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// whoami asks the application through bearerd: who it says is calling, by which class, and
// with which Authorization.
func (m *oldMuseum) whoami(raw string, status int, want ...string) {
	m.Helper()
	a, err := m.get(m.url+"/api/whoami/", raw)
	must(m.T, err)
	if a.status != status {
		m.Errorf("%s: %d %s, want %d", raw, a.status, a.body, status)
		return
	}
	if len(want) == 0 {
		return
	}
	var said struct{ User, By, Authorization string }
	must(m.T, json.Unmarshal([]byte(a.body), &said))
	if got := []string{said.User, said.By, said.Authorization}; !slices.Equal(got, want) {
		m.Errorf("the application says %q, want %q", got, want)
	}
}

// users are clients that ask all the time.
type users struct {
	m               *oldMuseum
	end             chan struct{}
	running         sync.WaitGroup
	served, refused atomic.Int64

	mu      sync.Mutex
	reasons []string
}

// useAllTheTime starts a client for each token. A connection that is refused while bearerd
// starts again is tried again, as clients do.
func (m *oldMuseum) useAllTheTime(tokens ...string) *users {
	u := &users{m: m, end: make(chan struct{})}
	for _, raw := range tokens {
		u.add(raw)
	}
	m.Cleanup(u.stop)
	return u
}

func (u *users) add(raw string) {
	u.running.Go(func() {
		for {
			select {
			case <-u.end:
				return
			case <-time.After(20 * time.Millisecond):
			}
			a, err := u.m.get(u.m.url+"/api/whoami/", raw)
			switch {
			case err != nil:
			case a.status == http.StatusOK:
				u.served.Add(1)
			case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
				u.refused.Add(1)
				u.mu.Lock()
				u.reasons = append(u.reasons, a.body)
				u.mu.Unlock()
			}
		}
	})
}

func (u *users) why() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.reasons[:min(len(u.reasons), 3)]
}

func (u *users) stop() {
	select {
	case <-u.end:
	default:
		close(u.end)
	}
	u.running.Wait()
}
