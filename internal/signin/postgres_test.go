package signin_test

import "testing"

// TestNodesOnPostgres runs the tests of two nodes once more, on PostgreSQL, where
// their writes happen at the same time.
func TestNodesOnPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"removed clients": TestRemovedClientIsForgottenEverywhere,
		"new secrets":     TestNewSecretCountsEverywhereAtOnce,
		"widened clients": TestWidenedClientMayMoreEverywhereAtOnce,
	} {
		t.Run(name, test)
	}
}
