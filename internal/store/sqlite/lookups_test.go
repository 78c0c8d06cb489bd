package sqlite_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/store/sqlite"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

func TestLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	storekit.Indexed(t, sqlite.Lookups(), func(string, string) bool { return false })
}
