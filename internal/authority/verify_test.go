package authority_test

import (
	"errors"
	"testing"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
)

// A revocation is judged from memory: under a lease, a JWT and all that it was made
// from cost the store no question, whether they are revoked or not.
func TestRevocationIsJudgedWithoutAskingTheStore(t *testing.T) {
	t.Parallel()
	g, store := through()
	f := authoritytest.New(t, authoritytest.Options{Store: store})
	ada := person(t, f, "ada")
	good, bad := accessToken(t, f, ada), accessToken(t, f, ada)
	parent := apiToken(t, f, ada, authority.NewCredential{})
	child := accessToken(t, f, bearer(t, f, parent))
	for _, raw := range []string{bad.Value.Reveal(), parent.Value.Reveal()} {
		must(t, second(f.Revoke(t.Context(), ada, authority.Revocation{Token: raw, Wait: true})))
	}
	g.fail(errors.New("connection refused"))
	wantAlive(t, f, "a good token", good)
	wantDead(t, f, "a revoked token", bad)
	wantDead(t, f, "the child of a revoked token", child)
	if gone, err := f.Denylisted(t.Context(), bad.Value.Reveal()); err != nil || !gone {
		t.Errorf("the denylist: %v, %v", gone, err)
	}
}
