package interop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

// raw sends a request as it is written, from an address of this machine, and returns the
// answer with its body read.
func raw(t *testing.T, from, address, target string, headers ...string) (*http.Response, string) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	text := "GET " + target + " HTTP/1.1\r\nHost: " + address + "\r\n"
	for i := 0; i < len(headers); i += 2 {
		text += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

const loopback = "127.0.0.1"

func basic(name, password string) []string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return []string{"Authorization", r.Header.Get("Authorization")}
}

// signedInAs returns whose session an answer began, "" where it began none.
func signedInAs(t *testing.T, bearerd string, resp *http.Response) string {
	t.Helper()
	for _, c := range resp.Cookies() {
		if c.Name == "bearerd_session" && c.Value != "" {
			return whose(t, bearerd, "Cookie", c.Name+"="+c.Value)
		}
	}
	return ""
}

func whose(t *testing.T, address string, headers ...string) string {
	t.Helper()
	resp, body := raw(t, loopback, address, "/auth/api/v1/me", headers...)
	var me struct{ Username string }
	if err := json.Unmarshal([]byte(body), &me); err != nil || resp.StatusCode != http.StatusOK || me.Username == "" {
		t.Fatalf("me: %d %s", resp.StatusCode, body)
	}
	return me.Username
}

// TestPeopleSignInThroughAWebServer follows the page from an empty directory to an API
// token of somebody whom the web server has signed in.
func TestPeopleSignInThroughAWebServer(t *testing.T) {
	t.Parallel()
	eachWebServer(t, func(t *testing.T, p *signInPage, startServer func(address, bearerd string)) {
		address := freeport.Address(t)
		bearerd := p.bearerd(address, "unknown: refuse", "unknown: create")
		startServer(address, bearerd)
		if resp, body := raw(t, loopback, address, "/auth/login"); resp.StatusCode != http.StatusOK || !strings.Contains(body, `href="/auth/sign-in/sso"`) || !strings.Contains(body, "Museum account") {
			t.Fatalf("the sign-in page: %d %s", resp.StatusCode, body)
		}
		for name, password := range map[string][]string{"no password": nil, "a wrong one": basic("ada", "wrong"), "none typed": basic("ada", ""), "another's": basic("ada", evesPassword), "nobody's": basic("root", adasPassword)} {
			resp, _ := raw(t, loopback, address, "/auth/sign-in/sso", password...)
			if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") || len(resp.Cookies()) != 0 {
				t.Errorf("with %s: %d %v", name, resp.StatusCode, resp.Header)
			}
		}
		b := browser(t)
		r := request(t, http.MethodGet, "http://"+address+"/auth/sign-in/sso?next=/auth/tokens", "")
		r.SetBasicAuth("ada", adasPassword)
		if resp, body := visit(t, b, r); resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/auth/tokens" || !strings.Contains(body, `title="ada"`) {
			t.Fatalf("signing in leads to %s: %d %s", resp.Request.URL, resp.StatusCode, body)
		}
		r = request(t, http.MethodPost, "http://"+address+"/auth/tokens", url.Values{"name": {"nightly"}, "scope": {"read"}}.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+address)
		resp, body := visit(t, b, r)
		token := regexp.MustCompile(`bda_[A-Za-z0-9]+`).FindString(body)
		if resp.StatusCode != http.StatusCreated || token == "" {
			t.Fatalf("creating a token: %d %s", resp.StatusCode, body)
		}
		if who := whose(t, address, "Authorization", "Bearer "+token); who != "ada" {
			t.Errorf("the token is %s's", who)
		}
	})
}

// TestPeopleOfASourceSignIn: those whom another system keeps here come in by its id of them,
// and nobody else with the page's setting.
func TestPeopleOfASourceSignIn(t *testing.T) {
	t.Parallel()
	p := newSignInPage(t)
	address := freeport.Address(t)
	bearerd := p.bearerd(address, "unknown: refuse", "users: hr, external_id: Remote-User, unknown: refuse")
	people := p.file("bearerd/people.yaml", "users: [{username: Ada.Lovelace, external_id: ada}]\n")
	apply := exec.CommandContext(t.Context(), binary, "apply", "-f", people, "--source", "hr", "--config", "bearerd.yaml")
	apply.Dir = filepath.Dir(people)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("apply: %v\n%s", err, out)
	}
	p.nginx(address, bearerd)
	resp, body := raw(t, loopback, address, "/auth/sign-in/sso", basic("ada", adasPassword)...)
	if who := signedInAs(t, bearerd, resp); who != "Ada.Lovelace" {
		t.Errorf("ada is %q: %d %s", who, resp.StatusCode, body)
	}
	resp, _ = raw(t, loopback, address, "/auth/sign-in/sso", basic("eve", evesPassword)...)
	if resp.StatusCode != http.StatusForbidden || len(resp.Cookies()) != 0 {
		t.Errorf("somebody who is unknown: %d %v", resp.StatusCode, resp.Cookies())
	}
}

