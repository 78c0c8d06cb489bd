package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"

	"github.com/bearerd/bearerd/internal/freeport"
)

const commonsAccess = `
users:
  - {username: ada, password: "correct horse", name: Ada, email: ada@example.org}
  - {username: eve, password: "battery staple"}
bindings:
  - {user: ada, permission: {action: read, path: /programs/jnkns}}
  - {user: ada, permission: {action: create, path: /task-tokens/TES}}
clients:
  - {id: ci, secret: "a client secret: long enough / and more?", grants: [client_credentials], scopes: [user, data, openid]}
`

const commonsConfig = `
issuer: %[1]s/user
listen: %[2]s
ops_listen: %[3]s
dialects: [gen3]
task_tokens: {TES: {max_ttl: 96h}}
`

// commons is bearerd behind the front end of a data commons, which has Fence beneath
// /user and cuts that off. It keeps a transcript of what passes.
type commons struct {
	url     string // of the front end
	issuer  string
	command func(args ...string) string

	mu         sync.Mutex
	transcript bytes.Buffer
}

func newCommons(t *testing.T) *commons {
	t.Helper()
	c := &commons{}
	address, ops := freeport.Address(t), freeport.Address(t)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: address})
		r.Out.Host = r.In.Host
		r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/user")
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.pass(t, proxy, w, r) }))
	t.Cleanup(front.Close)
	c.url, c.issuer = front.URL, front.URL+"/user"
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bearerd.yaml"), fmt.Sprintf(commonsConfig, c.url, address, ops))
	write(t, filepath.Join(dir, "access.yaml"), commonsAccess)
	c.command = func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, append(args, "--config", "bearerd.yaml")...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("bearerd %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	c.command("apply", "-f", "access.yaml")
	run := startServer(t, dir)
	awaitReady(t, "http://"+ops+"/readyz", run)
	return c
}

