package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/bearerd/bearerd/internal/freeport"
)

const (
	// assistant is a public client that asks people for access, on a port of their machine.
	assistant    = "assistant"
	assistantURL = "https://assistant.example.com/client.json"

	accessOfAssistant = `
  - id: assistant
    name: Museum assistant
    grants: [authorization_code, refresh_token]
    redirect_uris: ["http://127.0.0.1/callback"]
`
	// settingsMCP are those of a server with an MCP server behind it.
	settingsMCP = `
scopes: {specimens: Count specimens}
resources: [{url: "http://%[1]s/mcp", audience: museum-mcp, scopes: [specimens]}]
upstream:
  url: http://%[2]s
  routes: [{path: /mcp, require: token, audience: museum-mcp, scope: specimens}]
`
)

// site is a server with an MCP server behind it, which need not run.
type site struct{ url, mcp, dir string }

// serveMCP starts a server that asks people for clients. Its flags
// are added to those of every test.
func serveMCP(t *testing.T, arguments ...string) site {
	t.Helper()
	dir := t.TempDir()
	address, ops, mcp := freeport.Address(t), freeport.Address(t), freeport.Address(t)
	write(t, filepath.Join(dir, "bearerd.yaml"), fmt.Sprintf(configFile, address, ops)+fmt.Sprintf(settingsMCP, address, mcp))
	write(t, filepath.Join(dir, "access.yaml"), strings.TrimRight(accessFile, "\n")+accessOfAssistant)
	apply(t, dir)
	awaitReady(t, "http://"+ops+"/readyz", startServer(t, dir, arguments...))
	return site{"http://" + address, mcp, dir}
}

// node runs a script of JavaScript against a site.
func (s site) node(t *testing.T, script string, variables ...string) {
	t.Helper()
	needScript(t, script)
	cmd := exec.CommandContext(t.Context(), "node", script)
	cmd.Env = append(os.Environ(), "BEARERD="+s.url, "USERNAME="+username, "PASSWORD="+password, "MCP="+s.mcp)
	cmd.Env = append(cmd.Env, variables...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
}

// needScript skips where Node or a library that a script loads is missing, but in CI that is
// a failure.
func needScript(t *testing.T, script string) {
	t.Helper()
	check := exec.CommandContext(t.Context(), "node", script)
	check.Env = append(os.Environ(), "BEARERD=", "MCP=")
	out, err := check.CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("node is needed, with the libraries that .ci/packages installs: %v\n%s", err, out)
	default:
		t.Skipf("node or a library is missing: %v", err)
	}
}

// TestTheSDKOfMCP: the official client finds its way from a 401 to a person's consent, calls
// a tool of a server behind the proxy, refreshes, and is disconnected; registered, and known
// by its metadata document alone.
func TestTheSDKOfMCP(t *testing.T) {
	t.Parallel()
	at, ca := document(t, assistantURL)
	for _, sdk := range []string{"@modelcontextprotocol/sdk", "mcp-sdk-1.25"} {
		t.Run(sdk, func(t *testing.T) {
			t.Parallel()
			t.Run("registered", func(t *testing.T) {
				t.Parallel()
				serveMCP(t).node(t, "javascript/mcp.mjs", "SDK="+sdk, "CLIENT_ID="+assistant)
			})
			t.Run("by its document", func(t *testing.T) {
				t.Parallel()
				s := serveMCP(t, "--insecure-client-metadata", "assistant.example.com="+at+","+ca)
				s.node(t, "javascript/mcp.mjs", "SDK="+sdk, "CLIENT_URL="+assistantURL)
			})
		})
	}
}

// TestOAuthClientsOfJavaScript: openid-client and oauth4webapi get tokens by the code grant,
// refresh and revoke them, and refuse an answer of another server.
func TestOAuthClientsOfJavaScript(t *testing.T) {
	t.Parallel()
	serveMCP(t).node(t, "javascript/code.mjs", "CLIENT_ID="+assistant)
}