func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second}
}

func request(t *testing.T, method, address, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func visit(t *testing.T, b *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// forgeries are headers of somebody who wants to be ada, by what they try.
func forgeries(secret string) map[string][]string {
	return map[string][]string{
		"nothing":            nil,
		"a user":             {"Remote-User", "ada"},
		"in lower case":      {"remote-user", "ada", "x-bearerd-proxy", secret},
		"with _":             {"Remote_User", "ada", "X_Bearerd_Proxy", secret},
		"with one _":         {"Remote_User", "ada", "X-Bearerd_Proxy", secret, "X_Bearerd-Proxy", secret},
		"capitals":           {"REMOTE_USER", "ada", "REMOTE-USER", "ada"},
		"a secret":           {"X-Bearerd-Proxy", "guess"},
		"the secret":         {"X-Bearerd-Proxy", secret, "Remote-User", "ada"},
		"everything twice":   {"Remote-User", "ada", "Remote-User", "ada", "X-Bearerd-Proxy", secret, "X-Bearerd-Proxy", secret},
		"an empty one first": {"Remote-User", "", "Remote-User", "ada", "X-Bearerd-Proxy", "", "X-Bearerd-Proxy", secret},
		"all names":          {"Remote-User", "ada", "Remote-Name", "Ada", "Remote-Email", "ada@example.org", "Remote-Groups", "curators"},
		"a list":             {"Remote-User", "ada, ada"},
		"a hop's headers":    {"Connection", "close, Remote-User, X-Bearerd-Proxy, Remote-Name", "Remote-User", "ada"},
		"a trailer":          {"Trailer", "Remote-User, X-Bearerd-Proxy"},
		"an address":         {"X-Forwarded-For", "127.0.0.1", "Forwarded", "for=127.0.0.1"},
	}
}

// TestNobodySignsInAsSomebodyElse: whatever a client sends, with the secret even, to
// whichever spelling of the page, and to bearerd itself without it.
func TestNobodySignsInAsSomebodyElse(t *testing.T) {
	t.Parallel()
	eachWebServer(t, func(t *testing.T, p *signInPage, startServer func(address, bearerd string)) {
		address := freeport.Address(t)
		bearerd := p.bearerd(address, "unknown: refuse", "unknown: create")
		startServer(address, bearerd)
		resp, _ := raw(t, loopback, address, "/auth/sign-in/sso", basic("ada", adasPassword)...)
		if who := signedInAs(t, bearerd, resp); who != "ada" {
			t.Fatalf("ada is %q", who)
		}
		for name, forged := range forgeries(p.secret()) {
			resp, _ := raw(t, loopback, address, "/auth/sign-in/sso", append(basic("eve", evesPassword), forged...)...)
			if who := signedInAs(t, bearerd, resp); who != "eve" {
				t.Errorf("%s: eve is %q, %d", name, who, resp.StatusCode)
			}
			resp, _ = raw(t, loopback, address, "/auth/sign-in/sso", forged...)
			if resp.StatusCode != http.StatusUnauthorized || len(resp.Cookies()) != 0 {
				t.Errorf("%s: somebody without a password: %d %v", name, resp.StatusCode, resp.Cookies())
			}
			for _, target := range []string{
				"/auth/sign-in/sso/", "//auth/sign-in/sso", "/auth//sign-in/sso", "/auth/sign-in/%73so", "/auth/sign-in/./sso", "/auth/x/../sign-in/sso",
				"/AUTH/sign-in/SSO", "/auth/sign-in/sso;x", "/auth/sign-in/sso%2f", "/auth%2fsign-in%2fsso", "/auth/sign-in/sso%00", "/auth/sign-in/sso?next=/",
				"/auth/sign-in/sso/link", "/auth/sign-in/sso/callback", "/auth/login", "/auth/tokens", "/auth/api/v1/me", "/",
			} {
				resp, body := raw(t, loopback, address, target, forged...)
				if len(resp.Cookies()) != 0 || strings.Contains(body, `title="ada"`) || strings.Contains(body, `"username":"ada"`) {
					t.Errorf("%s at %s: %d %v", name, target, resp.StatusCode, resp.Cookies())
				}
			}
		}
		direct := map[string]struct {
			from    string
			headers []string
		}{
			"without a secret":    {loopback, []string{"Remote-User", "ada"}},
			"with a wrong secret": {loopback, []string{"Remote-User", "ada", "X-Bearerd-Proxy", "guess"}},
			"with the secret twice": {
				loopback, []string{"Remote-User", "ada", "X-Bearerd-Proxy", p.secret(), "X-Bearerd-Proxy", p.secret()},
			},
			"from another address": {"127.0.0.2", []string{"Remote-User", "ada", "X-Bearerd-Proxy", p.secret()}},
			"saying it is forwarded": {
				"127.0.0.2", []string{"Remote-User", "ada", "X-Bearerd-Proxy", p.secret(), "X-Forwarded-For", "127.0.0.1"},
			},
		}
		for name, d := range direct {
			resp, _ := raw(t, d.from, bearerd, "/auth/sign-in/sso", d.headers...)
			if resp.StatusCode != http.StatusForbidden || len(resp.Cookies()) != 0 {
				t.Errorf("bearerd itself, %s: %d %v", name, resp.StatusCode, resp.Cookies())
			}
		}
		resp, _ = raw(t, loopback, bearerd, "/auth/sign-in/sso", "Remote-User", "ada", "X-Bearerd-Proxy", p.secret())
		if who := signedInAs(t, bearerd, resp); who != "ada" {
			t.Errorf("with the secret, from the web server's address: %q, %d", who, resp.StatusCode)
		}
	})
}

// seen is what a request that reached bearerd had of what only the web server may say.
type seen struct {
	path    string
	headers map[string]string
}

// TestTheWebServerAloneSaysWho: on the one page, once, with nobody's password behind it, and
// nothing of it anywhere else.
func TestTheWebServerAloneSaysWho(t *testing.T) {
	t.Parallel()
	eachWebServer(t, func(t *testing.T, p *signInPage, startServer func(address, bearerd string)) {
		var mu sync.Mutex
		var got []seen
		behind := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s := seen{r.URL.EscapedPath(), map[string]string{}}
			for name, values := range r.Header {
				folded := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
				if strings.HasPrefix(folded, "remote-") || folded == "x-bearerd-proxy" || folded == "authorization" {
					s.headers[name] = strings.Join(values, "|")
				}
			}
			mu.Lock()
			got = append(got, s)
			mu.Unlock()
		}))
		t.Cleanup(behind.Close)
		address := freeport.Address(t)
		startServer(address, strings.TrimPrefix(behind.URL, "http://"))
		mu.Lock()
		got = nil
		mu.Unlock()
		for name, forged := range forgeries(p.secret()) {
			raw(t, loopback, address, "/auth/sign-in/sso", append(basic("eve", evesPassword), forged...)...)
			want := map[string]string{"Remote-User": "eve", "X-Bearerd-Proxy": p.secret()}
			mu.Lock()
			if len(got) != 1 || fmt.Sprint(got[0].headers) != fmt.Sprint(want) {
				t.Errorf("%s: the page gets %v", name, got)
			}
			got = nil
			mu.Unlock()
			for _, target := range []string{"/auth/sign-in/other", "/auth/sign-in/sso/password", "/auth/sign-in/sso/", "/AUTH/sign-in/sso", "/auth/tokens", "/oauth2/token"} {
				raw(t, loopback, address, target, forged...)
			}
			raw(t, loopback, address, "/auth/sign-in/sso/password", append(basic("eve", evesPassword), forged...)...)
			mu.Lock()
			if slices.ContainsFunc(got, func(s seen) bool { return len(s.headers) != 0 }) || len(got) < 6 { // Caddy asks for a password in any case of letters
				t.Errorf("%s: other pages get %v", name, got)
			}
			got = nil
			mu.Unlock()
		}
	})
}

// TestApacheKnowsTheDirectivesOfThePage: the parts for LDAP, Kerberos and Shibboleth in
// place of the lines that they replace.
func TestApacheKnowsTheDirectivesOfThePage(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]struct{ module, replaces string }{
		"ldap": {"authnz_ldap", apacheFromFile}, "kerberos": {"auth_gssapi", apacheAsking}, "shibboleth": {"shib", apacheAsking},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSignInPage(t)
			more := []string{part.module}
			if name == "ldap" {
				more = []string{"ldap", part.module}
			}
			modules := p.apacheModules(more...)
			shown := blocks(t, "sign-in-header.md", "apache")
			site := swap(t, p.apacheConfig(loopback+":8080"), p.in(part.replaces), shown[name])
			if name == "shibboleth" {
				site = swap(t, site, "    ProxyPass /", shown["shibboleth-handlers"]+"    ProxyPass /")
			}
			conf := p.file("apache2/apache2.conf", fmt.Sprintf(apacheSite, p.root, freeport.Address(t), modules, site))
			out, err := exec.CommandContext(t.Context(), programOf(t, "apache2"), "-t", "-f", conf).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "Syntax OK") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
