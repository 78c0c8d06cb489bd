package oauth_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// TestWithoutStoreAndLeaseNothingIsAnswered: a node that can't know says so, and when
// to ask again.
func TestWithoutStoreAndLeaseNothingIsAnswered(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	e := newRevokeEnv(t, nodetest.Options{
		Still: true, Clock: func() time.Duration { return time.Hour + time.Duration(clock.Load()) },
	})
	raw := e.accessToken(t, "ada")
	good := form("token", raw)
	e.post(t, "/oauth2/introspect", good, asClient("ci")).ok(t)
	if err := e.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if a := e.post(t, "/oauth2/introspect", good, asClient("ci")).ok(t); a.body["active"] != true {
		t.Errorf("with a lease: %s", a.text)
	}
	e.post(t, "/oauth2/token", ccGrant, asClient("ci")).unavailable(t)
	e.post(t, "/oauth2/revoke", good, asBearer(raw)).unavailable(t)
	if a := e.report(t, reportOf(t, raw)); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("a report: %d %s", a.status, a.text)
	}

	clock.Store(int64(time.Minute))
	for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
		e.post(t, path, good, asClient("ci")).unavailable(t)
		e.post(t, path, good, asBearer(raw)).unavailable(t)
	}
	e.get(t, "/.well-known/jwks.json").ok(t)
}

func (a answer) unavailable(t testing.TB) {
	t.Helper()
	a.refused(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
