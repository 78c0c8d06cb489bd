package httpkit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

func TestHandleRendersAnErrorInTheEdgesWords(t *testing.T) {
	t.Parallel()
	h := httpkit.Handle(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.Conflict, "taken")
	}, plainErrors)
	w, lines := observed(t, h, httptest.NewRequest(http.MethodPost, "/x", nil))
	if w.Code != http.StatusTeapot || w.Body.String() != "edge: taken\n" {
		t.Errorf("answer %d %q", w.Code, w.Body)
	}
	id := w.Header().Get("X-Request-Id")
	if got := oneLine(t, lines)["request_id"]; id == "" || got != id {
		t.Errorf("request id %q in the answer, %v in the log", id, got)
	}
}

func TestHandleLeavesASuccessAlone(t *testing.T) {
	t.Parallel()
	h := httpkit.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		return httpkit.WriteJSON(w, http.StatusCreated, map[string]int{"n": 1})
	}, plainErrors)
	w, _ := observed(t, h, httptest.NewRequest(http.MethodGet, "/x", nil))
	if w.Code != http.StatusCreated || w.Body.String() != `{"n":1}`+"\n" || w.Header().Get("X-Request-Id") != "" {
		t.Errorf("answer %d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestHandleTurnsAPanicIntoAnInternalError(t *testing.T) {
	t.Parallel()
	h := httpkit.Handle(func(http.ResponseWriter, *http.Request) error {
		panic("the core is on fire")
	}, httpkit.Problems(httpkit.Challenge{}))
	w, lines := observed(t, h, httptest.NewRequest(http.MethodGet, "/x", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
	if body := w.Body.String(); strings.Contains(body, "fire") || strings.Contains(body, "goroutine") {
		t.Errorf("the client sees %q", body)
	}
	line := oneLine(t, lines)
	if line["level"] != "ERROR" || !strings.Contains(fmt.Sprint(line["error"]), "fire") ||
		!strings.Contains(fmt.Sprint(line["stack"]), "handler_test.go") {
		t.Errorf("log line %v", line)
	}
}

func TestHandlePassesAbortOn(t *testing.T) {
	t.Parallel()
	h := httpkit.Handle(func(http.ResponseWriter, *http.Request) error {
		panic(http.ErrAbortHandler)
	}, plainErrors)
	w, lines := observed(t, h, httptest.NewRequest(http.MethodGet, "/x", nil))
	if w.Code != 0 || w.Body.Len() != 0 {
		t.Errorf("answer %d %q, want an aborted connection", w.Code, w.Body)
	}
	if _, told := oneLine(t, lines)["stack"]; told {
		t.Error("an abort was logged as a crash")
	}
}

func TestHandleCutsTheConnectionWhenTheAnswerHasBegun(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("late") },
		"panic": func() error { panic("late") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := httpkit.Handle(func(w http.ResponseWriter, _ *http.Request) error {
				_, _ = io.WriteString(w, "half an ans")
				return fail()
			}, plainErrors)
			w, lines := observed(t, h, httptest.NewRequest(http.MethodGet, "/x", nil))
			if w.Code != 0 || w.Body.String() != "half an ans" {
				t.Errorf("answer %d %q, want half an answer and an abort", w.Code, w.Body)
			}
			if name == "panic" && oneLine(t, lines)["level"] != "ERROR" {
				t.Errorf("log line %v", lines)
			}
		})
	}
}

func TestHandleBlamesNobodyWhenTheClientWentAway(t *testing.T) {
	t.Parallel()
	h := httpkit.Handle(func(_ http.ResponseWriter, r *http.Request) error {
		return fmt.Errorf("asking the store: %w", r.Context().Err())
	}, plainErrors)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, lines := observed(t, h, httptest.NewRequestWithContext(ctx, http.MethodGet, "/x", nil))
	line := oneLine(t, lines)
	if line["level"] != "INFO" || line["outcome"] != "cancelled" || line["status"] != 499.0 {
		t.Errorf("log line %v", line)
	}
}

func TestWrappedWriterKeepsWhatNetHTTPCanDo(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("GET /flush", httpkit.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "data")
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no http.Flusher")
		}
		return http.NewResponseController(w).Flush()
	}, plainErrors))
	mux.Handle("GET /hijack", httpkit.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return err
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		return conn.Close()
	}, plainErrors))
	mux.Handle("GET /copy", httpkit.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("no io.ReaderFrom")
		}
		_, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("copied")})
		return err
	}, plainErrors))
	mux.Handle("GET /deadline", httpkit.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		return http.NewResponseController(w).SetWriteDeadline(time.Time{})
	}, plainErrors))
	mux.Handle("GET /hints", httpkit.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusEarlyHints)
		return fault.New(fault.NotFound, "after hints")
	}, plainErrors))

	lines := make(chan string, 10)
	o := httpkit.NewObserver(httpkit.ObserverConfig{Logger: slog.New(lineHandler{lines: lines}), Now: time.Now})
	server := httptest.NewServer(o.Wrap(mux))
	defer server.Close()
	for path, want := range map[string]string{
		"/flush":    "200 4",
		"/hijack":   "101 0",
		"/copy":     "200 6",
		"/deadline": "200 0",
		"/hints":    "418 18",
	} {
		res, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		_ = res.Body.Close()
		if got := <-lines; got != want {
			t.Errorf("%s: logged status and bytes %q, want %q", path, got, want)
		}
	}
}

// lineHandler records status and bytes of each event.
type lineHandler struct {
	slog.Handler
	lines chan string
}

func (h lineHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h lineHandler) Handle(_ context.Context, rec slog.Record) error {
	got := map[string]string{}
	rec.Attrs(func(a slog.Attr) bool {
		got[a.Key] = a.Value.String()
		return true
	})
	h.lines <- got["status"] + " " + got["bytes"]
	return nil
}
