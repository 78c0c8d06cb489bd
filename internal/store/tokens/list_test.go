package tokens_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/token"
)

// TestAFilteredListLooksAtBoundedTokens has more tokens than one page looks at, of which
// the oldest alone pass the filter: the page ends, says that there is more, and the next
// one goes on from there.
func TestAFilteredListLooksAtBoundedTokens(t *testing.T) {
	t.Parallel()
	const beyond = 5
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := storekit.Open(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{})
	var ops []op.Op
	for n := range records.MaxTotal + beyond {
		one := records.StoredToken{
			ID: fmt.Sprintf("id-%06d", n), Kind: token.KindAPIToken, Digest: token.Digest(fmt.Sprint(n)), Owner: "ada", Name: "n",
			CreatedAt: now.Add(time.Duration(n) * time.Second),
		}
		if n < beyond-1 {
			one.RevokedAt, one.Reason = now, "revoked"
		}
		ops = append(ops, op.AddToken{Token: one})
	}
	for some := range slices.Chunk(ops, 1000) {
		if _, err := s.Commit(t.Context(), op.Batch{Ops: some}); err != nil {
			t.Fatal(err)
		}
	}
	for _, owner := range []string{"", "ada"} {
		q := records.TokenQuery{Owner: owner, State: records.EndedOnly, Now: now}
		page, err := s.StoredTokens(t.Context(), q)
		if err != nil || len(page.Items) != 0 || page.Next == "" {
			t.Fatalf("the first page of %q: %d tokens, next %q, %v", owner, len(page.Items), page.Next, err)
		}
		total, err := s.TokenTotal(t.Context(), q)
		if err != nil || !total.More || total.Count > beyond-1 { // of those that were looked at
			t.Errorf("the total of %q: %+v, %v", owner, total, err)
		}
		q.After = page.Next
		if page, err = s.StoredTokens(t.Context(), q); err != nil || len(page.Items) != beyond-1 || page.Next != "" {
			t.Errorf("the second page of %q: %d tokens, next %q, %v", owner, len(page.Items), page.Next, err)
		}
		total, err = s.TokenTotal(t.Context(), records.TokenQuery{Owner: owner})
		if want := (records.Total{Count: records.MaxTotal, More: true}); err != nil || total != want {
			t.Errorf("the total of all of %q: %+v, %v", owner, total, err)
		}
	}
}

// TestAListInAnotherOrderLooksAtFewerTokens has more tokens of a scope, of a name and with an
// expiry than one page looks at, of which the last alone pass the filter.
func TestAListInAnotherOrderLooksAtFewerTokens(t *testing.T) {
	t.Parallel()
	const beyond = 5
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := storekit.Open(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{})
	var ops []op.Op
	for n := range records.MaxScattered + beyond {
		one := records.StoredToken{
			ID: fmt.Sprintf("id-%06d", n), Kind: token.KindAPIToken, Digest: token.Digest(fmt.Sprint(n)), Owner: "ada", Name: fmt.Sprintf("job %06d", n),
			Scope: []string{"read"}, CreatedAt: now.Add(-time.Duration(n) * time.Second), ExpiresAt: now.Add(time.Duration(n+1) * time.Second), LastUsedAt: now,
		}
		if n > records.MaxScattered {
			one.LastUsedAt = time.Time{}
		}
		ops = append(ops, op.AddToken{Token: one})
	}
	for some := range slices.Chunk(ops, 500) {
		if _, err := s.Commit(t.Context(), op.Batch{Ops: some}); err != nil {
			t.Fatal(err)
		}
	}
	for name, q := range map[string]records.TokenQuery{
		"a scope": {Scope: "read", NeverUsed: true}, "a name": {Search: "job", NeverUsed: true}, "expiry": {Order: records.ExpiryFirst, NeverUsed: true},
	} {
		q.Now = now
		page, err := s.StoredTokens(t.Context(), q)
		if err != nil || len(page.Items) != 0 || page.Next == "" {
			t.Errorf("by %s, the first page: %d tokens, next %q, %v", name, len(page.Items), page.Next, err)
			continue
		}
		total, err := s.TokenTotal(t.Context(), q)
		if err != nil || !total.More || total.Count >= beyond {
			t.Errorf("by %s, the total: %+v, %v", name, total, err)
		}
		q.After = page.Next
		if page, err = s.StoredTokens(t.Context(), q); err != nil || len(page.Items) != beyond-1 || page.Next != "" {
			t.Errorf("by %s, the second page: %d tokens, next %q, %v", name, len(page.Items), page.Next, err)
		}
	}
}
