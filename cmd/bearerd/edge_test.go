package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/frontendtest"
)

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
	config := strings.Replace(fmt.Sprintf(edgeConfig, w.issuer), ", gen3]", "]", 1)
	w.write("other.secret", "another secret of thirty-two bytes, and of some more")
	for file, says := range map[string][]string{
		"":             {"shows no keys", "name that file in signing.secret_file here"},
		"other.secret": {"signed with another key", "to other.secret again"},
		"none.secret":  {"signing.secret_file: open none.secret"},
	} {
		w.complains(t, config+"signing: {secret_file: \""+file+"\"}\n", says...)
	}
}

// TestAnEdgeAnswersProxiesBesideIt: on its verify_listen as on its main listener, and a
// revocation that was acknowledged holds there too.
func TestAnEdgeAnswersProxiesBesideIt(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	dir, err := os.MkdirTemp("", "edge") //nolint:usetesting // t.TempDir can be too long for a socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	w.upstream = "verify_listen: unix:" + socket + "\ntrusted_proxies: [127.0.0.0/8]\n"
	e := w.edge(t)
	w.ready(t, e)
	beside := *w
	beside.bench = &bench{TB: w.TB, dir: w.dir, client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
	behind := &process{base: "http://edge"}
	tokens := w.everyToken(t)
	accepted := 0
	for _, q := range questions(tokens, w.secrets(w.node)["<session>"]) {
		want, got := w.ask(t, e, q), beside.ask(t, behind, q)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-main +verify_listen):\n%s", q.name, diff)
		}
		if strings.HasPrefix(got, "200") {
			accepted++
		}
	}
	if accepted < 30 {
		t.Errorf("only %d were accepted", accepted)
	}
	raw := tokens["a client's"]
	a, err := w.post(w.node.base+"/oauth2/revoke", url.Values{"token": {raw}, "wait": {"true"}})
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("%v, %+v", err, a)
	}
	if got := beside.status(t, behind, question{"", "/auth/verify", bearerOf(raw)}); got != "401" {
		t.Errorf("after it was acknowledged: %s", got)
	}
	if got := beside.status(t, behind, question{"", "/auth/login", nil}); got != "404" {
		t.Errorf("for another path: %s", got)
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
