package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/cli"
)

// startDemo runs bearerd demo and returns the commands that it prints.
func startDemo(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command("bearerd", append([]string{"demo", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "TMPDIR="+cmd.Dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	// A server that never gets so far is killed, which ends its output.
	killer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	var guide bytes.Buffer
	buf := make([]byte, 4096)
	for !strings.HasSuffix(guide.String(), guideEnd) {
		n, err := stdout.Read(buf)
		guide.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v:\n%s%s", err, &guide, &stderr)
		}
	}
	return cmd, guide.String()
}

// guideEnd is how the printed commands end.
var guideEnd = sampleGuide[strings.LastIndex(sampleGuide, "}}"):][2:]

// paste runs commands in a shell as if they were pasted, and returns what they print.
func paste(t *testing.T, dir, commands string) string {
	t.Helper()
	cmd := exec.Command("bash")
	// The exit code of a refusal is an answer, and ends nothing.
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(fmt.Sprintf("trap '[ $? = %d ] || exit 1' ERR\n", cli.ExitRefused)+commands)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() != cli.ExitRefused {
		t.Fatalf("%v:\n%s", err, out)
	}
	return string(out)
}

// steps splits what the guide printed at its headings.
func steps(out string) []string {
	return regexp.MustCompile(`(?m)^== .*\n`).Split(out, -1)[1:]
}

func TestTheCommandsThatTheDemoPrintsWork(t *testing.T) {
	t.Parallel()
	cmd, guide := startDemo(t)
	got := steps(paste(t, t.TempDir(), guide))
	want := []string{
		`^HTTP/1.1 401 Unauthorized(?s:.*)Www-Authenticate: Bearer realm=`,
		`^bda_\w+\n$`,
		`^\[\{"id":1,"collection":"4",.*\n\{.*"Remote-User":"spadmin".*"X-Bearerd-Scope":"read"`,
		`^HTTP/1.1 403 Forbidden(?s:.*)error="insufficient_scope"(?s:.*)scope="write"`,
		`^HTTP/1.1 403 Forbidden(?s:.*)\n\[\{"id":3,"collection":"32768",`,
		`^\{"id":\d+,"collection":"4","catalog_number":"KU 4711","name":"Perca flavescens","catalogued_by":"spadmin"\}`,
		`^\{"revoked":true,"seq":\d+,"nodes":1,"confirmed":1,"expired":0\}`,
		`^HTTP/1.1 401 Unauthorized(?s:.*)error="invalid_token", error_description="revoked"`,
		`^\{"allowed":false,(?s:.*)^revoked  +FAILED  +revoked(?s:.*)^revoked by spadmin at (?s:.*)^refused$`,
		`^\{"access_token":"eyJ.*"scope":"read"`,
		`"username":"jthomas"(?s:.*)"username":"spadmin"(?s:.*)"userid":"acct:spadmin@`,
	}
	if len(got) != len(want) {
		t.Fatalf("%d steps, want %d:\n%s", len(got), len(want), got)
	}
	for i, w := range want {
		if !regexp.MustCompile(`(?m)` + w).MatchString(got[i]) {
			t.Errorf("step %d does not match %s:\n%s", i+1, w, got[i])
		}
	}

	// It leaves nothing behind.
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cmd.Dir, "*")); len(left) > 0 {
		t.Errorf("it left %q behind", left)
	}
}

func TestADemoWithAFolderCanBeRunAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "try")
	for range 2 {
		cmd, guide := startDemo(t, "--dir", dir)
		if out := paste(t, dir, guide); !strings.Contains(out, "Perca flavescens") {
			t.Errorf("the commands print\n%s", out)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bearerd.yaml", "access.yaml", "bearerd.db", "master.key", "bearerd.log"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	b := &bench{TB: t, dir: dir}
	b.run("config", "check")
	if out := b.run("user", "list"); !strings.Contains(out, "spadmin") {
		t.Errorf("the users are\n%s", out)
	}
}

func TestTheSampleAPIRefusesWhatItShould(t *testing.T) {
	t.Parallel()
	api, err := startSampleAPI(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.stop)
	const fishes = "/api/collections/4/specimens"
	for _, c := range []struct {
		method, path, scope, collection, body string
		want                                  int
	}{
		{"GET", "/", "", "", "", http.StatusOK},
		{"GET", fishes, "read", "", "", http.StatusOK},
		{"GET", fishes, "write", "", "", http.StatusForbidden},
		{"GET", fishes, "", "", "", http.StatusForbidden},
		{"GET", fishes + "/1", "read", "4", "", http.StatusOK},
		{"GET", fishes + "/3", "read", "4", "", http.StatusNotFound}, // of another collection
		{"GET", fishes + "/9", "read", "", "", http.StatusNotFound},
		{"GET", "/api/collections/32768/specimens/3", "read", "", "", http.StatusOK},
		{"GET", "/api/collections/32768/specimens/3", "read", "4", "", http.StatusForbidden},
		{"POST", fishes, "read", "4", `{"catalog_number":"1","name":"x"}`, http.StatusForbidden},
		{"POST", fishes, "read write", "32768", `{"catalog_number":"1","name":"x"}`, http.StatusForbidden},
		{"POST", fishes, "read write", "4", `{"catalog_number":"1","name":"x"}`, http.StatusCreated},
		{"POST", fishes, "write", "", `{"name":"x"}`, http.StatusBadRequest},
		{"POST", fishes, "write", "", `x`, http.StatusBadRequest},
		{"POST", fishes, "write", "", `"` + strings.Repeat("x", 5000) + `"`, http.StatusBadRequest},
		{"DELETE", fishes + "/1", "read write", "4", "", http.StatusMethodNotAllowed},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("X-Bearerd-Collection", c.collection)
		r.Header.Set("X-Bearerd-Scope", c.scope)
		w := httptest.NewRecorder()
		api.server.Handler.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s %s with %q for %q: %d, want %d: %s", c.method, c.path, c.scope, c.collection, w.Code, c.want, w.Body)
		}
	}
}
