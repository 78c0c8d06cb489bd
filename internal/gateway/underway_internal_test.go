package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/verification"
)

// BenchmarkUnderWay is what keeping track of a request costs it: all of it is within the
// 2 % of a proxied request, some 100 µs, that it may cost.
func BenchmarkUnderWay(b *testing.B) {
	u := newUnderWay(0)
	id := &verification.Identity{Token: &verification.Token{}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/x", nil)
		w := httptest.NewRecorder()
		for pb.Next() {
			a := &admission{identity: id, raw: "raw"}
			if _, err := u.admit(w, r, a); err != nil {
				b.Fatal(err)
			}
			a.done()
		}
	})
}

// TestShardsHoldAsManyAsTheyMay: a full shard doesn't refuse what another has room for.
func TestShardsHoldAsManyAsTheyMay(t *testing.T) {
	t.Parallel()
	u := newUnderWay(2 * mostShards)
	id := &verification.Identity{Token: &verification.Token{}}
	r, w := httptest.NewRequest(http.MethodGet, "/x", nil), httptest.NewRecorder()
	var all []*admission
	for range 2 * mostShards {
		a := &admission{identity: id}
		if _, err := u.admit(w, r, a); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	if _, err := u.admit(w, r, &admission{identity: id}); err == nil {
		t.Error("one too many was let in")
	}
	for _, a := range all {
		a.done()
		a.end(endedError{errNoNews}) // which comes too late
	}
	for i := range u.shards {
		if n := len(u.shards[i].list); n != 0 {
			t.Errorf("%d are left in a shard", n)
		}
	}
}

// An edge learns L when it reaches its issuer, which may be long after its start.
func TestWhatIsUnderWayIsEndedByTheLOfTheMoment(t *testing.T) {
	t.Parallel()
	known := time.Duration(0)
	p := &Proxy{ProxyConfig: ProxyConfig{Staleness: func() time.Duration { return known }}}
	for _, l := range []time.Duration{0, 500 * time.Millisecond, time.Minute} {
		known = l
		want := l
		if l == 0 {
			want = DefaultStaleness
		}
		if got := p.staleness(); got != want {
			t.Errorf("%s counts as %s", l, got)
		}
	}
}