// pass passes a request on, and keeps what was asked and answered.
func (c *commons) pass(t *testing.T, proxy http.Handler, w http.ResponseWriter, r *http.Request) {
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(asked))
	w2 := httptest.NewRecorder()
	proxy.ServeHTTP(w2, r)
	c.mu.Lock()
	fmt.Fprintf(&c.transcript, "-- request --\n%s %s\n", r.Method, r.URL.RequestURI())
	for _, name := range []string{"Authorization", "Content-Type", "Cookie"} {
		if value := r.Header.Get(name); value != "" {
			fmt.Fprintf(&c.transcript, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&c.transcript, "\n%s\n-- response --\n%d\n", asked, w2.Code)
	for _, name := range []string{"Cache-Control", "Content-Type", "Location", "Www-Authenticate"} {
		if value := w2.Header().Get(name); value != "" {
			fmt.Fprintf(&c.transcript, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&c.transcript, "\n%s\n", bytes.TrimSpace(w2.Body.Bytes()))
	c.mu.Unlock()
	for name, values := range w2.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(w2.Code)
	_, _ = w.Write(w2.Body.Bytes())
}

// changing is what differs in each run, and what stands for it in a transcript.
var changing = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`), "jwt"},
	{regexp.MustCompile(`bds_\w{36}`), "session"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "id"},
	{regexp.MustCompile(`-----BEGIN PUBLIC KEY-----[^"]*`), "pem"},
	{regexp.MustCompile(`\b[\w-]{300,}\b`), "modulus"},
	{regexp.MustCompile(`(?:kid":"|\[\[")[\w-]{43}`), "kid"},
}

// compare holds the transcript to testdata/gen3/NAME.txtar.
func (c *commons) compare(t *testing.T, name string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.ReplaceAll(c.transcript.String(), strings.TrimPrefix(c.url, "http://"), "commons.example.org")
	for _, x := range changing {
		var seen []string
		text = x.what.ReplaceAllStringFunc(text, func(s string) string {
			i := slices.Index(seen, s)
			if i < 0 {
				i, seen = len(seen), append(seen, s)
			}
			kept := ""
			if x.name == "kid" {
				kept = s[:strings.LastIndexByte(s, '"')+1]
			}
			return fmt.Sprintf("%s<%s %d>", kept, x.name, i+1)
		})
	}
	path := filepath.Join("testdata/gen3", name+".txtar")
	if *update {
		write(t, path, text)
		return
	}
	want, err := os.ReadFile(path) //nolint:gosec // of the test
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s differs; go test -update writes it again. Now it is\n%s", path, text)
	}
}

// credentials is the file that a user downloads.
type credentials struct {
	ID  string `json:"key_id"`
	Key string `json:"api_key"`
}

// signedIn is a browser in which somebody is signed in.
func (c *commons) signedIn(t *testing.T, username, password string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"username": {username}, "password": {password}}
	if status, body := ask(t, client, http.MethodPost, c.issuer+"/auth/login", "application/x-www-form-urlencoded", form.Encode(), ""); status != http.StatusSeeOther {
		t.Fatalf("signing in: %d %s", status, body)
	}
	return client
}

// newKey downloads a key as the portal does.
func (c *commons) newKey(t *testing.T, browser *http.Client) (k credentials) {
	t.Helper()
	_, body := ask(t, browser, http.MethodPost, c.issuer+"/credentials/api", "application/json", `{"scope":["data","user"]}`, "")
	if err := json.Unmarshal([]byte(body), &k); err != nil || k.Key == "" {
		t.Fatalf("no key: %s", body)
	}
	return k
}

func ask(t *testing.T, client *http.Client, method, at, contentType, body, authorization string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": contentType, "Authorization": authorization} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// gen3Client sends what the program gen3-client does, and reads what that does.
type gen3Client struct {
	t             *testing.T
	endpoint      string // of the commons
	key, accessed string
}

// configure trades the key.
func (g *gen3Client) configure() error {
	status, body := ask(g.t, http.DefaultClient, http.MethodPost, g.endpoint+"/user/credentials/api/access_token",
		"application/json", `{"api_key": "`+g.key+`"}`, "")
	if status != http.StatusOK {
		return fmt.Errorf("error code %d", status)
	}
	var answer struct {
		Value string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Value == "" {
		return fmt.Errorf("no token in %s", body)
	}
	g.accessed = answer.Value
	return nil
}

// auth returns what the user may do, by resource. A token that is refused is replaced once.
func (g *gen3Client) auth() (map[string]any, error) {
	status, body := ask(g.t, http.DefaultClient, http.MethodGet, g.endpoint+"/user/user", "", "", "Bearer "+g.accessed)
	if status == http.StatusUnauthorized {
		if err := g.configure(); err != nil {
			return nil, err
		}
		_, body = ask(g.t, http.DefaultClient, http.MethodGet, g.endpoint+"/user/user", "", "", "Bearer "+g.accessed)
	}
	var user map[string]any
	if err := json.Unmarshal([]byte(body), &user); err != nil {
		return nil, err
	}
	access, ok := user["authz"].(map[string]any)
	if !ok || len(access) == 0 {
		if access, ok = user["project_access"].(map[string]any); !ok {
			return nil, fmt.Errorf("no privileges in %s", body)
		}
	}
	for resource, permissions := range access {
		if list, ok := permissions.([]any); !ok || len(list) == 0 {
			return nil, fmt.Errorf("%s has %v", resource, permissions)
		}
	}
	return access, nil
}

// TestGen3Client plays the program gen3-client, which is in no module that can be had.
func TestGen3Client(t *testing.T) {
	t.Parallel()
	c := newCommons(t)
	for _, who := range []struct {
		name, password string
		resources      int
	}{{"ada", "correct horse", 2}, {"eve", "battery staple", 0}} {
		browser := c.signedIn(t, who.name, who.password)
		key := c.newKey(t, browser)
		client := &gen3Client{t: t, endpoint: c.url, key: key.Key, accessed: "expired"}
		access, err := client.auth()
		if err != nil || len(access) != who.resources {
			t.Errorf("%s: %v, %v", who.name, access, err)
		}
		if _, err := client.auth(); err != nil {
			t.Errorf("%s, again: %v", who.name, err)
		}
		if status, _ := ask(t, browser, http.MethodDelete, c.issuer+"/credentials/api/"+key.ID, "", "", ""); status != http.StatusNoContent {
			t.Errorf("deleting the key: %d", status)
		}
		if _, err := client.auth(); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("%s, with a key that was deleted: %v", who.name, err)
		}
	}
	c.compare(t, "gen3-client")
}

// TestGen3PythonClients runs the requests of the SDK's Gen3Auth and the checks of
// authutils.
func TestGen3PythonClients(t *testing.T) {
	t.Parallel()
	needPython(t)
	for _, name := range []string{"gen3auth", "authutils"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCommons(t)
			key, err := json.Marshal(c.newKey(t, c.signedIn(t, "ada", "correct horse")))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), python, "testdata/gen3/"+name+".py")
			cmd.Env = append(os.Environ(), "COMMONS="+c.url, "CREDENTIALS="+string(key), "CLIENT_ID="+clientID, "CLIENT_SECRET="+clientSecret,
				"CLI_TOKEN="+c.command("token", "issue", "ada", "--scope", "openid user"),
				"NARROW_TOKEN="+c.command("token", "issue", "ada", "--scope", "user"), "PYTHONDONTWRITEBYTECODE=1")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			c.compare(t, name)
		})
	}
}

