package museum_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/frontendtest"

	"github.com/bearerd/bearerd/internal/freeport"
)

// stepTimeout is how long one step may take, on a slow machine that does much else.
const stepTimeout = 60 * time.Second

// bin is a directory with bearerd, built once, and with Debian's Python as python3.
var bin string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if bin, err = os.MkdirTemp("", "bearerd-museum-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	build := exec.CommandContext(context.Background(), "go", "build", "-o", filepath.Join(bin, "bearerd"), "./cmd/bearerd")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building bearerd: %w\n%s", err, out)
	}
	if err := os.Symlink("/usr/bin/python3", filepath.Join(bin, "python3")); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// museum is a copy of the example with ports of its own.
type museum struct {
	*testing.T

	dir, url string
	env      []string
}

// newMuseum copies the example. With assertion it believes signed assertions alone.
func newMuseum(t *testing.T, mode string, assertion bool) *museum {
	t.Helper()
	needDjango(t)
	root := t.TempDir()
	m := &museum{T: t, dir: filepath.Join(root, "examples", "django-museum")}
	must(t, os.MkdirAll(filepath.Dir(m.dir), 0o750))
	must(t, os.CopyFS(m.dir, os.DirFS(".")))
	repository, err := filepath.Abs("../..")
	must(t, err)
	for _, name := range []string{"docs", "clients"} {
		must(t, os.Symlink(filepath.Join(repository, name), filepath.Join(root, name)))
	}
	ports := [4]string{freeport.Port(t), freeport.Port(t), freeport.Port(t), freeport.Port(t)}
	m.url = "http://localhost:" + ports[0]
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BEARERD_") && !strings.HasPrefix(v, "MUSEUM_") && !strings.HasPrefix(v, "PATH=") {
			m.env = append(m.env, v)
		}
	}
	m.env = append(m.env, "PATH="+bin+":"+os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1", "MUSEUM_PORT="+ports[0],
		"MUSEUM_BEARERD_PORT="+ports[1], "MUSEUM_DJANGO_PORT="+ports[2], "MUSEUM_OPS_PORT="+ports[3], "BEARERD_ISSUER="+m.url,
		"BEARERD_CONFIG="+map[bool]string{true: "bearerd.yaml", false: "bearerd-beside.yaml"}[mode == "proxy"])
	if assertion {
		m.env = append(m.env, "MUSEUM_ASSERTION=museum")
	}
	return m
}

func needDjango(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import django, jwt").CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("Debian's python3-django and python3-jwt are needed: %v\n%s", err, out)
	}
	t.Skipf("python3-django or python3-jwt is not installed: %v", err)
}

// serve runs run.sh until the test ends, and returns the commands that it prints.
func (m *museum) serve(mode string) string {
	m.Helper()
	if mode != "proxy" {
		frontendtest.Program(m.T, mode, "/usr/sbin/"+mode)
	}
	cmd := m.command("./run.sh", mode)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	must(m.T, err)
	must(m.T, cmd.Start())
	m.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if m.Failed() {
			m.logs(&stderr)
		}
	})
	killer := time.AfterFunc(2*stepTimeout, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer killer.Stop()
	var said bytes.Buffer
	for buf := make([]byte, 4096); !strings.HasSuffix(strings.TrimSpace(said.String()), lastCommand); {
		n, err := stdout.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			m.Fatalf("run.sh: %v\n%s%s", err, &said, &stderr)
		}
	}
	_, commands, _ := strings.Cut(said.String(), "stop everything.\n")
	return commands
}

// lastCommand is how the printed commands end.
const lastCommand = `curl -siw '\n' -H "Authorization: Bearer $READ" $API/collections/4/specimens/`

func (m *museum) logs(stderr *bytes.Buffer) {
	m.Logf("run.sh: %s", stderr)
	files, _ := filepath.Glob(filepath.Join(m.dir, "run", "*.log"))
	for _, name := range files {
		text, _ := os.ReadFile(name)
		m.Logf("%s:\n%s", filepath.Base(name), text[max(0, len(text)-3000):])
	}
}

func (m *museum) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.WithoutCancel(m.Context()), name, args...)
	cmd.Dir, cmd.Env = m.dir, m.env
	return cmd
}

// paste runs commands in a shell as if they were pasted, and returns what they print.
func (m *museum) paste(commands string) string {
	m.Helper()
	cmd := m.command("bash", "-e")
	cmd.Stdin = strings.NewReader(commands)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		m.Fatalf("%v:\n%s\n%s%s", err, commands, out, &stderr)
	}
	return string(out)
}

// create returns a new API token with the scope read.
func (m *museum) create(user string) string {
	m.Helper()
	return strings.TrimSpace(m.paste("bearerd token create " + user + " --name of-a-test --scope read"))
}

// sessions counts the rows of Django's session table.
func (m *museum) sessions() string {
	m.Helper()
	return m.paste(`python3 -c "import sqlite3; print(sqlite3.connect('museum.sqlite3').execute('SELECT count(*) FROM django_session').fetchone()[0])"`)
}

// answer is what the museum says.
type answer struct {
	status int
	header http.Header
	body   string
}

// client keeps no cookies, and follows no redirect.
var client = &http.Client{
	Timeout:       stepTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ask sends a request with a token, and with more headers in pairs.
func (m *museum) ask(method, path, token, body string, headers ...string) answer {
	m.Helper()
	a, err := m.try(method, path, token, body, headers...)
	must(m.T, err)
	return a
}

func (m *museum) try(method, path, token, body string, headers ...string) (answer, error) {
	r, err := http.NewRequestWithContext(m.Context(), method, m.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// want checks the status, and that the body or a challenge says each of some texts.
func (m *museum) want(a answer, status int, texts ...string) {
	m.Helper()
	if a.status != status {
		m.Errorf("status %d, want %d: %v\n%s", a.status, status, a.header, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body+a.header.Get("WWW-Authenticate"), text) {
			m.Errorf("%q is missing in %v\n%s", text, a.header, a.body)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
