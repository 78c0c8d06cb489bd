package simulation_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/bearerd/bearerd/simulation"
)

var (
	seed   = flag.Uint64("seed", 0, "run this seed alone")
	first  = flag.Uint64("first", 0, "with -for: run seeds from this one on; 0: from a random one")
	logs   = flag.Bool("logs", false, "with -seed: write what the processes log to standard error")
	length = flag.Duration("for", 0, "after the seeds that are always run: run others for as long")
)

func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)   // what can run at the same instant mostly runs in the same order each time
	debug.SetGCPercent(800) // a world is small, and a tenth of the time would go into collecting garbage
	os.Exit(m.Run())
}

// secretFile returns a file with the secret that the tokens are signed with.
func secretFile(tb testing.TB) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(simulation.Secret), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

// options are those of a seed. The rules of the store that a mutant breaks are broken by the
// simulation, because the store is its own.
func options(s uint64, secret string) simulation.Options {
	o := simulation.Draw(s)
	o.Secret, o.Breaks = secret, os.Getenv("SABOTAGE")
	return o
}

// keeps runs a seed, and fails the test with the first violations and how to see them again.
func keeps(t *testing.T, o simulation.Options) simulation.Result {
	t.Helper()
	const enough = 3
	r := simulation.Run(t, o)
	for _, v := range r.Violations[:min(enough, len(r.Violations))] {
		t.Errorf("%v\n%s", v, r.History.Story(v))
	}
	if n := len(r.Violations); n > 0 {
		t.Errorf("%d violations: %d nodes, %d verifiers, L %v: go test ./simulation -run 'TestSeed$' -seed %d", n, o.Nodes, o.Verifiers, o.Staleness, o.Seed)
	}
	return r
}

// TestSeed runs the seed that -seed names.
func TestSeed(t *testing.T) {
	o := options(max(*seed, 1), secretFile(t))
	if *logs {
		o.Log = os.Stderr
	}
	begun := time.Now()
	r := keeps(t, o)
	t.Logf("seed %d: %d nodes, %d verifiers, L %v: %v of the cluster in %v, %d operations",
		o.Seed, o.Nodes, o.Verifiers, o.Staleness, r.Lasted.Round(time.Second), time.Since(begun).Round(time.Millisecond), len(r.History.Ops()))
}

// found are seeds that have found a mistake: a verifier whose request for the stream had been
// delayed had a short lease for as long as that connection lasted. The others find the mutant in
// which one question makes a lease, which few do.
var found = []uint64{7342878167552634945, 45, 54}

// fixed is how many seeds, from 1 on, are always run: about twenty seconds of one core.
const fixed = 30

// TestSeeds runs seeds that are always the same, and then new ones for as long as -for says.
// It ends at the first that violates a rule.
func TestSeeds(t *testing.T) {
	s, begun := series{secret: secretFile(t)}, time.Now()
	for i := range uint64(fixed) {
		s.run(t, i+1)
	}
	for _, one := range found {
		s.run(t, one)
	}
	if *length > 0 {
		next := max(*first, 1)
		if *first == 0 {
			next = rand.Uint64() >> 1
		}
		t.Logf("then seeds from %d on", next)
		for from := time.Now(); !t.Failed() && time.Since(from) < *length; next++ {
			s.run(t, next)
		}
	}
	t.Logf("%d seeds: %v of the cluster in %v, %d operations", s.seeds, s.lasted.Round(time.Minute), time.Since(begun).Round(time.Second), s.operations)
}

// series runs one seed after another, until one fails.
type series struct {
	secret            string
	lasted            time.Duration
	seeds, operations int
}

func (s *series) run(t *testing.T, seed uint64) {
	t.Helper()
	if t.Failed() {
		return
	}
	r := keeps(t, options(seed, s.secret))
	s.lasted += r.Lasted
	s.operations += len(r.History.Ops())
	s.seeds++
}
