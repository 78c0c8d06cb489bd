package tokens_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/store/tokens"
)

// TestLookupsHaveAnIndex wants no statement of a request to read a whole table, nor to sort
// what it finds but for a few.
func TestLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.Indexed(t, tokens.Lookups(), func(string, string) bool { return false })
}

func TestPostgresLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.IndexedOnPostgres(t, tokens.Statements())
}

// TestListsAreReadInTheOrderOfAnIndex wants only what is one owner's to be sorted.
func TestListsAreReadInTheOrderOfAnIndex(t *testing.T) {
	t.Parallel()
	storekit.Ordered(t, tokens.ListLookups(), "tokens, an owner's by name")
}
