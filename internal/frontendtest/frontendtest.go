// Package frontendtest runs the web servers that docs/deploy-*.md are about, with the
// very files that those pages show, in front of bearerd and an application.
//
// [Nginx] and [Caddy] start the real programs; where one is missing the test is skipped,
// or fails if CI is "true". [Traefik], which Debian has no package of, is simulated by
// what its documentation says.
package frontendtest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// The names of the sites on the pages.
const (
	Host      = "museum.example.org"      // an API alone
	LoginHost = "collections.example.org" // an application with a login of its own
	TrialHost = "trial.example.org"       // an application whose own checks count, while bearerd only reports
)

// A Starter runs a web server until the test ends. Its arguments are the URLs of bearerd
// and of the application.
type Starter func(t testing.TB, bearerd, application string) *Server

// Server is a web server that runs.
type Server struct{ network, address string }

// Dial opens a connection to the server.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, s.network, s.address)
}

// Address returns where the server listens: host and port, or a socket's path.
func (s *Server) Address() string { return s.address }

// Client returns a client that sends every request to the server and follows no
// redirect.
func (s *Server) Client() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) }
	return &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DialContext: dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Program finds a program by its names. Without it the test is skipped, in CI it fails.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", names[0])
	}
	t.Skipf("%s is missing: make packages installs it", names[0])
	return ""
}

// page returns the text of the page about a server.
func page(t testing.TB, server string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/deploy-" + server + ".md") //nolint:gosec // a page of ours
	must(t, err)
	return string(text)
}

// yamlBlocks returns the YAML of a server's page, in order; there must be n of them.
func yamlBlocks(t testing.TB, server string, n int) []string {
	t.Helper()
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(page(t, server), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) != n {
		t.Fatalf("%d blocks of YAML", len(blocks))
	}
	return blocks
}

// passOn answers the client with a refusal of bearerd.
func passOn(w http.ResponseWriter, answer *http.Response) {
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

// take copies the headers with these names from an answer; those that aren't in it stay.
func take(into, from http.Header, names []string) {
	for _, name := range names {
		if values := from.Values(name); len(values) > 0 {
			into[http.CanonicalHeaderKey(name)] = values
		}
	}
}

// Documented returns the files that a server's page shows, by their names beneath the
// server's directory in /etc.
func Documented(t testing.TB, server string) map[string]string {
	t.Helper()
	files := map[string]string{}
	block := regexp.MustCompile("(?ms)^```" + server + "\n# /etc/" + server + "/(\\S+)\n(.*?)^```$")
	for _, m := range block.FindAllStringSubmatch(page(t, server), -1) {
		files[m[1]] = m[2]
	}
	return files
}

// replaceOnce fails when the document no longer says what the test replaces.
func replaceOnce(t testing.TB, text, old, replacement string) string {
	t.Helper()
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("%q stands %d times in the document", old, n)
	}
	return strings.Replace(text, old, replacement, 1)
}

