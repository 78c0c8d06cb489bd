package httpkit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

func TestOneEventTellsTheRequest(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("POST /tokens/{id}", httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
		e := httpkit.EventOf(r.Context())
		e.Principal, e.PrincipalName, e.TokenID, e.Outcome = "user-1", "ada", "token-1", "ok"
		return httpkit.WriteJSON(w, http.StatusOK, struct{}{})
	}, plainErrors))
	r := httptest.NewRequest(http.MethodPost, "/tokens/7?token=bda_secret", nil)
	r.RemoteAddr = "10.1.1.1:1234"
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	r.Header.Set("X-Request-Id", "from-proxy.1")
	r.Header.Set("Authorization", "Bearer header-secret")
	r.Header.Set("Cookie", "bearerd_session=cookie-secret")
	_, lines := observed(t, mux, r)
	line := oneLine(t, lines)
	if all := fmt.Sprint(line); strings.Contains(all, "secret") {
		t.Errorf("a secret reached the log: %s", all)
	}
	delete(line, "time")
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "POST", "path": "/tokens/7", "route": "POST /tokens/{id}",
		"status": 200.0, "bytes": 3.0, "duration_seconds": 1.0, "address": "192.0.2.7", "request_id": "from-proxy.1",
		"principal": "user-1", "principal_name": "ada", "token_id": "token-1", "outcome": "ok",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestTheErrorChainIsLoggedForServerErrorsOnly(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk full")
	for _, c := range []struct {
		err   error
		level string
		told  bool
	}{
		{fault.Wrap(cause, fault.Invalid, "bad"), "INFO", false},
		{fault.Wrap(cause, fault.InvalidToken, "expired"), "INFO", false},
		{fault.Wrap(cause, fault.Unavailable, "later"), "WARN", true},
		{fmt.Errorf("storing: %w", cause), "ERROR", true},
	} {
		h := httpkit.Handle(func(http.ResponseWriter, *http.Request) error { return c.err },
			httpkit.Problems(httpkit.Challenge{}))
		_, lines := observed(t, h, httptest.NewRequest(http.MethodGet, "/x", nil))
		line := oneLine(t, lines)
		_, told := line["error"]
		if told != c.told || line["level"] != c.level {
			t.Errorf("%v: error logged %t at %v, want %t at %s", c.err, told, line["level"], c.told, c.level)
		}
		if told && !strings.Contains(fmt.Sprint(line["error"]), "disk full") {
			t.Errorf("the chain is cut: %v", line["error"])
		}
	}
}

func TestAMutedRequestLeavesNoLineUnlessItCrashes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"yes", nil, 0},
		{"refused", fault.New(fault.InvalidToken, "expired"), 0},
		{"no lease", fault.New(fault.Unavailable, "no lease"), 0},
		{"internal", errors.New("broken"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := httpkit.Handle(func(_ http.ResponseWriter, r *http.Request) error {
				httpkit.EventOf(r.Context()).Mute()
				return c.err
			}, httpkit.BearerErrors(httpkit.Challenge{}))
			if _, lines := observed(t, h, httptest.NewRequest(http.MethodGet, "/x", nil)); len(lines) != c.want {
				t.Errorf("%d lines, want %d: %v", len(lines), c.want, lines)
			}
		})
	}
}

func TestAPanicOutsideOfHandleIsAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		httpkit.EventOf(r.Context()).Mute()
		panic("raw")
	})
	w, lines := observed(t, h, httptest.NewRequest(http.MethodGet, "/x", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "raw") {
		t.Errorf("answer %d %q", w.Code, w.Body)
	}
	if line := oneLine(t, lines); line["stack"] == nil || line["error"] != "panic: raw" {
		t.Errorf("log line %v", line)
	}
}

func TestAPanicOutsideOfHandleAfterTheStartCutsTheConnection(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		panic("raw")
	})
	w, lines := observed(t, h, httptest.NewRequest(http.MethodGet, "/x", nil))
	if w.Code != 0 || oneLine(t, lines)["level"] != "ERROR" {
		t.Errorf("answer %d, log %v", w.Code, lines)
	}
}

