package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bearerd/bearerd/internal/frontendtest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestNginxAsksOnLastingConnectionsWithoutQueryAndBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	client, a := w.behind(t, frontend{run: frontendtest.Nginx})
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
		if q.method != http.MethodGet || q.target != "/auth/verify?preflight=pass" || q.body != 0 || q.host != "museum.example.org" ||
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
	client := frontendtest.Nginx(t, bearerd.URL, mirror(t).String()).Client()
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
