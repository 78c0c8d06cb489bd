package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/freeport"
	"github.com/bearerd/bearerd/internal/frontendtest"
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

// edgeLearns is what an edge has no keys for: its issuer tells it.
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

func TestAnEdgeAnswersAsANodeDoes(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	e := w.edge(t)
	w.ready(t, e)
	all := questions(w.everyToken(t), w.secrets(w.node)["<session>"])
	if len(all) < 300 {
		t.Fatalf("only %d questions", len(all))
	}
	if accepted := w.alike(t, e, all); accepted < 60 {
		t.Errorf("only %d were accepted", accepted)
	}
}

// alike asks a node and an edge, and counts what both accept.
func (w *edgeWorld) alike(t *testing.T, e *process, all []question) (accepted int) {
	t.Helper()
	for _, q := range all {
		for range 2 { // what is known the second time doesn't change the answer
			want, got := w.ask(t, w.node, q), w.ask(t, e, q)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-node +edge):\n%s", q.name, diff)
			}
			if strings.HasPrefix(got, "200") {
				accepted++
			}
		}
	}
	return accepted
}

const hs256Secret = "a secret of thirty-two bytes, and of some more"

// An issuer with HS256 shows no keys: an edge has the secret too.
func TestAnEdgeAnswersAsANodeWithHS256Does(t *testing.T) {
	t.Parallel()
	w := newEdgeWorldOf(t, strings.Replace(issuerConfig, ", gen3]", "]\nsigning: {algorithm: HS256, secret_file: hs256.secret}", 1))
	w.upstream = "signing: {secret_file: hs256.secret}\n"
	e := w.edge(t)
	w.ready(t, e)
	tokens := map[string]string{}
	for name, raw := range w.everyToken(t) {
		if strings.Contains(name, "JWT") || strings.Contains(name, "access token") || name == "an API token" || name == "of a collection" {
			tokens[name] = raw
		}
	}
	if accepted := w.alike(t, e, questions(tokens, w.secrets(w.node)["<session>"])); accepted < 30 {
		t.Errorf("only %d were accepted", accepted)
	}
}

