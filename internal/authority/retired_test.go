package authority_test

import "testing"

// TestTheNextKeySignsEverywhereAtOnce retires the active key at one node and issues at
// another as soon as that is acknowledged.
func TestTheNextKeySignsEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	here, there := twoNodes(t)
	c := person(t, here, "ada")
	for range 5 {
		retired := signer(t, here)
		must(t, second(there.RetireKey(t.Context(), operator, retired)))
		issued := accessToken(t, here, c)
		wantAlive(t, here, "at the node that issued it", issued)
		wantAlive(t, there, "at the node that retired the key before", issued)
		if signer(t, here) == retired {
			t.Error("the key that was taken back is still the active one")
		}
	}
}
