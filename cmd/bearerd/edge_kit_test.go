package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
	"github.com/bearerd/bearerd/internal/token"
)

const edgeAccess = `
collections:
  - {id: 4, name: Fish}
  - {id: 5, name: Birds}
users:
  - {username: ada, password: "correct horse", name: Ada Lovelace, email: ada@example.org, groups: [curators, readers]}
bindings:
  - {user: ada, permission: {action: access, path: /collections/4}}
  - {group: readers, permission: {action: read, path: /lists}}
clients:
  - {id: ci, secret: "a secret of well over 32 characters, for ci", grants: [client_credentials], scopes: [read]}
  - {id: edge, secret: "a secret of well over 32 characters, for the edge", grants: [client_credentials], scopes: [introspect, revocations]}
  - {id: half, secret: "a secret of well over 32 characters, for the edge", grants: [client_credentials], scopes: [introspect]}
`

const (
	edgeSecret   = "a secret of well over 32 characters, for the edge\n"
	edgeGateway  = "dialects: [specify, senaite, hypothesis, gen3]\nrequirements:\n  write: {scope: write, safe_scope: read, in: [basic, token]}\n"
	issuerConfig = "issuer: http://%s\nlisten: %s\nscopes: {read: Read, write: Write}\nrevocation: {max_staleness: 1s}\n" + edgeLearns + edgeGateway
	edgeConfig   = "issuer: http://%s\nclient_id: edge\nclient_secret_file: edge.secret\n" + edgeGateway
)

// edgeLearns is the settings for which an edge has no keys, because it reads them from its issuer.
const edgeLearns = `
api_token: {prefix: msm_}
foreign_tokens: [{name: drf, pattern: "[0-9a-f]{40}"}, {name: nb, prefix: "nbt_"}]
resources: [{url: "https://museum.example.org/api", audience: museum}]
`

// imported are tokens of another system.
const imported = "owner,value,scope\nada,0123456789abcdef0123456789abcdef01234567,read\nada,nbt_0123456789abcdef01234567,read\n"

// edgeWorld is an issuer with its database, and an edge that verifies for it.
type edgeWorld struct {
	*bench
	issuer   string // host:port
	node     *process
	upstream string // more of the edge's configuration
}

func newEdgeWorld(t *testing.T) *edgeWorld {
	t.Helper()
	return newEdgeWorldOf(t, issuerConfig)
}

func newEdgeWorldOf(t *testing.T, issuer string) *edgeWorld {
	t.Helper()
	address := freeport.Address(t)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "hs256.secret"), []byte(hs256Secret), 0o600))
	b := newBench(t, dir, fmt.Sprintf(issuer, address, address))
	b.write("access.yaml", edgeAccess)
	b.run("apply", "-f", "access.yaml")
	b.write("edge.secret", edgeSecret)
	w := &edgeWorld{bench: b, issuer: address}
	w.node = w.issue(t)
	return w
}

// issue starts the issuer.
func (w *edgeWorld) issue(t *testing.T) *process {
	t.Helper()
	p, err := start(w.command("serve", "--ops-listen", "127.0.0.1:0"))
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	t.Cleanup(func() { _ = p.stop() })
	return p
}

// edgeCommand returns bearerd edge with a configuration.
func (w *edgeWorld) edgeCommand(configuration string, more ...string) *exec.Cmd {
	w.write("edge.yaml", configuration)
	cmd := exec.Command("bearerd", append([]string{"edge", "--config", "edge.yaml"}, more...)...)
	cmd.Dir = w.dir
	return cmd
}

// edge starts an edge, which need not be ready.
func (w *edgeWorld) edge(t *testing.T) *process {
	t.Helper()
	p, err := start(w.edgeCommand(fmt.Sprintf(edgeConfig, w.issuer)+w.upstream, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"))
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	t.Cleanup(func() { _ = p.stop() })
	return p
}

// wait waits until something is so.
func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	for began := time.Now(); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("it never happens that %s", what)
		}
	}
}

func (w *edgeWorld) ready(t *testing.T, p *process) {
	t.Helper()
	wait(t, "the edge is ready", func() bool { status, _ := w.readiness(t, p); return status == http.StatusOK })
}

func (w *edgeWorld) readiness(t *testing.T, p *process) (status int, reason any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.ops+"/readyz", nil)
	must(t, err)
	a, err := w.send(r)
	must(t, err)
	return a.status, a.body["reason"]
}

// question is a request to /auth/verify, or to where Envoy asks.
type question struct {
	name, target string
	header       http.Header
}

var requestID = regexp.MustCompile(`,"request_id":"[^"]*"`)

func bearerOf(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// ask returns all of an answer but what differs by the moment.
func (w *edgeWorld) ask(t *testing.T, p *process, q question) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base+q.target, nil)
	must(t, err)
	r.Header = q.header.Clone()
	resp, err := w.client.Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	for _, name := range []string{"Date", "X-Request-Id", "Content-Length"} {
		resp.Header.Del(name)
	}
	var text strings.Builder
	fmt.Fprintln(&text, resp.StatusCode)
	must(t, resp.Header.Write(&text))
	return text.String() + requestID.ReplaceAllString(string(body), "")
}

