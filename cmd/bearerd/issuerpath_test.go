package main

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

const pathAccess = `
collections:
  - {id: 4, name: Fish}
roles:
  - {name: curator, permissions: [{action: "*", path: /}]}
users:
  - {username: ada, password: "correct horse", name: Ada, email: ada@example.org}
  - {username: eve, password: "battery staple"}
bindings:
  - {user: ada, permission: {action: "*", path: /}}
  - {user: eve, role: curator, path: /collections/4}
clients:
  - {id: ci, secret: "a secret of well over 32 characters, for ci", grants: [client_credentials], scopes: [read]}
  - {id: tv, grants: ["urn:ietf:params:oauth:grant-type:device_code"], scopes: [read]}
`

// walker is a browser that goes to every page of a site, by its links and forms.
type walker struct {
	*testing.T

	issuer *url.URL
	client *http.Client
	seen   map[string]bool
	pages  int
	forms  map[string]htmlForm
}

// htmlForm is a form as a page shows it.
type htmlForm struct {
	method, action string
	fields         url.Values
}

// TestEveryPageLinkAndFormWorksBeneathTheIssuersPath holds for bearerd alone, and for the
// two ways in which a proxy in front can pass on a path.
func TestEveryPageLinkAndFormWorksBeneathTheIssuersPath(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/deploy-nginx.md")
	must(t, err)
	documented := regexp.MustCompile("(?ms)^```nginx\n(location /user/ .*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(documented) != 2 {
		t.Fatalf("the page shows %d locations of a path", len(documented))
	}
	for name, location := range map[string]string{
		"bearerd alone":            "",
		"nginx cuts the path off":  documented[0][1],
		"nginx passes the path on": documented[1][1],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWalker(t, location)
			w.signIn()
			w.walk("/auth/", "/auth/docs")
			if w.pages < 15 || len(w.forms) < 15 {
				t.Errorf("only %d pages and %d forms", w.pages, len(w.forms))
			}
			w.documents()
			w.device()
			for _, f := range w.forms {
				w.submit(f)
			}
		})
	}
}

func newWalker(t *testing.T, location string) *walker {
	t.Helper()
	listen, issuer := "127.0.0.1:0", "http://localhost/user"
	if location == "" {
		listen = freeport.Address(t)
		issuer = "http://" + listen + "/user"
	}
	b := newBench(t, t.TempDir(), "issuer: "+issuer+"\nlisten: "+listen+"\nops_listen: 127.0.0.1:0\n"+
		"dialects: [specify, senaite, hypothesis, gen3]\nspecify: {login: false}\nscopes: {read: Read}\n")
	b.write("access.yaml", pathAccess)
	b.run("apply", "-f", "access.yaml")
	p, err := start(b.command("serve"))
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	t.Cleanup(func() { _ = p.stop() })
	u, err := url.Parse(issuer)
	must(t, err)
	jar, err := cookiejar.New(nil)
	must(t, err)
	w := &walker{T: t, issuer: u, seen: map[string]bool{}, forms: map[string]htmlForm{}, client: &http.Client{
		Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if location != "" {
		socket := nginxAt(t, strings.ReplaceAll(location, "http://127.0.0.1:8080", p.base))
		w.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}
	}
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// nginxAt runs nginx with one location, and returns the socket on which it listens.
func nginxAt(t *testing.T, location string) string {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		binary, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("nginx is missing")
	}
	if err != nil {
		t.Skip("nginx is missing: make packages installs it")
	}
	dir, err := os.MkdirTemp("", "nginx") //nolint:usetesting // t.TempDir can be too long for a socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte("daemon off; master_process off; pid nginx.pid;\nevents {}\nhttp {\n"+
		"access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n"+
		"server { listen unix:"+socket+";\n"+location+"}\n}\n"), 0o600))
	cmd := exec.Command(binary, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(5 * time.Millisecond) {
		if conn, err := new(net.Dialer).DialContext(t.Context(), "unix", socket); err == nil {
			_ = conn.Close()
			return socket
		}
	}
	t.Fatal("nginx doesn't listen")
	return ""
}

// arrived is an answer without its body.
type arrived struct {
	StatusCode int
	Header     http.Header
}

