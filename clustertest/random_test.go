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

// soak returns SOAK of the environment, or a short time.
func soak(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SOAK")
	if text == "" {
		return 12 * time.Second
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	return length
}

// TestThePromiseUnderRandomFaults runs a random workload on three nodes while one
// thing after another breaks, for as long as SOAK says: on one PostgreSQL server, and
// on a primary with a synchronous standby, which break too.
func TestThePromiseUnderRandomFaults(t *testing.T) {
	t.Parallel()
	length := soak(t)
	for name, configured := range map[string]func(testing.TB) clustertest.Config{
		"server": func(tb testing.TB) clustertest.Config { return followed(tb, config(tb, 3)) },
		"pair": func(tb testing.TB) clustertest.Config {
			conf, _ := pairConfig(tb, 3)
			return conf
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clustertest.New(t, configured(t))
			must(c, c.Work(clustertest.Workload{Seed: seed(t), Length: length}))
			t.Log(c.Report())
			keepsItsPromise(c)
		})
	}
}

// TestThePromiseOutsideUnderRandomFaults does the same with two nodes on a pair, and as many
// edges as EDGES says, services that confirm, and one that doesn't. They break too.
func TestThePromiseOutsideUnderRandomFaults(t *testing.T) {
	t.Parallel()
	edges := number(t, "EDGES", 3)
	conf, _ := pairConfig(t, 2)
	c := clustertest.New(t, withOutside(conf, edges, 2))
	must(c, c.Work(clustertest.Workload{Seed: seed(t), Length: soak(t)}))
	t.Log(c.Report())
	keepsItsPromise(c)
}

// number returns a variable of the environment, or else a default.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestThePromiseInPeace runs the same workload and breaks nothing: then no answer is
// 503 either.
func TestThePromiseInPeace(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, followed(t, config(t, 3)))
	must(c, c.Work(clustertest.Workload{Seed: seed(t), Length: 5 * time.Second, Calm: true}))
	t.Log(c.Report())
	keepsItsPromise(c)
}