// arborist decodes a token as that service does, and returns its user and its client.
func arborist(t *testing.T, keys jose.JSONWebKeySet, raw string) (user, client string, err error) {
	t.Helper()
	parsed, err := josejwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return "", "", err
	}
	var claims map[string]any
	if err := parsed.Claims(keys, &claims); err != nil {
		return "", "", err
	}
	scope, ok := claims["scope"].([]any)
	if !ok || !slices.Contains(scope, any("openid")) {
		return "", "", fmt.Errorf("scope is %v", claims["scope"])
	}
	context, ok := claims["context"].(map[string]any)
	if !ok {
		return "", "", fmt.Errorf("context is %v", claims["context"])
	}
	if named, there := context["user"]; there {
		of, _ := named.(map[string]any)
		if user, ok = of["name"].(string); !ok {
			return "", "", fmt.Errorf("context.user is %v", named)
		}
	}
	if azp, there := claims["azp"]; there {
		if client, ok = azp.(string); !ok {
			return "", "", fmt.Errorf("azp is %v", azp)
		}
	}
	return user, client, nil
}

func TestArboristDecodesEveryToken(t *testing.T) {
	t.Parallel()
	c := newCommons(t)
	key := c.newKey(t, c.signedIn(t, "ada", "correct horse"))
	trade := func(query string) string {
		_, body := ask(t, http.DefaultClient, http.MethodPost, c.issuer+"/credentials/api/access_token"+query, "application/json", `{"api_key":"`+key.Key+`"}`, "")
		var answer struct {
			Value string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Value
	}
	var keys jose.JSONWebKeySet
	_, set := ask(t, http.DefaultClient, http.MethodGet, c.issuer+"/.well-known/jwks", "", "", "")
	if err := json.Unmarshal([]byte(set), &keys); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.issuer+"/oauth2/token?grant_type=client_credentials&scope=openid", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(clientID, clientSecret)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var own struct {
		Value string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&own); err != nil {
		t.Fatal(err)
	}
	for what, x := range map[string]struct{ raw, user, client string }{
		"a key's":             {trade(""), "ada", ""},
		"a task token":        {trade("?task_token=TES"), "ada", ""},
		"client credentials":  {own.Value, "", "ci"},
		"of the command line": {c.command("token", "issue", "ada", "--scope", "openid"), "ada", ""},
	} {
		user, client, err := arborist(t, keys, x.raw)
		if err != nil || user != x.user || client != x.client {
			t.Errorf("%s: user %q, client %q, %v", what, user, client, err)
		}
	}
	if _, _, err := arborist(t, keys, c.command("token", "issue", "ada", "--scope", "user")); err == nil {
		t.Error("a token without openid is accepted")
	}
	c.compare(t, "arborist")
}