func TestRequestIDsAreBelievedOnlyWhenSaneAndFromATrustedProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, peer string
		ids        []string
		believed   bool
	}{
		{"trusted", "10.0.0.1:1", []string{"Abc-1._"}, true},
		{"longest", "10.0.0.1:1", []string{strings.Repeat("x", 64)}, true},
		{"too long", "10.0.0.1:1", []string{strings.Repeat("x", 65)}, false},
		{"empty", "10.0.0.1:1", []string{""}, false},
		{"line break", "10.0.0.1:1", []string{"a\nb"}, false},
		{"space", "10.0.0.1:1", []string{"a b"}, false},
		{"not ASCII", "10.0.0.1:1", []string{"é"}, false},
		{"two", "10.0.0.1:1", []string{"a", "b"}, false},
		{"stranger", "192.0.2.1:1", []string{"abc"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/x", nil)
			r.RemoteAddr = c.peer
			r.Header["X-Request-Id"] = c.ids
			_, lines := observed(t, http.NotFoundHandler(), r)
			got := fmt.Sprint(oneLine(t, lines)["request_id"])
			if (got == c.ids[0]) != c.believed || got == "" || len(got) > 64 {
				t.Errorf("request id %q, believed should be %t", got, c.believed)
			}
		})
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	t.Parallel()
	o := httpkit.NewObserver(httpkit.ObserverConfig{Logger: discard(), Now: clock()})
	seen := map[string]bool{}
	h := o.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen[httpkit.EventOf(r.Context()).RequestID()] = true
	}))
	for range 1000 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	if len(seen) != 1000 {
		t.Errorf("%d different ids of 1000", len(seen))
	}
}

func TestALongPathIsCutInTheLog(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/"+strings.Repeat("a", 5000), nil)
	_, lines := observed(t, http.NotFoundHandler(), r)
	if got := len(fmt.Sprint(oneLine(t, lines)["path"])); got != 512 {
		t.Errorf("logged path has %d bytes, want 512", got)
	}
}

func TestEventOfIsNeverNil(t *testing.T) {
	t.Parallel()
	e := httpkit.EventOf(t.Context())
	e.Mute()
	if e.RequestID() != "" || e.ClientAddress() != "" {
		t.Errorf("event outside of a request: %+v", e)
	}
}

func TestObserverAddsToTheContextAndTellsTheEnd(t *testing.T) {
	t.Parallel()
	type key struct{}
	type end struct {
		route  string
		status int
		took   time.Duration
	}
	var ends []end
	o := httpkit.NewObserver(httpkit.ObserverConfig{
		Logger: discard(), Now: clock(),
		Context: func(ctx context.Context, e *httpkit.Event) context.Context {
			return context.WithValue(ctx, key{}, e.ClientAddress())
		},
		Done: func(r *http.Request, status int, took time.Duration) {
			ends = append(ends, end{r.Pattern, status, took})
		},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{id}", func(_ http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") == "panic" {
			panic("at once")
		}
		if got := r.Context().Value(key{}); got != "192.0.2.1" {
			t.Errorf("the context says %v", got)
		}
	})
	for _, path := range []string{"/x", "/panic", "/no/where"} {
		o.Wrap(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	want := []end{{"GET /{id}", 200, time.Second}, {"GET /{id}", 500, time.Second}, {"", 404, time.Second}}
	if diff := cmp.Diff(want, ends, cmp.AllowUnexported(end{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestContextOfARequestEndsWithIt(t *testing.T) {
	t.Parallel()
	type key struct{}
	ended := make(chan error, 1)
	o := httpkit.NewObserver(httpkit.ObserverConfig{Logger: discard(), Now: clock()})
	h := o.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		child, cancel := context.WithTimeout(r.Context(), time.Hour)
		defer cancel()
		if r.Context().Value(key{}) != "of the server" {
			t.Error("the context lost what the server put into it")
		}
		if _, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
			t.Error("the context makes values up")
		}
		<-child.Done()
		ended <- child.Err()
	}))
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "of the server"))
	cancel()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the child ended with %v", err)
	}
}

// Another goroutine that works for a request may read its event too.
func TestEventMayBeAskedFromSeveralGoroutines(t *testing.T) {
	t.Parallel()
	o := httpkit.NewObserver(httpkit.ObserverConfig{Logger: discard(), Now: clock()})
	o.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ids := make(chan string, 8)
		for range cap(ids) {
			go func() {
				e := httpkit.EventOf(r.Context())
				ids <- e.ClientAddress() + " " + e.RequestID()
			}()
		}
		first := <-ids
		for range cap(ids) - 1 {
			if id := <-ids; id != first {
				t.Errorf("%q and %q name one request", first, id)
			}
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}
