package upkeep_test

import (
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/store/upkeep"
)

// TestLookupsHaveAnIndex wants no statement of a request to read a whole table, nor to sort
// what it finds but for a few.
func TestLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.Indexed(t, upkeep.Lookups(), func(name, detail string) bool {
		return strings.Contains(detail, "TEMP B-TREE") && name == "trimNetworks"
	})
}

func TestPostgresLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.IndexedOnPostgres(t, upkeep.Lookups())
}
