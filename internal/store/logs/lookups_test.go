package logs_test

import (
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/store/logs"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// TestLookupsHaveAnIndex wants no statement of a request to read a whole table, nor to sort
// what it finds but for a few.
func TestLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.Indexed(t, logs.Lookups(), func(name, detail string) bool {
		if strings.HasPrefix(detail, "SCAN") {
			page := detail == "SCAN e LEFT-JOIN" && name == "selectEntries"    // the entries that were found
			counted := detail == "SCAN i" && strings.HasPrefix(name, "events") // what an index has found
			return page || counted
		}
		return name == "eventsFromFew"
	})
}

func TestPostgresLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.IndexedOnPostgres(t, logs.Statements())
}
