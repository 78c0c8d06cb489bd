package credentials_test

import "testing"

// TestNodesOnPostgres runs the tests of two nodes once more, on PostgreSQL, where
// their writes happen at the same time.
func TestNodesOnPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"regenerations": TestOfConcurrentRegenerationsOneIsAnswered,
		"sole tokens":   TestASoleTokenIsOneAmongNodes,
	} {
		t.Run(name, test)
	}
}
