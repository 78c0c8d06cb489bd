package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// TestForwardAuthWarnsOfTokensThatEndSoon: whoever uses an API token in its last
// week is told when it ends.
func TestForwardAuthWarnsOfTokensThatEndSoon(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	session, err := f.Session(t.Context(), f.SessionToken(t, "ada", "correct horse").Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: &gateway.Gate{Verifier: f.Verifier, Now: f.Time}}).Register(mux)
	for lifetime, warned := range map[int64]bool{3600: true, 30 * 24 * 3600: false, 0: false} {
		issued, err := f.CreateAPIToken(t.Context(), session, credentials.NewCredential{Name: "laptop", Lifetime: lifetime})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth/verify", nil)
		r.Header.Set("Authorization", "Bearer "+issued.Value.Reveal())
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if got := w.Header().Get(httpkit.HeaderTokenExpires); w.Code != http.StatusOK || (got != "") != warned {
			t.Errorf("%d seconds: %d, header %q", lifetime, w.Code, got)
		}
	}
}
