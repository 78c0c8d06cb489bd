// Package mcpserver_test runs the example as its README says.
package mcpserver_test

import (
	"bufio"
	"bytes"
	"context"
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

// stepTimeout is how long one step may take, on a slow machine that does much else.
const stepTimeout = 2 * time.Minute

// TestAnAssistantIsConnected: the script starts everything; an assistant asks the person
// once, calls a tool, goes on by what it keeps, and after it was disconnected has to ask.
func TestAnAssistantIsConnected(t *testing.T) {
	t.Parallel()
	needNode(t)
	e := start(t)
	assistant := e.assistant(t, "count_specimens", `{"kind": "fish"}`)
	page := assistant.page(t)
	e.allow(t, page)
	assistant.says(t, "12408 fish")
	again := e.assistant(t, "whoami", "{}")
	again.says(t, "Ada Lovelace, with the scope specimens")
	e.disconnect(t)
	e.assistant(t, "whoami", "{}").page(t)
}

// example is the example, running.
type example struct {
	dir, url string
	browser  *http.Client
}

func start(t *testing.T) *example {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "server.mjs", "assistant.mjs", "bearerd.yaml", "access.yaml", "run.sh"} {
		text, err := os.ReadFile(name)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, name), text, 0o700))
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "bin", "bearerd"), "./cmd/bearerd")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building bearerd: %v\n%s", err, out)
	}
	port := freeport.Port(t)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "./run.sh")
	cmd.Dir, cmd.Stderr = dir, t.Output()
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"),
		"MUSEUM_PORT="+port, "MUSEUM_MCP_PORT="+freeport.Port(t), "MUSEUM_OPS_PORT="+freeport.Port(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stepTimeout
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	await(t, bufio.NewReader(out), regexp.MustCompile(`Disconnect it: `))
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &example{dir: dir, url: "http://localhost:" + port, browser: &http.Client{Jar: jar}}
}

// run is a run of the assistant.
type run struct {
	out *bufio.Reader
}

func (e *example) assistant(t *testing.T, tool, arguments string) *run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	cmd := exec.CommandContext(ctx, "node", "assistant.mjs", e.url+"/mcp", tool, arguments)
	cmd.Dir, cmd.Stderr = e.dir, t.Output()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return &run{bufio.NewReader(out)}
}

// page returns the page that the assistant wants to be opened.
func (r *run) page(t *testing.T) string {
	t.Helper()
	return await(t, r.out, regexp.MustCompile(`^(http\S+/oauth2/authorize\S+)`))[1]
}

func (r *run) says(t *testing.T, line string) {
	t.Helper()
	await(t, r.out, regexp.MustCompile("^"+regexp.QuoteMeta(line)+"$"))
}

// await reads lines until one matches.
func await(t *testing.T, out *bufio.Reader, line *regexp.Regexp) []string {
	t.Helper()
	var read bytes.Buffer
	for {
		text, err := out.ReadString('\n')
		read.WriteString(text)
		if found := line.FindStringSubmatch(strings.TrimSuffix(text, "\n")); found != nil {
			return found
		}
		if err != nil {
			t.Fatalf("no line like %s in\n%s", line, &read)
		}
	}
}

// allow signs ada in and posts the form of the consent page, as her browser does.
func (e *example) allow(t *testing.T, request string) {
	t.Helper()
	u, err := url.Parse(request)
	must(t, err)
	page := e.submit(t, "/auth/login", url.Values{"username": {"ada"}, "password": {"correct horse"}, "next": {u.RequestURI()}})
	field := regexp.MustCompile(`name="request" value="([^"]*)"`).FindStringSubmatch(page)
	if field == nil || !strings.Contains(page, "Museum assistant") || !strings.Contains(page, "Count the museum") {
		t.Fatalf("no consent page, but\n%s", page)
	}
	form := url.Values{"request": {html.UnescapeString(field[1])}, "scope": {"specimens"}, "decision": {"allow"}}
	if page := e.submit(t, "/oauth2/authorize", form); !strings.Contains(page, "go back to the assistant") {
		t.Fatalf("the assistant answers the browser\n%s", page)
	}
}

// disconnect revokes the only connected application.
func (e *example) disconnect(t *testing.T) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.url+"/auth/tokens", nil)
	must(t, err)
	link := regexp.MustCompile(`href="(/auth/tokens/[^"]+/revoke)" aria-label="Disconnect`).FindStringSubmatch(e.do(t, r))
	if link == nil {
		t.Fatal("nothing is connected")
	}
	e.submit(t, link[1], nil)
}

func (e *example) submit(t *testing.T, path string, form url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+path, strings.NewReader(form.Encode()))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return e.do(t, r)
}

func (e *example) do(t *testing.T, r *http.Request) string {
	t.Helper()
	res, err := e.browser.Do(r)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d\n%s", r.URL.Path, res.StatusCode, body)
	}
	return string(body)
}

// needNode skips where Node or npm is missing, but in CI that is a failure.
func needNode(t *testing.T) {
	t.Helper()
	for _, program := range []string{"node", "npm", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
