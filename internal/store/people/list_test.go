package people_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// TestASearchLooksAtABoundedNumberOfUsers has more users than a search looks at for a page,
// of which the last alone match: by two characters, and by characters that all users have.
func TestASearchLooksAtABoundedNumberOfUsers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	const beyond = 4
	storekit.ExecAll(t, path, fmt.Sprintf(`WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d)
INSERT INTO users (id, username, folded, name, email, disabled, password_hash, search, owner)
SELECT 'id' || n, printf('u%%06d', n), printf('u%%06d', n), '', '', 0, '', printf('u%%06d', n) || CASE WHEN n > %d THEN ' abcabca zz' ELSE ' abca bcab cabc' END, '' FROM c`,
		people.SearchedUsers+beyond, people.SearchedUsers))
	for _, search := range []string{"zz", "abcabca"} {
		q := records.UserQuery{Search: search}
		page, err := s.Users(t.Context(), q)
		if err != nil || len(page.Items) != 0 || page.Next == "" {
			t.Errorf("%s, the first page: %d users, next %q, %v", search, len(page.Items), page.Next, err)
			continue
		}
		if total, err := s.UserTotal(t.Context(), q); err != nil || total != (records.Total{Count: beyond}) {
			t.Errorf("%s, the total: %+v, %v", search, total, err)
		}
		q.After = page.Next
		if page, err = s.Users(t.Context(), q); err != nil || len(page.Items) != beyond || page.Next != "" {
			t.Errorf("%s, the second page: %d users, next %q, %v", search, len(page.Items), page.Next, err)
		}
		q = records.UserQuery{Search: search, Descending: true}
		if page, err = s.Users(t.Context(), q); err != nil || len(page.Items) != beyond || page.Next == "" {
			t.Errorf("%s, from the end: %d users, next %q, %v", search, len(page.Items), page.Next, err)
		}
	}
}