func hostOf(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	must(t, err)
	return u.Host
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// socketDir makes a directory whose path is short enough for a socket in it.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "front") //nolint:usetesting // t.TempDir can be too long for a socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Run runs a program in dir until the test ends, with the files inherited from
// descriptor 3 on, and waits until it takes connections at the address.
func Run(t testing.TB, dir, network, address string, inherited []*os.File, command ...string) *Server {
	t.Helper()
	var log lockedBuffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), command[0], command[1:]...) //nolint:gosec // the test's own
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = dir, &log, &log, inherited
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", command[0], log.String())
		}
	})
	s := &Server{network, address}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		conn, err := s.Dial(ctx)
		if err == nil {
			_ = conn.Close()
			return s
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", command[0], log.String())
		case <-ctx.Done():
			t.Fatalf("%s doesn't listen: %v\n%s", command[0], err, log.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// lockedBuffer is the output of a program so far.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p) //nolint:wrapcheck // it never fails
}

// String returns what was written.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Nginx runs nginx.
func Nginx(t testing.TB, bearerd, application string) *Server {
	t.Helper()
	socket := filepath.Join(socketDir(t), "socket")
	return nginx(t, &Server{network: "unix", address: socket}, bearerd, application, "")
}

// NginxVerifyListen is nginx that asks at another address, unix:PATH or host:port, as the page
// says of verify_listen.
func NginxVerifyListen(at string) Starter {
	return func(t testing.TB, bearerd, application string) *Server {
		t.Helper()
		socket := filepath.Join(socketDir(t), "socket")
		return nginx(t, &Server{network: "unix", address: socket}, bearerd, application, at)
	}
}

// NginxAt runs nginx on a port of this machine, host and port.
func NginxAt(address string) Starter {
	return func(t testing.TB, bearerd, application string) *Server {
		t.Helper()
		return nginx(t, &Server{network: "tcp", address: address}, bearerd, application, "")
	}
}

// nginx runs it; verify is verify_listen, "" for none.
func nginx(t testing.TB, at *Server, bearerd, application, verify string) *Server {
	t.Helper()
	binary := Program(t, "nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx")
	files := Documented(t, "nginx")
	for _, name := range []string{
		"bearerd-verify.conf", "bearerd-application.conf", "bearerd-refusal.conf", "bearerd-endpoint.conf", "bearerd-locations.conf",
		"conf.d/application.conf", "conf.d/api.conf", "conf.d/report-only.conf", "conf.d/bearerd-maps.conf",
		"conf.d/bearerd-verify-listen.conf",
	} {
		if files[name] == "" {
			t.Fatalf("the document doesn't show %s", name)
		}
	}
	dir, listen := socketDir(t), "listen "+at.address+";"
	if at.network == "unix" {
		listen = "listen unix:" + at.address + ";"
	}
	site := files["conf.d/application.conf"]
	site = replaceOnce(t, site, "server 127.0.0.1:8080;", "server "+hostOf(t, bearerd)+";")
	site = replaceOnce(t, site, "server 127.0.0.1:8000;", "server "+hostOf(t, application)+";")
	files["conf.d/application.conf"] = replaceOnce(t, site, "listen 80;", listen)
	for _, name := range []string{"conf.d/api.conf", "conf.d/report-only.conf"} {
		files[name] = replaceOnce(t, files[name], "listen 80;", listen)
	}
	if verify != "" {
		files["conf.d/bearerd-verify-listen.conf"] = replaceOnce(t, files["conf.d/bearerd-verify-listen.conf"], "unix:/run/bearerd/verify.sock", verify)
		for _, name := range []string{"bearerd-verify.conf", "bearerd-refusal.conf"} {
			files[name] = replaceOnce(t, files[name], "proxy_pass http://bearerd/auth/verify", "proxy_pass http://bearerd_verify/auth/verify")
		}
	}
	files["nginx.conf"] = "daemon off; master_process off; pid nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  client_body_temp_path body;" +
		" proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  include conf.d/*.conf;\n}\n"
	for name, text := range files {
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o750))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return Run(t, dir, at.network, at.address, nil, binary, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
}

// Caddy runs Caddy.
func Caddy(t testing.TB, bearerd, application string) *Server {
	t.Helper()
	return CaddyWith()(t, bearerd, application)
}

// CaddyWith is Caddy with more headers that bearerd sends.
func CaddyWith(more ...string) Starter {
	return func(t testing.TB, bearerd, application string) *Server {
		t.Helper()
		return caddy(t, bearerd, application, caddyChanges{more: more})
	}
}

// CaddyVerifyListen is Caddy that asks by a Unix socket, as the page says of verify_listen.
func CaddyVerifyListen(socket string) Starter {
	return func(t testing.TB, bearerd, application string) *Server {
		t.Helper()
		return caddy(t, bearerd, application, caddyChanges{verify: socket})
	}
}

// caddyChanges are what a test changes of the page's file.
type caddyChanges struct {
	more   []string // headers that bearerd sends beside the ten
	verify string   // the socket that is asked; "": bearerd's main listener
}

func caddy(t testing.TB, bearerd, application string, c caddyChanges) *Server {
	t.Helper()
	binary := Program(t, "caddy")
	dir := socketDir(t)
	socket := filepath.Join(dir, "socket")
	text := Documented(t, "caddy")["Caddyfile"]
	text = replaceOnce(t, text, " X-Bearerd-Audience\n", " X-Bearerd-Audience "+strings.Join(c.more, " ")+"\n")
	for _, host := range []string{Host, LoginHost, TrialHost} {
		text = replaceOnce(t, text, "\n"+host+" {\n", "\nhttp://"+host+" {\nbind unix/"+socket+"\n")
	}
	if c.verify != "" {
		text = strings.ReplaceAll(text, "forward_auth 127.0.0.1:8080 {", "forward_auth unix/"+c.verify+" {")
	}
	text = strings.ReplaceAll(text, "127.0.0.1:8000", hostOf(t, application))
	text = "{\nadmin off\nauto_https off\n}\n" + strings.ReplaceAll(text, "127.0.0.1:8080", hostOf(t, bearerd))
	must(t, os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(text), 0o600))
	return Run(t, dir, "unix", socket, nil, binary, "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
}
