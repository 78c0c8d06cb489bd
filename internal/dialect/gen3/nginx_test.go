package gen3_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTheDocumentedGatewayStopsWhatWasTakenBack runs nginx with the file that the
// dialect's page shows.
func TestTheDocumentedGatewayStopsWhatWasTakenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the connection is cut while nginx still writes
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(application.Close)
	send := startNginx(t, s.url, application.URL)
	good, dead := s.AccessToken(t, "ada", password).Value.Reveal(), s.revoked()
	for name, c := range map[string]struct {
		method, body, authorization string
		status                      int
	}{
		"good":                          {"GET", "", "Bearer " + good, http.StatusTeapot},
		"revoked":                       {"GET", "", "Bearer " + dead, http.StatusForbidden},
		"none":                          {"GET", "", "", http.StatusTeapot},
		"junk":                          {"GET", "", "Bearer junk", http.StatusTeapot},
		"good, an upload":               {"POST", strings.Repeat("x", 200_000), "Bearer " + good, http.StatusTeapot},
		"revoked, an upload":            {"POST", strings.Repeat("x", 200_000), "Bearer " + dead, http.StatusForbidden},
		"revoked, another in the body":  {"POST", `{"token":"` + good + `"}`, "Bearer " + dead, http.StatusForbidden},
		"good, a revoked in the body":   {"POST", `{"token":"` + dead + `"}`, "Bearer " + good, http.StatusTeapot},
		"revoked, nothing in the body":  {"DELETE", "", "Bearer " + dead, http.StatusForbidden},
		"revoked, scheme in lower case": {"GET", "", "bearer " + dead, http.StatusForbidden},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://commons.example.org/ga4gh/tes/v1/tasks", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", typeJSON)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		response, err := send.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", name, response.StatusCode, c.status)
		}
	}
}

// startNginx runs nginx with the documented file and returns a client whose requests it
// gets. Without nginx the test is skipped, in CI it fails.
func startNginx(t *testing.T, bearerd, application string) *http.Client {
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
	page, err := os.ReadFile("../../../docs/dialect-gen3.md")
	if err != nil {
		t.Fatal(err)
	}
	site := regexp.MustCompile("(?ms)^```nginx\n# /etc/nginx/conf.d/commons.conf\n(.*?)^```$").FindSubmatch(page)
	if site == nil {
		t.Fatal("the page shows no commons.conf")
	}
	dir, err := os.MkdirTemp("", "nginx") //nolint:usetesting // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	text := string(site[1])
	for old, replacement := range map[string]string{
		"listen 80;":             "listen unix:" + socket + ";",
		"http://127.0.0.1:9181/": bearerd + "/",
		"http://127.0.0.1:8000":  application,
	} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q stands %d times on the page", old, strings.Count(text, old))
		}
		text = strings.Replace(text, old, replacement, 1)
	}
	config := "daemon off; master_process off; pid nginx.pid;\nevents {}\nhttp {\n access_log off; client_body_temp_path body;" +
		" proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n" + text + "}\n"
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	runNginx(t, exec.Command(binary, "-p", dir, "-c", "nginx.conf", "-e", "stderr"), socket)
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
}

// runNginx starts nginx and waits until it listens.
func runNginx(t *testing.T, cmd *exec.Cmd, socket string) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("nginx said:\n%s", log.String())
		}
	})
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(t.Context(), "unix", socket)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatal("nginx ended")
		default:
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("nginx doesn't listen: %v", err)
		}
	}
}
