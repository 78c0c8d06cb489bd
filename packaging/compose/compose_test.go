package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const example = "../../examples/compose"

// project reads the example as `docker compose` does.
func project(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(example, "compose.yaml")}, cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func TestComposeTakesTheExample(t *testing.T) {
	t.Parallel()
	p, err := project(t, "BEARERD_IMAGE=bearerd:1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"access", "bearerd"} {
		s, err := p.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Image != "bearerd:1.2.3" || !s.ReadOnly || len(s.Ports) > 0 || len(s.CapDrop) != 1 {
			t.Errorf("%s is %+v", name, s)
		}
	}
	// Nothing but nginx can be reached, and that from this machine alone.
	for _, s := range p.Services {
		for _, port := range s.Ports {
			if s.Name != "nginx" || port.HostIP != "127.0.0.1" || port.Published != "8080" {
				t.Errorf("%s publishes %+v", s.Name, port)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts what isn't there: %v", s.Name, err)
			}
		}
	}
	if _, err := project(t); err == nil || !strings.Contains(err.Error(), "docker load") {
		t.Errorf("without an image: %v", err)
	}
}

// nginx's files are those of the page about nginx, which the proxy tests hold.
func TestTheFilesOfNginxAreThePages(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/deploy-nginx.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```nginx\n(# /etc/nginx/((?:conf.d/)?bearerd-[a-z]+\\.conf)\n.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 6 {
		t.Fatalf("the page has %d files", len(blocks))
	}
	for _, b := range blocks {
		text, err := os.ReadFile(filepath.Join(example, "nginx", string(b[2])))
		if err != nil || !bytes.Equal(text, b[1]) {
			t.Errorf("%s is not the page's, %v: copy it again", b[2], err)
		}
	}
}

// tool finds a program. Without it the test is skipped, in CI it fails.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", name)
	}
	t.Skipf("%s is missing: make packages installs it", name)
	return ""
}

// freeAddresses returns addresses of this machine at which nobody listens.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var list []string
	for range n {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		list = append(list, l.Addr().String())
	}
	return list
}

// run runs a program until the test ends.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, &said)
		}
	})
}

// site is the example, running without containers.
type site struct {
	*testing.T

	base string
}

// start starts what compose.yaml names, with its files. Names of containers become addresses
// of this machine.
func start(t *testing.T) *site {
	t.Helper()
	nginx, python := tool(t, "nginx"), "/usr/bin/python3"
	dir := t.TempDir()
	at := freeAddresses(t, 4)
	front, bearerd, app, ops := at[0], at[1], at[2], at[3]
	binary := filepath.Join(dir, "bearerd")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/bearerd")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, port, _ := net.SplitHostPort(app)
	application := exec.Command(python, "-u", filepath.Join(example, "app.py"))
	application.Env = append(os.Environ(), "PORT="+port)
	run(t, application)

	database := []string{"--database", filepath.Join(dir, "bearerd.db"), "--config", filepath.Join(example, "bearerd.yaml")}
	apply := exec.Command(binary, append([]string{"apply", "-f", filepath.Join(example, "access.yaml")}, database...)...)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run(t, exec.Command(binary, append([]string{"serve", "--listen", bearerd, "--ops-listen", ops}, database...)...))

	etc := filepath.Join(dir, "nginx")
	names := strings.NewReplacer("bearerd:8080", bearerd, "app:8000", app, "listen 80 ", "listen "+front+" ")
	err := filepath.WalkDir(filepath.Join(example, "nginx"), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(filepath.Join(example, "nginx"), path)
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(etc, rel), 0o700)
		}
		text, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(filepath.Join(etc, rel), []byte(names.Replace(string(text))), 0o600))
	})
	main := "daemon off;\nmaster_process off;\nerror_log stderr;\npid " + dir + "/pid;\nevents {}\nhttp {\n  access_log off;\n  include conf.d/*.conf;\n"
	for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += "  " + temp + "_temp_path " + dir + "/" + temp + ";\n"
	}
	if err := errors.Join(err, os.WriteFile(filepath.Join(etc, "nginx.conf"), []byte(main+"}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command(nginx, "-p", etc, "-c", filepath.Join(etc, "nginx.conf"), "-e", "stderr"))
	s := &site{t, "http://" + front}
	s.await("/", http.StatusOK)
	s.await("/auth/login", http.StatusOK)
	return s
}

// await waits until a page is there.
func (s *site) await(path string, status int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, http.NoBody)
		if err != nil {
			s.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == status {
				return
			}
		}
		select {
		case <-ctx.Done():
			s.Fatalf("%s is not there: %v", path, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *site) send(method, path, body string, header http.Header) (int, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header = header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestTheExampleRuns does what its README says.
func TestTheExampleRuns(t *testing.T) {
	t.Parallel()
	s := start(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/oauth2/token", strings.NewReader("grant_type=client_credentials&scope=read"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("dashboard", url.QueryEscape("a secret of the example, which is public"))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var issued struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&issued); err != nil || issued.AccessToken == "" {
		t.Fatalf("no token: %d, %v", resp.StatusCode, err)
	}
	token := http.Header{"Authorization": {"Bearer " + issued.AccessToken}}
	for _, tc := range []struct {
		method, path, body string
		header             http.Header
		status             int
		says               string
	}{
		{"GET", "/", "", http.Header{}, 200, "hello"},
		{"GET", "/api/specimens", "", http.Header{}, 401, "needs a token"},
		{"GET", "/api/specimens", "", http.Header{"Remote-User": {"ada"}}, 401, ""},
		{"GET", "/api/specimens", "", token, 200, "Gadus morhua"},
		{"POST", "/api/specimens", `{"name": "Esox lucius"}`, token, 403, "write"},
		{"GET", "/auth/verify", "", token, 404, ""},
	} {
		status, text := s.send(tc.method, tc.path, tc.body, tc.header.Clone())
		if status != tc.status || !strings.Contains(text, tc.says) {
			t.Errorf("%s %s: %d %s, want %d with %q", tc.method, tc.path, status, text, tc.status, tc.says)
		}
	}
}
