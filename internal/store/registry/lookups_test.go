package registry_test

import (
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/store/registry"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// TestLookupsHaveAnIndex wants no statement of a request to read a whole table, nor to sort
// what it finds but for a few.
func TestLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.Indexed(t, registry.Lookups(), func(name, detail string) bool {
		return strings.Contains(detail, "TEMP B-TREE") && (name == "selectGrants" || name == "selectReachingBindings")
	})
}

func TestPostgresLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.IndexedOnPostgres(t, registry.Statements())
}
