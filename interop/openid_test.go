package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

const providerSecret = "of/the+client, 32 bytes at least" // #nosec G101 -- of this test alone

// TestSignInWithAProvider signs in with oidc-provider, makes and uses a token, and lets the
// provider end it all by its back channel.
func TestSignInWithAProvider(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		algorithm string
		inIDToken bool
		logout    string
	}{{"RS256", false, "sessions"}, {"ES256", true, "all"}, {"EdDSA", true, "sessions"}, {"PS256", true, "sessions"}} {
		t.Run(c.algorithm, func(t *testing.T) {
			t.Parallel()
			dir := needPackages(t, "testdata/openid")
			issuer := "http://" + freeport.Address(t)
			secret := filepath.Join(t.TempDir(), "provider.secret")
			write(t, secret, providerSecret+"\n")
			server := serveWith(t, fmt.Sprintf(`
dialects: []
sign_in:
  sources:
    - name: op
      type: oidc
      title: The provider
      issuer: %s
      client_id: bearerd
      client_secret_file: %s
      scopes: [openid, profile, email, groups]
      groups: groups
      groups_only: [curators]
      unknown: create
      logout: %s
`, issuer, secret, c.logout))
			b := newPerson(t, server)

			// The provider isn't there yet: a page says so, and the password form goes on.
			status, page := b.get(server + "/auth/sign-in/op")
			if status != http.StatusServiceUnavailable || !strings.Contains(page, "The provider") {
				t.Errorf("without the provider: %d\n%s", status, page)
			}
			env := []string{"ALGORITHM=" + c.algorithm}
			if c.inIDToken {
				env = append(env, "IN_ID_TOKEN=yes")
			}
			startProvider(t, issuer, server, dir, env, "node", "provider.mjs")
			b.awaitProvider()
			status, page = b.signIn(server+"/auth/sign-in/op?next=/auth/tokens", "ada")
			if status != http.StatusOK || b.at != server+"/auth/tokens" || !strings.Contains(page, "ada") {
				t.Fatalf("signed in: %d at %s\n%s", status, b.at, page)
			}
			var me struct {
				Username, Name, Email string
				Groups                []string
			}
			b.api(http.MethodGet, "/auth/api/v1/me", nil, http.StatusOK, &me)
			if me.Username != "ada" || me.Email != "ada@example.org" || len(me.Groups) != 1 || me.Groups[0] != "curators" {
				t.Errorf("me: %+v", me)
			}
			var token struct{ Token string }
			b.api(http.MethodPost, "/auth/api/v1/tokens", map[string]any{"name": "script"}, http.StatusCreated, &token)
			if status := verifyAt(t, server, token.Token); status != http.StatusOK {
				t.Errorf("the token is answered %d", status)
			}

			b.signOut(issuer)
			if status, _ := b.get(server + "/auth/api/v1/tokens"); status != http.StatusUnauthorized {
				t.Errorf("the session after the logout: %d", status)
			}
			want := map[string]int{"sessions": http.StatusOK, "all": http.StatusUnauthorized}[c.logout]
			if status := verifyAt(t, server, token.Token); status != want {
				t.Errorf("the token after the logout: %d, want %d", status, want)
			}
			// Who signs in again is the same user.
			b.signIn(server+"/auth/sign-in/op", "ada")
			var again struct{ Username string }
			b.api(http.MethodGet, "/auth/api/v1/me", nil, http.StatusOK, &again)
			if again.Username != "ada" {
				t.Errorf("signed in again as %q", again.Username)
			}
		})
	}
}

// TestSignInWithAuthlib signs in with a provider of another make: it sends no iss, has no
// userinfo endpoint, takes the client's secret in the form alone, and sends aud as a list.
func TestSignInWithAuthlib(t *testing.T) {
	t.Parallel()
	needPython(t)
	needFrameworks(t)
	issuer := "http://" + freeport.Address(t)
	secret := filepath.Join(t.TempDir(), "provider.secret")
	write(t, secret, providerSecret)
	server := serveWith(t, fmt.Sprintf(`
dialects: []
sign_in:
  password: false
  sources:
    - {name: op, type: oidc, issuer: %q, client_id: bearerd, client_secret_file: %q, unknown: create, max_age: 1h}
`, issuer, secret))
	startProvider(t, issuer, server, "testdata/openid", []string{"AUTHLIB_INSECURE_TRANSPORT=1"}, python, "provider.py")
	b := newPerson(t, server)
	b.awaitProvider()
	// Without passwords and with one source, the sign-in page leads there at once.
	if status, page := b.get(server + "/auth/login?next=/auth/tokens"); status != http.StatusOK || b.at != server+"/auth/tokens" {
		t.Fatalf("signed in: %d at %s\n%s", status, b.at, page)
	}
	var me struct{ Username, Name, Email string }
	b.api(http.MethodGet, "/auth/api/v1/me", nil, http.StatusOK, &me)
	if me.Username != "ada" || me.Name != "Ada Lovelace" || me.Email != "" {
		t.Errorf("me: %+v; an address that isn't verified is not taken", me)
	}
}

