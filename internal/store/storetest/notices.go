package storetest

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

func testNotices(t *testing.T, s *Suite) {
	n := 0
	add := func(id string, end time.Duration, change func(*records.StoredToken)) {
		n++
		one := tok(n)
		one.ID, one.ExpiresAt, one.Chain, one.Family = id, start.Add(end), nil, ""
		if change != nil {
			change(&one)
		}
		s.do(t, op.AddToken{Token: one})
	}
	add("later", 3*time.Hour, nil)
	add("sooner", 2*time.Hour, func(one *records.StoredToken) { one.Kind = token.KindExchangeKey })
	add("at the end", 4*time.Hour, nil)
	add("too late", 4*time.Hour+time.Microsecond, nil)
	add("over", time.Hour, nil)
	add("endless", 0, func(one *records.StoredToken) { one.ExpiresAt = time.Time{} })
	add("a session", 2*time.Hour, func(one *records.StoredToken) { one.Kind = token.KindSession })
	add("revoked", 2*time.Hour, func(one *records.StoredToken) { one.RevokedAt, one.Reason = start, "revoked" })
	add("regenerated", 2*time.Hour, func(one *records.StoredToken) { one.Reason = "regenerated" })

	expiring := func(what string, limit int, want ...string) {
		t.Helper()
		due := must[[]records.StoredToken](t)(s.store.Expiring(t.Context(), start.Add(time.Hour), start.Add(4*time.Hour), limit))
		var ids []string
		for _, one := range due {
			ids = append(ids, one.ID)
		}
		same(t, what, ids, want)
	}
	expiring("all", 100, "sooner", "later", "at the end")
	expiring("the first", 1, "sooner")
	s.do(t, op.ClaimNotice{ID: "sooner", At: start})
	s.refuse(t, fault.Conflict, op.ClaimNotice{ID: "sooner", At: start})
	s.refuse(t, fault.Conflict, op.ClaimNotice{ID: "nothing", At: start})
	expiring("the rest", 100, "later", "at the end")
	s.do(t, op.ClaimNotice{ID: "sooner"})
	expiring("all again, as the notice failed", 100, "sooner", "later", "at the end")
}
