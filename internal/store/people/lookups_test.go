package people_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// TestLookupsHaveAnIndex wants no statement of a request to read a whole table.
func TestLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.Indexed(t, people.Lookups(), func(string, string) bool { return false })
}

func TestPostgresLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.IndexedOnPostgres(t, people.Statements())
}

func TestListsOfUsersAreReadInTheOrderOfAnIndex(t *testing.T) {
	t.Parallel()
	storekit.Ordered(t, people.ListLookups())
}
