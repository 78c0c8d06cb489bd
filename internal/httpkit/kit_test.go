package httpkit_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// clock returns times that advance by a second a call.
func clock() func() time.Time {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// proxies trusts 10.0.0.0/8 and the documentation's IPv6 network.
func proxies() httpkit.Proxies {
	return httpkit.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
}

// observed serves one request under an observer and returns the answer and the
// log lines.
func observed(t *testing.T, h http.Handler, r *http.Request) (*httptest.ResponseRecorder, []map[string]any) {
	t.Helper()
	var log bytes.Buffer
	o := httpkit.NewObserver(httpkit.ObserverConfig{
		Logger:  slog.New(slog.NewJSONHandler(&log, nil)),
		Now:     clock(),
		Proxies: proxies(),
	})
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if v := recover(); v != nil {
				if v != any(http.ErrAbortHandler) {
					panic(v)
				}
				w.Code = 0
			}
		}()
		o.Wrap(h).ServeHTTP(w, r)
	}()
	var lines []map[string]any
	for line := range bytes.Lines(log.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		lines = append(lines, m)
	}
	return w, lines
}

// oneLine returns the only log line.
func oneLine(t *testing.T, lines []map[string]any) map[string]any {
	t.Helper()
	if len(lines) != 1 {
		t.Fatalf("log has %d lines, want 1: %v", len(lines), lines)
	}
	return lines[0]
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// plainErrors answers every error with 418, so that a test sees who wrote.
func plainErrors(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, "edge: "+err.Error(), http.StatusTeapot)
}