// send sends a request to an address, and returns the answer and its body. A redirect must
// lead beneath the issuer's path.
func (w *walker) send(method string, at *url.URL, form url.Values) (arrived, string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, at.String(), strings.NewReader(form.Encode()))
	must(w.T, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "text/html")
	response, err := w.client.Do(r)
	must(w.T, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must(w.T, err)
	a := arrived{response.StatusCode, response.Header}
	if to := a.Header.Get("Location"); to != "" {
		w.resolve(at, to)
	}
	return a, string(body)
}

// at returns where a path of ours stands.
func (w *walker) at(path string) *url.URL {
	u, err := url.Parse(w.issuer.String() + path)
	must(w.T, err)
	return u
}

// resolve returns where an address on a page leads, which must be beneath the issuer.
func (w *walker) resolve(page *url.URL, address string) *url.URL {
	w.Helper()
	u, err := page.Parse(html.UnescapeString(address))
	must(w.T, err)
	if u.Host != w.issuer.Host || !strings.HasPrefix(u.Path, w.issuer.Path+"/") {
		w.Errorf("%s leads to %s, outside of %s", page, address, w.issuer)
	}
	u.Fragment = ""
	return u
}

// signIn signs ada in, by way of the page that she came for.
func (w *walker) signIn() {
	w.Helper()
	a, _ := w.send(http.MethodGet, w.at("/auth/tokens"), nil)
	login := w.resolve(w.at("/auth/tokens"), a.Header.Get("Location"))
	_, page := w.send(http.MethodGet, login, nil)
	forms := w.formsOf(login, page)
	if len(forms) != 1 {
		w.Fatalf("%d forms on %s", len(forms), login)
	}
	f := forms[0]
	f.fields.Set("username", "ada")
	f.fields.Set("password", "correct horse")
	a, body := w.send(http.MethodPost, w.resolve(login, f.action), f.fields)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != w.issuer.Path+"/auth/tokens" {
		w.Fatalf("signing in: %d %v\n%s", a.StatusCode, a.Header, body)
	}
}

var (
	addresses = regexp.MustCompile(`\b(href|src|data-document|data-leads)="([^"]*)"`)
	wholeForm = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	attribute = regexp.MustCompile(`\b([a-z-]+)="([^"]*)"`)
	inputs    = regexp.MustCompile(`<(?:input|select|textarea|button)\b([^>]*)>`)
)

func attributes(tag string) map[string]string {
	all := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(tag, -1) {
		all[m[1]] = html.UnescapeString(m[2])
	}
	return all
}

func (w *walker) formsOf(page *url.URL, body string) (forms []htmlForm) {
	for _, m := range wholeForm.FindAllStringSubmatch(body, -1) {
		a := attributes(m[1])
		f := htmlForm{method: strings.ToUpper(a["method"]), action: a["action"], fields: url.Values{}}
		if f.action == "" {
			f.action = page.RequestURI()
		}
		for _, input := range inputs.FindAllStringSubmatch(m[2], -1) {
			if i := attributes(input[1]); i["name"] != "" && !f.fields.Has(i["name"]) {
				f.fields.Set(i["name"], i["value"])
			}
		}
		forms = append(forms, f)
	}
	return forms
}

// walk gets what stands at the paths, and everything that it leads to.
func (w *walker) walk(paths ...string) {
	w.Helper()
	var queue []*url.URL
	for _, path := range paths {
		queue = append(queue, w.at(path))
	}
	for len(queue) > 0 {
		page := queue[0]
		queue = queue[1:]
		if w.seen[page.String()] {
			continue
		}
		w.seen[page.String()] = true
		a, body := w.send(http.MethodGet, page, nil)
		if to := a.Header.Get("Location"); to != "" {
			queue = append(queue, w.resolve(page, to))
			continue
		}
		if a.StatusCode != http.StatusOK {
			w.Errorf("%s: %d %s", page, a.StatusCode, body)
		}
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			continue
		}
		w.pages++
		for _, m := range addresses.FindAllStringSubmatch(body, -1) {
			if !strings.HasPrefix(m[2], "#") && !strings.HasPrefix(m[2], "data:") {
				queue = append(queue, w.resolve(page, m[2]))
			}
		}
		for _, f := range w.formsOf(page, body) {
			f.action = w.resolve(page, f.action).String()
			w.forms[f.method+" "+f.action+" "+f.fields.Get("do")] = f
		}
	}
}

