package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// startNginx runs nginx with the documented files in front of bearerd and the
// application, and gives a client whose requests it gets.
func startNginx(t testing.TB, bearerd, application string) *http.Client {
	t.Helper()
	binary := program(t, "nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx")
	files := documented(t, "nginx")
	for _, name := range []string{"bearerd-verify.conf", "bearerd-application.conf", "conf.d/application.conf"} {
		if files[name] == "" {
			t.Fatalf("the document doesn't show %s", name)
		}
	}
	dir := socketDir(t)
	site := files["conf.d/application.conf"]
	site = replaceOnce(t, site, "server 127.0.0.1:8080;", "server "+parseURL(t, bearerd).Host+";")
	site = replaceOnce(t, site, "server 127.0.0.1:8000;", "server "+parseURL(t, application).Host+";")
	files["conf.d/application.conf"] = replaceOnce(t, site, "listen 80;", "listen unix:"+filepath.Join(dir, "socket")+";")
	files["nginx.conf"] = "daemon off; master_process off; pid nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  client_body_temp_path body;" +
		" proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  include conf.d/*.conf;\n}\n"
	for name, text := range files {
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return run(t, dir, binary, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
}

func TestNginxAsksOnLastingConnectionsWithoutQueryAndBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	client, a := w.behind(t, startNginx)
	issued := w.issue(t, nil)
	chunked := func() io.Reader { return io.MultiReader(strings.NewReader(strings.Repeat("x", 200<<10))) }
	for _, body := range []func() io.Reader{func() io.Reader { return nil }, func() io.Reader { return strings.NewReader("body") }, chunked} {
		for range 5 {
			s := through(t, client, http.MethodPut, "/x?access_token=secret&scope=admin", bearer(issued), body()).reached(t)
			if s.Method != http.MethodPut || s.Target != "/x?access_token=secret&scope=admin" {
				t.Errorf("arrived as %s %s", s.Method, s.Target)
			}
		}
	}
	questions := a.take()
	connections := map[string]bool{}
	for _, q := range questions {
		connections[q.from] = true
		if q.method != http.MethodGet || q.target != "/auth/verify" || q.body != 0 || q.host != "museum.example.org" ||
			q.header.Get("X-Forwarded-Method") != http.MethodPut || q.header.Get("Remote-User") != "" {
			t.Errorf("asked %+v", q)
		}
	}
	if len(questions) != 15 || len(connections) != 1 {
		t.Errorf("%d questions on %d connections", len(questions), len(connections))
	}
}

func TestNginxSays503WhenBearerdHasNoAnswer(t *testing.T) {
	t.Parallel()
	var status, retryAfter string
	var mu sync.Mutex
	bearerd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if status == "hang up" {
			panic(http.ErrAbortHandler)
		}
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		code := 200
		_, _ = fmt.Sscan(status, &code)
		w.WriteHeader(code)
	}))
	t.Cleanup(bearerd.Close)
	client := startNginx(t, bearerd.URL, mirror(t).String())
	check := func(set, retry string, want int, wantRetry string) {
		t.Helper()
		mu.Lock()
		status, retryAfter = set, retry
		mu.Unlock()
		got := through(t, client, http.MethodGet, "/x", nil, nil)
		if got.status != want || got.header.Get("Retry-After") != wantRetry || got.header.Get("X-From") != "" {
			t.Errorf("%s: %d, Retry-After %q; want %d %q", set, got.status, got.header.Get("Retry-After"), want, wantRetry)
		}
	}
	check("503", "7", 503, "7")
	check("503", "", 503, "1")
	check("500", "", 503, "1")
	check("hang up", "", 503, "1")
	check("400", "", 500, "")
	bearerd.Close()
	check("not there", "", 503, "1")
}
