package authorizing_test

import "testing"

// TestNodesOnPostgres runs a test of two nodes once more, on PostgreSQL, where their
// writes happen at the same time.
func TestNodesOnPostgres(t *testing.T) {
	t.Parallel()
	t.Run("device codes", TestDeviceCodeIsUsedOnceHoweverManyTry)
}
