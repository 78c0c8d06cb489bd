package simulation_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bearerd/bearerd/simulation"
)

var seed = flag.Uint64("seed", 0, "run this seed alone")

// secretFile returns a file with the secret that the tokens are signed with.
func secretFile(tb testing.TB) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(simulation.Secret), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func TestSeed(t *testing.T) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	o := simulation.Draw(s)
	o.Secret = secretFile(t)
	begun := time.Now()
	r := simulation.Run(t, o)
	t.Logf("seed %d: %d nodes, %d verifiers, L %v: %v in %v; %d ops", s, o.Nodes, o.Verifiers, o.Staleness, r.Lasted, time.Since(begun), len(r.History.Ops()))
	for i, v := range r.Violations {
		t.Errorf("%v\n%s", v, r.History.Story(v))
		if i == 3 {
			break
		}
	}
}

func TestMany(t *testing.T) {
	file := secretFile(t)
	begun := time.Now()
	var lasted time.Duration
	n, bad := 0, 0
	for s := uint64(1); time.Since(begun) < 25*time.Second && bad < 6; s++ {
		o := simulation.Draw(s)
		o.Secret = file
		r := simulation.Run(t, o)
		lasted += r.Lasted
		n++
		if len(r.Violations) > 0 {
			bad++
			t.Errorf("seed %d: %d nodes, %d verifiers, L %v: %d violations\n%v\n%s", s, o.Nodes, o.Verifiers, o.Staleness, len(r.Violations), r.Violations[0], r.History.Story(r.Violations[0]))
		}
	}
	t.Logf("%d seeds, %v", n, lasted)
}
