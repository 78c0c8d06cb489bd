package underway

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearerd/bearerd/internal/verification"
)

// BenchmarkUnderWay is what keeping track of a request costs it: all of it is within the
// 2 % of a proxied request, some 100 µs, that it may cost.
func BenchmarkUnderWay(b *testing.B) {
	u := New(0)
	id := &verification.Identity{Token: &verification.Token{}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/x", nil)
		w := httptest.NewRecorder()
		for pb.Next() {
			a := &Admission{Identity: id, Raw: "raw"}
			if _, err := u.Admit(w, r, a); err != nil {
				b.Fatal(err)
			}
			a.Done()
		}
	})
}

// TestShardsHoldAsManyAsTheyMay: a full shard doesn't refuse what another has room for.
func TestShardsHoldAsManyAsTheyMay(t *testing.T) {
	t.Parallel()
	u := New(2 * mostShards)
	id := &verification.Identity{Token: &verification.Token{}}
	r, w := httptest.NewRequest(http.MethodGet, "/x", nil), httptest.NewRecorder()
	var all []*Admission
	for range 2 * mostShards {
		a := &Admission{Identity: id}
		if _, err := u.Admit(w, r, a); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	if _, err := u.Admit(w, r, &Admission{Identity: id}); err == nil {
		t.Error("one too many was let in")
	}
	for _, a := range all {
		a.Done()
		a.end(endedError{errNoNews}) // which comes too late
	}
	for i := range u.shards {
		if n := len(u.shards[i].list); n != 0 {
			t.Errorf("%d are left in a shard", n)
		}
	}
}
