package verify_test

import (
	"go/build"
	"slices"
	"strings"
	"testing"
)

// outside is what a user of this package compiles beside the standard library.
var outside = []string{
	"github.com/golang-jwt/jwt/v5",   // signatures
	"golang.org/x/sync/singleflight", // one question for all who wait
	"golang.org/x/sys/unix",          // the boot-time clock
}

// The packages that verify and verifytest need, found in their sources: no SQL, no
// metrics, no web pages.
func TestUsersCompileLittle(t *testing.T) {
	t.Parallel()
	const own = "github.com/bearerd/bearerd/"
	var needed []string
	var visit func(dir string)
	seen := map[string]bool{}
	visit = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		p, err := build.ImportDir("../"+dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range p.Imports {
			switch first, _, _ := strings.Cut(path, "/"); {
			case strings.HasPrefix(path, own):
				visit(strings.TrimPrefix(path, own))
			case strings.Contains(first, "."):
				needed = append(needed, path)
			case path == "database/sql" || path == "html/template" || path == "os/exec":
				t.Errorf("%s imports %s", dir, path)
			}
		}
	}
	visit("verify/verifytest")
	slices.Sort(needed)
	needed = slices.Compact(needed)
	if !slices.Equal(needed, outside) {
		t.Errorf("needs %q, want %q", needed, outside)
	}
	want := []string{
		"internal/access", "internal/cache", "internal/fault", "internal/foreign", "internal/issuerclient", "internal/keyring", "internal/machine", "internal/networks", "internal/ratelimit", "internal/redact", "internal/revocation", "internal/sleep",
		"internal/strictjson", "internal/token", "internal/uses", "internal/verification", "verify", "verify/verifytest",
	}
	if got := sorted(seen); !slices.Equal(got, want) {
		t.Errorf("needs %q of our own, want %q", got, want)
	}
}
