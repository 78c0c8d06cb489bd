package interop_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// settingsBehind are those of a server with an application behind it, as the pages of the
// dialects advise.
const settingsBehind = `
senaite: {login_in_query: true}
upstream:
  url: %s
  routes:
    - {path: /, require: optional}
    - {path: /api/token, require: none}
    - {path: /oauth, require: none}
    - {path: /api/specify, require: token}
    - {path: /senaite, require: token}
`

// application stands for the systems themselves. It has the OAuth server of Hypothesis,
// and answers all else with who it was told is calling.
func application(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("POST /api/token", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.FormValue("grant_type") == "authorization_code" && r.FormValue("code") == "a-code-of-h" && r.FormValue("client_id") == "sidebar",
			r.FormValue("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer" && strings.Count(r.FormValue("assertion"), ".") == 2,
			r.FormValue("grant_type") == "refresh_token" && r.FormValue("refresh_token") == "4657-of-h":
			answer(w, http.StatusOK, map[string]any{"access_token": "5768-of-h", "refresh_token": "4657-of-h", "expires_in": 3600, "token_type": "Bearer"})
		default:
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		}
	})
	mux.HandleFunc("POST /oauth/revoke", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("token") != "5768-of-h" {
			answer(w, http.StatusBadRequest, map[string]any{"error": "a token of somebody else's"})
			return
		}
		answer(w, http.StatusOK, map[string]any{})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"application": r.Method + " " + r.URL.RequestURI(), "user": r.Header.Get("Remote-User"),
			"collection": r.Header.Get("X-Bearerd-Collection"), "kind": r.Header.Get("X-Bearerd-Token-Kind"),
			"authorization": r.Header.Get("Authorization"), "cookie": r.Header.Get("Cookie"), "form": r.FormValue("consumer"),
		})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// TestClientsOfTheSystems runs the systems' own clients, or clients that send the same
// requests where theirs can't be had, against a server with an application behind it, and
// holds what is said against a transcript. A script ends with 0 when all that it says is
// true.
func TestClientsOfTheSystems(t *testing.T) {
	t.Parallel()
	needPython(t)
	scripts, err := filepath.Glob("testdata/behind/*.py")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		name := strings.TrimSuffix(filepath.Base(script), ".py")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, serveBehind(t, application(t)))
			run(t, script, rec.url, "EdDSA")
			if !t.Failed() {
				rec.compare(t, name)
			}
		})
	}
}

// TestTheHypothesisClient runs the OAuth client of the Hypothesis sidebar, as npm has it.
func TestTheHypothesisClient(t *testing.T) {
	t.Parallel()
	dir := needPackages(t, "testdata/hypothesis")
	rec := record(t, serveBehind(t, application(t)))
	cmd := exec.CommandContext(t.Context(), "node", "client.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BEARERD="+rec.url, "USERNAME="+username, "PASSWORD="+password)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rec.compare(t, "hypothesis-sidebar")
}

// needPackages installs the npm packages of a folder in a copy of it, and returns where. It
// skips where Node or the registry is missing, but in CI that is a failure.
func needPackages(t *testing.T, folder string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		return dir
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("node, npm and its registry are needed: %v\n%s", err, out)
	}
	t.Skipf("node, npm or its registry is missing: %v", err)
	return ""
}
