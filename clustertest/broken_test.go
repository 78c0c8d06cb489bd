package clustertest_test

import (
	"sync"

	"github.com/bearerd/bearerd/clustertest"
)

// broken builds one binary that contains all mutants.
var broken = sync.OnceValues(func() (string, error) { return build(clustertest.Mutants(), false) })
