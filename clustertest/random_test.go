package clustertest_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// seed returns SEED of the environment, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	t.Logf("SEED=%d", n)
	return n
}

// TestThePromiseUnderRandomFaults runs a random workload on three nodes while one
// thing after another breaks, for as long as SOAK says.
func TestThePromiseUnderRandomFaults(t *testing.T) {
	t.Parallel()
	length := 12 * time.Second
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("SOAK: %v", err)
		}
	}
	c := cluster(t, 3)
	must(c, c.Work(clustertest.Workload{Seed: seed(t), Length: length}))
	t.Log(c.Report())
	keepsItsPromise(c)
}

// TestThePromiseInPeace runs the same workload and breaks nothing: then no answer is
// 503 either.
func TestThePromiseInPeace(t *testing.T) {
	t.Parallel()
	c := cluster(t, 3)
	must(c, c.Work(clustertest.Workload{Seed: seed(t), Length: 5 * time.Second, Calm: true}))
	t.Log(c.Report())
	keepsItsPromise(c)
}
