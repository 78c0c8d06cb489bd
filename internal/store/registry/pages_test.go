package registry_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// TestASearchOfThingsLooksAtBoundedThings has more collections than a page looks at, of which
// the last alone are found: the page ends, says that there is more, and the next one goes on
// from there.
func TestASearchOfThingsLooksAtBoundedThings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	storekit.ExecAll(t, path, fmt.Sprintf(`INSERT INTO collections (id, name, owner) WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d)
SELECT n, CASE WHEN n > %d THEN 'rare ' ELSE 'common ' END || n, '' FROM c`, records.MaxTotal+5, records.MaxTotal+1))
	q := records.ThingQuery{Search: "rare", Count: true}
	page, err := s.CollectionPage(t.Context(), q)
	if err != nil || len(page.Items) != 0 || page.Next == "" || !page.Total.More {
		t.Fatalf("the first page: %d found, next %q, %+v, %v", len(page.Items), page.Next, page.Total, err)
	}
	before := s.Queries()
	q.After, q.Count = page.Next, false
	if page, err = s.CollectionPage(t.Context(), q); err != nil || len(page.Items) != 4 || page.Next != "" {
		t.Errorf("the second page: %d found, next %q, %v", len(page.Items), page.Next, err)
	}
	if sent := s.Queries() - before; sent > 2 {
		t.Errorf("%d statements for a page of %d collections", sent, 5)
	}
	total, err := s.CollectionPage(t.Context(), records.ThingQuery{Limit: 1, Count: true})
	if want := (records.Total{Count: records.MaxTotal, More: true}); err != nil || total.Total != want {
		t.Errorf("the total of all: %+v, %v", total.Total, err)
	}
}
