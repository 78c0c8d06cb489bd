package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/token"
)

func TestANodeWithoutALeaseSaysNeitherYesNorNo(t *testing.T) {
	t.Parallel()
	key, err := token.GenerateKey(token.EdDSA)
	must(t, err)
	n := newNode(t, nodeOptions{
		issuer: "https://auth.example.org", audience: "https://api.example.org",
		now: time.Unix(1_800_000_000, 0), keys: []token.SigningKey{key},
	})
	good, err := token.Sign(key, token.TypeAccess, token.Claims{
		Issuer: "https://auth.example.org", Audience: []string{"https://api.example.org"}, Subject: "importer", ClientID: "importer",
		ID: "0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a7", IssuedAt: time.Unix(1_800_000_000, 0), Expiry: time.Unix(1_800_000_600, 0),
	})
	must(t, err)
	addClient(t, n, "importer")
	w := &world{gate: &gateway.Gate{Verifier: n.Verifier, Now: n.now, Challenge: challenge}}
	verify, app := w.verifier(t)+"/auth/verify", w.proxy(t, nil)+"/x"
	header := http.Header{"Authorization": {"Bearer " + good}}
	judge := func(want, wantProxied int) {
		t.Helper()
		for url, status := range map[string]int{verify: want, verify + "?optional=true": want, app: wantProxied} {
			got := get(t, url, header)
			if got.status != status {
				t.Errorf("%s: %d %s, want %d", url, got.status, got.body, status)
			}
			if status == http.StatusServiceUnavailable &&
				(got.header.Get("Retry-After") != "1" || got.header.Get("Cache-Control") != "no-store" || got.members(t)["error"] != "temporarily_unavailable") {
				t.Errorf("%s: %v %s", url, got.header, got.body)
			}
		}
	}
	judge(200, http.StatusTeapot)
	n.log.cut.Store(true)
	judge(200, http.StatusTeapot) // the lease still holds
	n.clock.Add(int64(3 * time.Second))
	judge(503, 503)
	if got := get(t, verify+"?optional=true", nil); got.status != http.StatusOK {
		t.Errorf("nobody needs no lease: %d %s", got.status, got.body)
	}
	n.log.cut.Store(false)
	judge(200, http.StatusTeapot)
}
