package verification_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// A token that was seen before costs neither memory nor a question to the store,
// whatever is asked of it that its facts and the log can answer.
func TestATokenSeenBeforeCostsNothing(t *testing.T) {
	f := quiet(t, t.TempDir())
	f.Collection(t, 4, "Fish")
	ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"))
	four := int64(4)
	for name, c := range map[string]struct {
		issued *issuance.Issued
		asks   verification.Requirements
	}{
		"a JWT":                        {f.MadeAccess(t, ada, "read"), verification.Requirements{}},
		"a JWT, and its scope":         {f.MadeAccess(t, ada, "read", "write"), verification.Requirements{Scope: []string{"read", "write"}}},
		"a JWT for a collection":       {f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Collection: &four}), verification.Requirements{Collection: &four}},
		"a JWT, its collection unsaid": {f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Collection: &four}), verification.Requirements{}},
		"an API token":                 {f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read"}}), verification.Requirements{Scope: []string{"read"}}},
	} {
		raw, ctx := c.issued.Value.Reveal(), t.Context()
		verify := func() {
			if _, err := f.Verify(ctx, raw, c.asks); err != nil {
				t.Fatal(err)
			}
		}
		verify()
		asked := f.Store.Queries()
		if n := testing.AllocsPerRun(1000, verify); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if n := f.Store.Queries() - asked; n != 0 {
			t.Errorf("%s: %d questions to the store", name, n)
		}
	}
}

// A JWT costs the store no question even the first time, also for a collection: its
// access was decided as of its own sequence.
func TestTheFirstUseOfAJWTAsksTheStoreNothing(t *testing.T) {
	t.Parallel()
	f := quiet(t, t.TempDir())
	f.Collection(t, 4, "Fish")
	four := int64(4)
	ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"))
	for name, issued := range map[string]*issuance.Issued{
		"of no collection": f.MadeAccess(t, ada), "for a collection": f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Collection: &four}),
	} {
		asked := f.Store.Queries()
		nodetest.Must(t, nodetest.Second(f.Judge(t, issued)))
		if n := f.Store.Queries() - asked; n != 0 {
			t.Errorf("%s: %d questions", name, n)
		}
	}
}