// TestClientsOfJavaScriptWithAKey: openid-client and oauth4webapi authenticate by a key that they
// publish, for two grants, refreshes, introspection and revocation, and are refused with another's.
func TestClientsOfJavaScriptWithAKey(t *testing.T) {
	t.Parallel()
	keys := "http://" + freeport.Address(t) + "/jwks.json"
	s := serveMCP(t)
	create := exec.CommandContext(t.Context(), binary, "client", "create", "keyed", "--config", "bearerd.yaml", "--jwks-uri", keys, "--scope", "specimens",
		"--grant", "client_credentials", "--grant", "authorization_code", "--grant", "refresh_token", "--redirect-uri", "http://127.0.0.1/callback")
	create.Dir = s.dir
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.node(t, "javascript/privatekey.mjs", "CLIENT_ID=keyed", "KEYS="+keys)
}

// TestTheGoClientByLoopback: x/oauth2 gets tokens by the code grant, on a port of its own,
// and refreshes them.
func TestTheGoClientByLoopback(t *testing.T) {
	t.Parallel()
	s := serveMCP(t)
	codes := make(chan url.Values, 1)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { codes <- r.URL.Query() }))
	t.Cleanup(app.Close)
	config := oauth2.Config{
		ClientID: assistant, RedirectURL: app.URL + "/callback", Scopes: []string{"specimens"},
		Endpoint: oauth2.Endpoint{AuthURL: s.url + "/oauth2/authorize", TokenURL: s.url + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier := oauth2.GenerateVerifier()
	allow(t, s.url, config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
	answer := <-codes
	if answer.Get("state") != "state" || answer.Get("iss") != s.url {
		t.Fatalf("the answer is %v", answer)
	}
	if _, err := config.Exchange(t.Context(), answer.Get("code")); err == nil {
		t.Error("a code without its verifier got a token")
	}
	allow(t, s.url, config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
	got, err := config.Exchange(t.Context(), (<-codes).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	old := *got
	old.Expiry = time.Unix(0, 0)
	next, err := config.TokenSource(t.Context(), &old).Token()
	if err != nil || next.AccessToken == got.AccessToken || next.RefreshToken == got.RefreshToken {
		t.Errorf("refreshed: %v", err)
	}
	// Nothing listens behind the route, which only a good token gets as far as.
	if status := get(t, config.Client(t.Context(), next), s.url+"/mcp"); status != http.StatusBadGateway {
		t.Errorf("the refreshed token: %d", status)
	}
}

var (
	requestField = regexp.MustCompile(`name="request" value="([^"]*)"`)
	scopeField   = regexp.MustCompile(`name="scope" value="([^"]*)"`)
)

// allow signs a person in at a server, and posts the form of the consent page.
func allow(t *testing.T, base, request string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	u, err := url.Parse(request)
	if err != nil {
		t.Fatal(err)
	}
	page := submit(t, browser, base+"/auth/login", url.Values{"username": {username}, "password": {password}, "next": {u.RequestURI()}})
	found := requestField.FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no consent page: %s", page)
	}
	form := url.Values{"request": {strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(found[1])}, "decision": {"allow"}}
	for _, scope := range scopeField.FindAllStringSubmatch(page, -1) {
		form.Add("scope", scope[1])
	}
	submit(t, browser, base+"/oauth2/authorize", form)
}

// submit posts a form, follows what it leads to, and returns that page.
func submit(t *testing.T, browser *http.Client, address string, form url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v\n%s", address, res.StatusCode, err, body)
	}
	return string(body)
}

// document serves the metadata document of a client, and returns where and the file of the
// certificate.
func document(t *testing.T, id string) (at, ca string) {
	t.Helper()
	u, err := url.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: u.Host}, DNSNames: []string{u.Host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"client_id":%q,"client_name":"Assistant","redirect_uris":["https://%s/back"],"token_endpoint_auth_method":"none"}`, id, u.Host)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return server.Listener.Addr().(*net.TCPAddr).String(), ca
}

// TestTheConformanceTestsOfMCP: those for authorization servers pass, without a warning.
func TestTheConformanceTestsOfMCP(t *testing.T) {
	t.Parallel()
	serveMCP(t).node(t, "javascript/conformance.mjs", "CLIENT_ID="+assistant)
}