// submit sends a form as it stands on its page. What comes of it is not judged here, but
// that somebody is there to judge it.
func (w *walker) submit(f htmlForm) {
	w.Helper()
	at, err := url.Parse(f.action)
	must(w.T, err)
	if f.method == http.MethodGet {
		at.RawQuery = f.fields.Encode()
		f.fields = nil
	}
	a, body := w.send(f.method, at, f.fields)
	if a.StatusCode == http.StatusMethodNotAllowed || a.StatusCode >= 500 ||
		a.StatusCode == http.StatusNotFound && !strings.Contains(body, "There is no such") {
		w.Errorf("%s %s %v: %d %s", f.method, at, f.fields, a.StatusCode, body)
	}
}

func (w *walker) getJSON(at *url.URL, into any) {
	w.Helper()
	a, body := w.send(http.MethodGet, at, nil)
	if err := json.Unmarshal([]byte(body), into); err != nil {
		w.Fatalf("%s: %d %v %s", at, a.StatusCode, err, body)
	}
}

// documents follows what metadata and the description of the API say.
func (w *walker) documents() {
	w.Helper()
	var described struct {
		Servers []struct{ URL string }
		Paths   map[string]any
	}
	document := w.at("/auth/openapi.json")
	w.getJSON(document, &described)
	if len(described.Servers) != 1 {
		w.Fatalf("%+v", described.Servers)
	}
	for path := range described.Paths {
		w.resolve(document, described.Servers[0].URL+path)
	}
	var metadata map[string]any
	w.getJSON(w.at("/.well-known/openid-configuration"), &metadata)
	if metadata["issuer"] != w.issuer.String() {
		w.Errorf("issuer %v", metadata["issuer"])
	}
	for name, value := range metadata {
		if text, ok := value.(string); ok && (strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri")) {
			if a, body := w.send(http.MethodGet, w.resolve(document, text), nil); a.StatusCode == http.StatusNotFound {
				w.Errorf("%s: %s", text, body)
			}
		}
	}
	inserted := *w.issuer
	inserted.Path = "/.well-known/oauth-authorization-server" + w.issuer.Path
	w.getJSON(&inserted, &metadata)
	if metadata["issuer"] != w.issuer.String() {
		w.Errorf("%s: %v", &inserted, metadata)
	}
	a, _ := w.send(http.MethodGet, w.at("/auth/verify"), nil)
	m := regexp.MustCompile(`resource_metadata="([^"]*)"`).FindStringSubmatch(a.Header.Get("WWW-Authenticate"))
	if m == nil {
		w.Fatalf("%d %v", a.StatusCode, a.Header)
	}
	var resource struct {
		Servers []string `json:"authorization_servers"`
	}
	w.getJSON(w.resolve(document, m[1]), &resource)
	if len(resource.Servers) != 1 || resource.Servers[0] != w.issuer.String() {
		w.Errorf("%+v", resource)
	}
	var me struct{ Username string }
	w.getJSON(w.at("/auth/api/v1/me"), &me)
	if me.Username != "ada" {
		w.Errorf("%+v", me)
	}
	w.getJSON(w.at("/user"), &me)
	if me.Username != "ada" {
		w.Errorf("the gen3 dialect: %+v", me)
	}
}

// device goes where a device sends its user.
func (w *walker) device() {
	w.Helper()
	_, body := w.send(http.MethodPost, w.at("/oauth2/device_authorization"), url.Values{"client_id": {"tv"}, "scope": {"read"}})
	var started struct {
		Where    string `json:"verification_uri"`
		Complete string `json:"verification_uri_complete"`
	}
	must(w.T, json.Unmarshal([]byte(body), &started))
	w.walk(strings.TrimPrefix(started.Where, w.issuer.String()), strings.TrimPrefix(started.Complete, w.issuer.String()))
	if !w.seen[started.Where] || !w.seen[started.Complete] {
		w.Errorf("a device leads to %+v", started)
	}
}
