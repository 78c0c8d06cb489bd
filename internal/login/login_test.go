package login_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/login"
)

var begin = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// issuer is a server that answers what the test says, one answer after the other.
type issuer struct {
	*httptest.Server

	metadata string // in place of its own
	answers  []string
	forms    []string
	slept    []time.Duration
	now      time.Time
}

func newIssuer(t *testing.T, answers ...string) *issuer {
	t.Helper()
	i := &issuer{answers: answers, now: begin}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		if i.metadata != "" {
			_, _ = fmt.Fprint(w, i.metadata)
			return
		}
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"device_authorization_endpoint":%q,"token_endpoint":%q,"revocation_endpoint":%q}`,
			i.URL, i.URL+"/device", i.URL+"/token", i.URL+"/revoke")
	})
	mux.HandleFunc("POST /{endpoint}", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		i.forms = append(i.forms, r.PathValue("endpoint")+" "+r.Form.Encode())
		answer := `500 {}`
		if len(i.answers) > 0 {
			answer, i.answers = i.answers[0], i.answers[1:]
		}
		status, body, _ := strings.Cut(answer, " ")
		code := 0
		_, _ = fmt.Sscan(status, &code)
		w.WriteHeader(code)
		_, _ = fmt.Fprint(w, strings.ReplaceAll(body, "BASE", i.URL))
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "https://example.org/", http.StatusFound)
			return
		}
		_, _ = fmt.Fprint(w, r.URL.RequestURI()+" "+r.Header.Get("Authorization"))
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) connect(t *testing.T) *login.Server {
	t.Helper()
	s, err := login.Connect(t.Context(), login.Server{
		Issuer: i.URL, Now: func() time.Time { return i.now },
		Sleep: func(_ context.Context, d time.Duration) error {
			i.slept, i.now = append(i.slept, d), i.now.Add(d)
			return nil
		},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const started = `200 {"device_code":"dc","user_code":"WDJB-MJHT","verification_uri":"BASE/auth/device","expires_in":600,"interval":5}`

func TestADeviceWaitsForTheDecision(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, started, `400 {"error":"authorization_pending"}`, `400 {"error":"slow_down"}`, `503 {}`,
		`200 {"access_token":"at","refresh_token":"rt","expires_in":1800,"scope":"read"}`)
	s := i.connect(t)
	d, err := s.Begin(t.Context(), "cli", "read write")
	if err != nil || d.UserCode != "WDJB-MJHT" || d.Page != i.URL+"/auth/device" {
		t.Fatalf("%+v: %v", d, err)
	}
	got, err := s.Wait(t.Context(), d)
	want := login.Login{Issuer: i.URL, ClientID: "cli", Scope: "read", Token: "at", Refresh: "rt", ExpiresAt: begin.Add(30*time.Second + 30*time.Minute)}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	second := time.Second
	if diff := cmp.Diff([]time.Duration{5 * second, 5 * second, 10 * second, 10 * second}, i.slept); diff != "" {
		t.Errorf("how long it waited (-want +got):\n%s", diff)
	}
}

func TestADecisionAgainstItEndsIt(t *testing.T) {
	t.Parallel()
	for code, answers := range map[string][]string{
		"access_denied": {started, `400 {"error":"access_denied"}`},
		"expired_token": {strings.Replace(started, "600", "12", 1), `400 {"error":"authorization_pending"}`, `400 {"error":"authorization_pending"}`, `400 {"error":"authorization_pending"}`},
	} {
		i := newIssuer(t, answers...)
		s := i.connect(t)
		d, err := s.Begin(t.Context(), "cli", "")
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.Wait(t.Context(), d)
		refusal, ok := errors.AsType[*login.Error](err)
		if !ok || refusal.Code != code || l != (login.Login{}) {
			t.Errorf("%s: %v, %v", code, l, err)
		}
	}
}

func TestATokenThatEndsIsReplaced(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, `200 {"access_token":"new","expires_in":1800}`, `400 {"error":"invalid_grant"}`)
	s := i.connect(t)
	l := login.Login{Issuer: i.URL, ClientID: "cli", Username: "ada", Scope: "read", Token: "old", Refresh: "rt", ExpiresAt: begin.Add(time.Minute)}
	if got, changed, err := s.Fresh(t.Context(), l); err != nil || changed || got != l {
		t.Errorf("one that is good for a minute: %v, %t, %v", got, changed, err)
	}
	i.now = begin.Add(31 * time.Second)
	got, changed, err := s.Fresh(t.Context(), l)
	want := l
	want.Token, want.ExpiresAt = "new", i.now.Add(30*time.Minute)
	if err != nil || !changed || got != want {
		t.Errorf("%+v, %t, %v; want %+v", got, changed, err, want)
	}
	if _, _, err := s.Fresh(t.Context(), l); err == nil {
		t.Error("a refusal was taken for a token")
	}
	l.Refresh = ""
	if got, changed, err := s.Fresh(t.Context(), l); err != nil || changed || got != l {
		t.Errorf("without a refresh token: %v, %t, %v", got, changed, err)
	}
	if diff := cmp.Diff("token client_id=cli&grant_type=refresh_token&refresh_token=rt", i.forms[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRevokingEndsBoth(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, `200 {}`, `200 {}`, `503 {}`)
	s := i.connect(t)
	l := login.Login{Issuer: i.URL, ClientID: "cli", Token: "at", Refresh: "rt"}
	if err := s.Revoke(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"revoke client_id=cli&token=rt", "revoke client_id=cli&token=at"}, i.forms); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := s.Revoke(t.Context(), l); err == nil {
		t.Error("a server that can't is taken for one that has")
	}
}

// A token goes to its issuer, by no redirect and to no other name.
func TestATokenGoesNowhereElse(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := i.connect(t)
	l := login.Login{Issuer: i.URL, Token: "at"}
	for path, want := range map[string]string{
		"me?x=1": "/auth/api/v1/me?x=1 Bearer at", "/specimens": "/specimens Bearer at", i.URL + "/x": "/x Bearer at", "/away": "<a href",
	} {
		resp, err := s.Do(t.Context(), l, login.Call{Method: http.MethodGet, Path: path})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		var body [64]byte
		n, _ := resp.Body.Read(body[:])
		_ = resp.Body.Close()
		if !strings.HasPrefix(strings.TrimSpace(string(body[:n])), want) {
			t.Errorf("%s is answered with %s", path, body[:n])
		}
	}
	for _, path := range []string{"https://example.org/x", i.URL + "1/x", i.URL + ".example.org/", i.URL + "@example.org/", "http://example.org/" + i.URL + "/x"} {
		if resp, err := s.Do(t.Context(), l, login.Call{Method: http.MethodGet, Path: path}); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s was asked", path)
		}
	}
}

func TestAServerThatIsAnother(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]string{
		"another issuer":     `{"issuer":"https://example.org","device_authorization_endpoint":"BASE/d","token_endpoint":"BASE/t","revocation_endpoint":"BASE/r"}`,
		"an endpoint abroad": `{"issuer":"BASE","device_authorization_endpoint":"BASE/d","token_endpoint":"https://example.org/t","revocation_endpoint":"BASE/r"}`,
		"no endpoint":        `{"issuer":"BASE"}`,
		"no JSON":            `<h1>Hello</h1>`,
	} {
		i := newIssuer(t)
		i.metadata = strings.ReplaceAll(metadata, "BASE", i.URL)
		if _, err := login.Connect(t.Context(), login.Server{Issuer: i.URL}, ""); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for _, bad := range []string{"", "auth.example.org", "http://auth.example.org", "ftp://localhost", "https://u:p@localhost", "https://localhost/#x"} {
		if _, err := login.Connect(t.Context(), login.Server{Issuer: bad}, ""); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	i := newIssuer(t, `200 {"device_code":"dc","user_code":"X","verification_uri":"https://example.org/device","expires_in":600}`)
	if d, err := i.connect(t).Begin(t.Context(), "cli", ""); err == nil {
		t.Errorf("it leads to %s", d.Page)
	}
}

func TestLoginsAreKeptForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	f := login.Folder(filepath.Join(t.TempDir(), "a", "logins"))
	if all, err := f.Issuers(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	one := login.Login{Issuer: "https://auth.example.org/user", Token: "secret", Refresh: "also secret", ExpiresAt: begin}
	for _, l := range []login.Login{{Issuer: "https://b.example.org", Token: "x"}, {Issuer: one.Issuer, Token: "before"}, one} {
		if err := f.Save(l); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.Load(one.Issuer)
	if diff := cmp.Diff(one, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	all, err := f.Issuers()
	if diff := cmp.Diff([]string{one.Issuer, "https://b.example.org"}, all); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	files, err := os.ReadDir(string(f))
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if info, err := file.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(string(f)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	path := filepath.Join(string(f), files[0].Name())
	for _, spoil := range []func() error{
		func() error { return os.Chmod(path, 0o640) },
		func() error { return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("{"), 0o600)) },
		func() error {
			text, err := json.Marshal(login.Login{Issuer: "https://another.example.org", Token: "x"})
			return errors.Join(err, os.WriteFile(path, text, 0o600))
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if l, err := f.Load(one.Issuer); err == nil {
			t.Errorf("%v was taken", l)
		}
	}
	for range 2 {
		if err := f.Remove(one.Issuer); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.Load(one.Issuer); !errors.Is(err, login.ErrNone) {
		t.Error(err)
	}
	for _, verb := range []string{"%v", "%+v", "%s", "%#v"} {
		if text := fmt.Sprintf(verb, one); strings.Contains(text, "secret") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
