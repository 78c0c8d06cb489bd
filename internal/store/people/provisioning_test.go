package people_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// TestGroupsAreReadWithBoundedMembers has 201 groups of 500 members, and one of more than any
// may have: a page ends before it has too many members, and the large group is refused unless
// it is read without them.
func TestGroupsAreReadWithBoundedMembers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	numbers := func(to string) string {
		return "(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < " + to + ") SELECT n FROM c)"
	}
	storekit.ExecAll(t, path,
		"INSERT INTO users (id, username, folded, name, email, disabled, password_hash, search, owner) SELECT 'u' || n, 'u' || n, 'u' || n, '', '', 0, '', '', 'hr' FROM "+numbers("100001"),
		"INSERT INTO source_groups (id, owner, name, folded) SELECT printf('g%03d', n), 'hr', 'g' || n, 'g' || n FROM "+numbers("201"),
		"INSERT INTO source_groups (id, owner, name, folded) VALUES ('large', 'hr', 'large', 'large')",
		"INSERT INTO user_groups (user_id, group_name, set_by) SELECT 'u' || a.n, 'g' || b.n, 'hr' FROM "+numbers("500")+" a, "+numbers("201")+" b",
		"INSERT INTO user_groups (user_id, group_name, set_by) SELECT 'u' || n, 'large', 'hr' FROM "+numbers("100001"))
	find := func(q records.GroupQuery) (records.Window[records.Group], error) {
		t.Helper()
		q.Owner = "hr"
		return s.OwnedGroups(t.Context(), q)
	}
	w, err := find(records.GroupQuery{Limit: 1000, Members: true})
	if err != nil || len(w.Items) != 200 || w.Total != 202 || len(w.Items[199].Members) != 500 {
		t.Fatalf("the first page: %d groups of %d, %v", len(w.Items), w.Total, err)
	}
	w, err = find(records.GroupQuery{Skip: 200, Limit: 1000, Members: true})
	if err != nil || len(w.Items) != 1 || w.Items[0].ID != "g201" {
		t.Errorf("the second page: %d groups, %v", len(w.Items), err)
	}
	if _, err = find(records.GroupQuery{Skip: 201, Limit: 1000, Members: true}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("the large group: %v", err)
	}
	if w, err = find(records.GroupQuery{ID: "large", Limit: 1}); err != nil || len(w.Items) != 1 {
		t.Errorf("the large group without members: %d groups, %v", len(w.Items), err)
	}
	if w, err = find(records.GroupQuery{ID: "large", Member: "u77", Limit: 1}); err != nil || w.Total != 1 {
		t.Errorf("a member of the large group: %d groups, %v", w.Total, err)
	}
}

// TestProvisionedListsAreFoundByAnIndex wants no statement of a source's lists to read a table.
func TestProvisionedListsAreFoundByAnIndex(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	storekit.Open(t, path, store.Options{})
	db := storekit.Raw(t, path)
	for name, text := range people.OwnedLookups() {
		for _, detail := range storekit.Plan(t, db, text) {
			found := strings.HasPrefix(detail, "SCAN (subquery") || slices.Contains([]string{"SCAN c", "SCAN i"}, detail) // what an index has found
			if strings.HasPrefix(detail, "SCAN ") && !found {
				t.Errorf("%s: %s", name, detail)
			}
		}
	}
}