// TestAnEdgeHearsOfEverything: what is revoked is refused once that is acknowledged and L
// has passed, and facts that change are asked for again.
func TestAnEdgeHearsOfEverything(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	e := w.edge(t)
	w.ready(t, e)
	tokens := w.everyToken(t)
	same := func(what string, header http.Header, query, want string) {
		t.Helper()
		q := question{what, "/auth/verify" + query, header}
		wait(t, what, func() bool { return w.status(t, e, q) == want })
		if got := w.status(t, w.node, q); got != want {
			t.Errorf("%s: the node answers %s, not %s", what, got, want)
		}
	}
	bearer := func(name string) http.Header { return bearerOf(tokens[name]) }
	for _, name := range []string{"an access token", "an API token", "of a collection"} {
		same(name+" is accepted", bearer(name), "", "200")
	}
	name := question{"", "/auth/verify", bearerOf(tokens["an access token"])}
	w.write("access.yaml", strings.NewReplacer("Ada Lovelace", "The Countess", "[curators, readers]", "[curators]").Replace(edgeAccess))
	same("the group's permission is there", bearer("an access token"), "?action=read&path=/lists", "200")
	w.run("apply", "-f", "access.yaml")
	same("it has gone", bearer("an access token"), "?action=read&path=/lists", "403")
	wait(t, "the name is the new one", func() bool { return strings.Contains(w.ask(t, e, name), "Remote-Name: The Countess") })

	for _, name := range []string{"an access token", "an API token"} {
		cmd := w.command("token", "revoke", "--file", "-")
		cmd.Stdin = strings.NewReader(tokens[name] + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		same(name+" is refused", bearer(name), "", "401")
	}
	session := w.sessionIn(t, 4)
	same("the session is accepted", session, "", "200")
	w.write("access.yaml", strings.Replace(edgeAccess, "  - {user: ada, permission: {action: access, path: /collections/4}}\n", "", 1))
	w.run("apply", "-f", "access.yaml", "--prune")
	same("the collection is lost", bearer("of a collection"), "", "403")
	same("the collection of the session is lost", session, "", "403")
	w.run("revoke-all", "ada")
	same("everything of a user is refused", bearer("of a collection"), "", "401")
}

// TestAnEdgeWithoutItsIssuer: it starts and says so, answers 503 after L, and comes back.
func TestAnEdgeWithoutItsIssuer(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	raw := w.token(w.node)
	q := question{"", "/auth/verify", bearerOf(raw)}
	must(t, w.node.stop())
	e := w.edge(t)
	if status, reason := w.readiness(t, e); status != http.StatusServiceUnavailable || !strings.Contains(fmt.Sprint(reason), "issuer") {
		t.Errorf("without the issuer: %d, %v", status, reason)
	}
	if got := w.ask(t, e, q); !strings.HasPrefix(got, "503") || !strings.Contains(got, "Retry-After: ") {
		t.Errorf("without the issuer: %s", got)
	}
	node := w.issue(t)
	w.ready(t, e)
	if got := w.ask(t, e, q); !strings.HasPrefix(got, "200") {
		t.Errorf("with the issuer: %s", got)
	}
	must(t, node.cmd.Process.Kill())
	<-node.done
	died := time.Now()
	wait(t, "the edge answers 503", func() bool { return strings.HasPrefix(w.ask(t, e, q), "503") })
	if took := time.Since(died); took > 5*time.Second {
		t.Errorf("it answered for another %s; L is 1s", took)
	}
	w.issue(t)
	w.ready(t, e)
	if got := w.ask(t, e, q); !strings.HasPrefix(got, "200") {
		t.Errorf("with the issuer again: %s", got)
	}
	must(t, e.stop())
	if log := e.log.String(); !strings.Contains(log, "can't be used") || strings.Contains(log, raw) {
		t.Errorf("the log does not say why, or holds a token:\n%s", log)
	}
}

// TestARevocationWaitsForAnEdge: when it is acknowledged, the edge refuses, at once.
func TestARevocationWaitsForAnEdge(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	e := w.edge(t)
	w.ready(t, e)
	for range 20 {
		raw := w.token(w.node)
		q := question{"", "/auth/verify", bearerOf(raw)}
		if got := w.ask(t, e, q); !strings.HasPrefix(got, "200") {
			t.Fatalf("before: %s", got)
		}
		a, err := w.post(w.node.base+"/oauth2/revoke", url.Values{"token": {raw}, "wait": {"true"}})
		if err != nil || a.status != http.StatusOK || a.body["nodes"] != 2.0 || a.body["confirmed"] != 2.0 {
			t.Fatalf("%v, %+v", err, a)
		}
		if got := w.ask(t, e, q); !strings.HasPrefix(got, "401") {
			t.Fatalf("after it was acknowledged: %s", got)
		}
	}
}

// TestWhatAnEdgeHasSeenItAsksNoMore counts the introspections of the issuer: one for each
// opaque token, with its user, and one for each user that only JWTs have spoken for.
func TestWhatAnEdgeHasSeenItAsksNoMore(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	e := w.edge(t)
	w.ready(t, e)
	opaque, jwt, other := w.run("token", "create", "ada", "--name", "a"), w.run("token", "issue", "ada"), w.run("token", "issue", "ada")
	before := w.introspections(t)
	for range 5 {
		for _, raw := range []string{opaque, jwt, other} {
			for _, query := range []string{"", "?action=read&path=/lists", "?scope=x"} {
				w.ask(t, e, question{"", "/auth/verify" + query, bearerOf(raw)})
			}
		}
	}
	if n := w.introspections(t) - before; n != 2 {
		t.Errorf("the issuer was asked %d times, want 2", n)
	}
}

// introspections returns how many requests of that kind the issuer has answered.
func (w *edgeWorld) introspections(t *testing.T) (n int) {
	t.Helper()
	resp, err := w.client.Get(w.node.ops + "/metrics")
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	counts := regexp.MustCompile(`(?m)^bearerd_http_request_duration_seconds_count\{[^}]*/oauth2/introspect[^}]*\} (\d+)$`).FindAllSubmatch(text, -1)
	for _, c := range counts {
		more, err := strconv.Atoi(string(c[1]))
		must(t, err)
		n += more
	}
	if n == 0 {
		t.Fatal("there is no such metric") // the edge has looked at its own token
	}
	return n
}

func TestCheckSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	good := fmt.Sprintf(edgeConfig, w.issuer)
	check := func(configuration string, more ...string) (string, error) {
		out, err := w.edgeCommand(configuration+"listen: 127.0.0.1:0\nops_listen: 127.0.0.1:0\n", append(more, "--check")...).CombinedOutput()
		return string(out), err
	}
	if out, err := check(good); err != nil || !strings.Contains(out, "takes this edge for its client") {
		t.Errorf("a good one: %v\n%s", err, out)
	}
	w.write("wrong.secret", "another secret of well over 32 characters\n")
	_, port, _ := strings.Cut(w.issuer, ":")
	for name, c := range map[string]struct {
		configuration string
		says          []string
	}{
		"a wrong secret":    {strings.Replace(good, "edge.secret", "wrong.secret", 1), []string{"invalid_client", "bearerd client secret edge"}},
		"another name":      {strings.Replace(good, w.issuer, "localhost:"+port, 1), []string{"another issuer", "write issuer: http://" + w.issuer}},
		"a missing scope":   {strings.Replace(good, "client_id: edge", "client_id: half", 1), []string{"both scopes introspect and revocations"}},
		"an unknown scope":  {strings.Replace(good, "scope: write", "scope: wrte", 1), []string{`"wrte"`, "read, write"}},
		"nobody there":      {strings.Replace(good, w.issuer, freeport.Address(t), 1), []string{"can't be used", "reaches"}},
		"an unknown key":    {good + "database: x.db\n", []string{"edge.yaml:", `unknown key "database"`, "the keys here are issuer, client_id"}},
		"no client":         {"issuer: http://" + w.issuer + "\n", []string{"client_id: must be set", "client_secret_file: must be set"}},
		"an assertion":      {good + "upstream: {assertion_audience: app}\n", []string{"holds no signing key"}},
		"http to elsewhere": {strings.Replace(good, "http://"+w.issuer, "http://auth.example.org", 1), []string{"must be https"}},
		"no such CA":        {good + "ca_file: none.pem\n", []string{"ca_file"}},
	} {
		out, err := check(c.configuration)
		if err == nil {
			t.Errorf("%s is no error:\n%s", name, out)
		}
		for _, says := range c.says {
			if !strings.Contains(out, says) {
				t.Errorf("%s: there is no %q in\n%s", name, says, out)
			}
		}
		if strings.Contains(out, strings.TrimSpace(edgeSecret)) {
			t.Errorf("%s: the secret is shown", name)
		}
	}
}

