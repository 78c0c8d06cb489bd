package directory_test

import "testing"

// TestNodesOnPostgres runs tests of two nodes once more, on PostgreSQL, where their
// writes happen at the same time.
func TestNodesOnPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"applied files": TestApplyReachesEveryNode,
		"retired keys":  TestTheNextKeySignsEverywhereAtOnce,
	} {
		t.Run(name, test)
	}
}