// status returns the status of an answer.
func (w *edgeWorld) status(t *testing.T, p *process, q question) string {
	t.Helper()
	status, _, _ := strings.Cut(w.ask(t, p, q), "\n")
	return status
}

// everyToken returns tokens of each kind, and what is none.
func (w *edgeWorld) everyToken(t *testing.T) map[string]string {
	t.Helper()
	held := w.secrets(w.node)
	w.write("imported.csv", imported)
	w.run("token", "import", "imported.csv")
	return map[string]string{
		"of another system":           "0123456789abcdef0123456789abcdef01234567",
		"of another, with a prefix":   "nbt_0123456789abcdef01234567",
		"of another system, unknown":  strings.Repeat("0a", 20),
		"a client's":                  held["<token>"],
		"a dialect's":                 held["<ada's token>"],
		"an access token":             w.run("token", "issue", "ada", "--scope", "read write"),
		"of a collection":             w.run("token", "issue", "ada", "--collection", "4"),
		"of a network":                w.run("token", "issue", "ada", "--network", "192.0.2.0/24"),
		"an API token":                w.run("token", "create", "ada", "--name", "a", "--scope", "read"),
		"an API token, collection":    w.run("token", "create", "ada", "--name", "b", "--collection", "4"),
		"an API token, network":       w.run("token", "create", "ada", "--name", "c", "--network", "192.0.2.0/24"),
		"an API token, here":          w.run("token", "create", "ada", "--name", "d", "--network", "127.0.0.0/8"),
		"a session as Bearer":         held["<session>"],
		"an unknown API token":        "bda_" + strings.Repeat("0", 36),
		"another secret":              "bdc_" + strings.Repeat("0", 36),
		"junk":                        "junk",
		"a JWT of somebody else":      "eyJhbGciOiJFZERTQSIsImtpZCI6IngiLCJ0eXAiOiJhdCtqd3QifQ.e30.AAAA",
		"a token in another alphabet": "bda_ä",
	}
}

func questions(tokens map[string]string, session string) []question {
	var all []question
	for name, raw := range tokens {
		if password := "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:"+raw)); token.LooksLikeToken(raw) || strings.HasPrefix(name, "of another") {
			all = append(all, question{name + " as a password", "/auth/verify?in=basic", http.Header{"Authorization": {password}}})
		}
		for _, query := range []string{
			"", "?scope=read", "?scope=write", "?collection=4", "?collection=5", "?collection=6", "?action=read&path=/lists/7",
			"?action=write&path=/lists", "?audience=TES", "?audience=museum", "?optional=true", "?requirement=write", "?in=basic,token", "?path=/x", "?preflight=pass",
		} {
			all = append(all, question{name + query, "/auth/verify" + query, bearerOf(raw)})
		}
		all = append(
			all, question{name + " ext-authz", "/auth/ext-authz/write/a//b", bearerOf(raw)},
			question{name + " twice", "/auth/verify", http.Header{"Authorization": {"Bearer " + raw, "Bearer x"}}},
			question{name + " as token", "/auth/verify?in=token", http.Header{"Authorization": {"Token " + raw}}},
			question{name + " in a header", "/auth/verify", http.Header{"X-Jwt-Auth-Token": {raw}}},
			question{name + " in a cookie", "/auth/verify", http.Header{"Cookie": {"token=" + raw}}},
			question{name + " in a cookie, POST", "/auth/verify", http.Header{"Cookie": {"token=" + raw}, "X-Forwarded-Method": {"POST"}}},
			question{name + " as a session", "/auth/verify", http.Header{"Cookie": {"sessionid=" + raw}}},
		)
	}
	return append(
		all, question{"a session", "/auth/verify", http.Header{"Cookie": {"sessionid=" + session}}},
		question{"a session, collection", "/auth/verify?collection=4", http.Header{"Cookie": {"sessionid=" + session}}},
		question{"a session, POST", "/auth/verify", http.Header{"Cookie": {"sessionid=" + session}, "X-Forwarded-Method": {"POST"}}},
		question{"nothing", "/auth/verify", nil}, question{"nothing, optional", "/auth/verify?optional=true", nil},
		question{"no requirement", "/auth/ext-authz/other/x", nil}, question{"unknown query", "/auth/verify?scop=x", nil},
	)
}

// sessionIn signs ada in with a collection, as the page of Specify does.
func (w *edgeWorld) sessionIn(t *testing.T, collection int) (cookie http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.node.base+"/context/login/", strings.NewReader(
		fmt.Sprintf(`{"username":"ada","password":"correct horse","collection":%d}`, collection)))
	must(t, err)
	r.Header = http.Header{"Cookie": {"csrftoken=" + strings.Repeat("x", 32)}, "X-Csrftoken": {strings.Repeat("x", 32)}, "Content-Type": {"application/json"}}
	resp, err := w.client.Do(r)
	must(t, err)
	must(t, resp.Body.Close())
	for _, c := range resp.Cookies() {
		if c.Name == "sessionid" {
			return http.Header{"Cookie": {"sessionid=" + c.Value}}
		}
	}
	t.Fatalf("there is no session: %s", resp.Status)
	return nil
}