// TestHostileRequestsGetNowhereThroughAnEdge sends the corpus to an edge's proxy and to nginx
// that asks an edge. The endpoints of the issuer, which an edge doesn't have, are left out.
func TestHostileRequestsGetNowhereThroughAnEdge(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	app, behind := newRecorder(t), newRecorder(t)
	w.upstream = fmt.Sprintf(hostileUpstream, app.url)
	e := w.edge(t)
	w.ready(t, e)
	secrets := w.secrets(w.node)
	targets := []target{{"proxy", dialer(e.base), app, secrets, e}}
	t.Run("start nginx", func(t2 *testing.T) {
		frontendtest.Program(t2, "nginx", "/usr/sbin/nginx")
		targets = append(targets, target{"nginx", frontendtest.Nginx(t, e.base, behind.url).Dial, behind, secrets, e})
	})
	cases := slices.DeleteFunc(readHostile(t), func(c hostileCase) bool {
		return ofAnEndpoint(c.request) || strings.HasPrefix(c.name, "path-hypothesis") || c.name == passwordCase
	})
	if len(cases) < 40 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, target := range targets {
		for _, c := range cases {
			if len(c.status[target.name]) > 0 {
				target.try(t, c)
			}
		}
	}
}

// passwordCase sends a password, which an issuer checks and an edge refuses.
const passwordCase = "cookie-beside-a-password"

// TestAnEdgeRefusesPasswords: where a dialect takes them, they reach no application.
func TestAnEdgeRefusesPasswords(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	app := newRecorder(t)
	w.upstream = fmt.Sprintf(hostileUpstream, app.url)
	e := w.edge(t)
	w.ready(t, e)
	for _, c := range readHostile(t) {
		if c.name == passwordCase {
			c.status, c.reaches = map[string][]string{"proxy": {"401"}}, nil
			target{"proxy", dialer(e.base), app, nil, e}.try(t, c)
		}
	}
	if got := w.ask(t, e, question{"", "/auth/verify", http.Header{"Authorization": {"Basic YWRhOmNvcnJlY3QgaG9yc2U="}}}); !strings.HasPrefix(got, "401") {
		t.Errorf("by forward auth: %s", got)
	}
}

// ofAnEndpoint reports whether a request is for an endpoint that an issuer has alone.
func ofAnEndpoint(request string) bool {
	return slices.ContainsFunc([]string{"/oauth2", "/accounts", "/context", "/@@api", "/credentials", "/profile", "/api/token", "/.well-known", "/auth/"}, func(path string) bool {
		return strings.Contains(strings.ToLower(request), path) && !strings.Contains(request, "/auth/verify") && !strings.Contains(request, "/auth/ext-authz")
	})
}