// startProvider runs a provider, a command in a directory, until the test ends.
func startProvider(t *testing.T, issuer, server, dir string, env []string, command ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "ISSUER="+issuer, "SECRET="+providerSecret,
		"REDIRECT_URI="+server+"/auth/sign-in/op/callback", "BACKCHANNEL="+server+"/auth/sign-in/op/backchannel-logout"), env...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	t.Cleanup(func() { <-gone })
	awaitReady(t, issuer+"/.well-known/openid-configuration", gone)
}

// person is somebody with a browser that keeps cookies, follows redirects and fills in forms.
type person struct {
	t      *testing.T
	server string
	client *http.Client
	at     string // the address of the last page
}

func newPerson(t *testing.T, server string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t: t, server: server, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

func (b *person) send(r *http.Request) (int, string) {
	b.t.Helper()
	r.Header.Set("Accept", "text/html")
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	at := *res.Request.URL
	at.RawQuery = ""
	b.at = at.String()
	return res.StatusCode, string(body)
}

func (b *person) get(address string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.send(r)
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)"`)
	inputTag = regexp.MustCompile(`<(?:input|button)[^>]*name="([^"]*)"[^>]*value="([^"]*)"`)
)

// submit sends the form of a page with the values that it has and those given.
func (b *person) submit(page string, values map[string]string) (int, string) {
	b.t.Helper()
	form := formTag.FindStringSubmatch(page)
	if form == nil {
		b.t.Fatalf("no form at %s:\n%s", b.at, page)
	}
	fields := url.Values{}
	for _, input := range inputTag.FindAllStringSubmatch(page, -1) {
		fields.Set(input[1], html.UnescapeString(input[2]))
	}
	for name, value := range values {
		fields.Set(name, value)
	}
	at, err := url.Parse(b.at)
	if err != nil {
		b.t.Fatal(err)
	}
	action, err := at.Parse(html.UnescapeString(form[1]))
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, action.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.send(r)
}

// awaitProvider waits until the server has seen that the provider is there: one that did
// not answer is asked again after five seconds.
func (b *person) awaitProvider() {
	b.t.Helper()
	stays := *b.client
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for range 100 {
		r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.server+"/auth/sign-in/op", http.NoBody)
		if err != nil {
			b.t.Fatal(err)
		}
		res, err := stays.Do(r)
		if err != nil {
			b.t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusSeeOther {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	b.t.Fatal("the server did not ask the provider again")
}

// signIn begins at an address, and does at the provider what a person does there.
func (b *person) signIn(address, name string) (int, string) {
	b.t.Helper()
	status, page := b.get(address)
	for range 3 {
		if strings.HasPrefix(b.at, b.server) {
			break
		}
		status, page = b.submit(page, map[string]string{"login": name, "password": "any"})
	}
	return status, page
}

// signOut ends the session at the provider, which calls the back channel before it answers.
func (b *person) signOut(issuer string) {
	b.t.Helper()
	_, page := b.get(issuer + "/session/end")
	if status, page := b.submit(page, map[string]string{"logout": "yes"}); status != http.StatusOK {
		b.t.Fatalf("signing out: %d\n%s", status, page)
	}
}

// api calls the management API by the browser's session.
func (b *person) api(method, path string, body any, want int, into any) {
	b.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.server+path, bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Origin", b.server)
	r.Header.Set("Content-Type", "application/json")
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if res.StatusCode != want {
		b.t.Fatalf("%s %s: %d, want %d: %s", method, path, res.StatusCode, want, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		b.t.Fatal(err)
	}
}

// verifyAt asks forward auth about a token.
func verifyAt(t *testing.T, server, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server+"/auth/verify", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
