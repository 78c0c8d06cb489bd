package verification_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// A user who was read before access was lost has it no longer, whenever the reading comes.
func TestLookUpOfAUserUnderWayCantBringAccessBack(t *testing.T) {
	t.Parallel()
	for name, asks := range map[string]verification.Requirements{
		"a collection": {Collection: new(int64(4))}, "a permission": {Action: "read", Path: "/x"},
	} {
		g, store := nodetest.Hook()
		f := nodetest.New(t, nodetest.Options{Store: store})
		f.Collection(t, 4, "Fish")
		ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"), nodetest.May("read", "/x"))
		raw := f.MadeAccess(t, ada).Value.Reveal()
		nodetest.Must(t, nodetest.Second(f.Verify(t.Context(), raw, asks)))
		f.Flush() // what was read of her is read again
		removed := false
		g.At(nodetest.PrincipalRead, func() {
			_, _, err := f.RemoveAccess(t.Context(), operator, "ada", "/")
			nodetest.Must(t, err)
			removed = true
		})
		for _, when := range []string{"under way", "the next", "and the next"} {
			_, err := f.Verify(t.Context(), raw, asks)
			nodetest.WantFault(t, name+", the look-up "+when, err, fault.InsufficientScope, "")
		}
		if !removed {
			t.Errorf("%s: nothing was looked up", name)
		}
	}
}

func TestTokenOfACollectionStaysBoundToIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	f.Collection(t, 5, "Birds")
	ada := f.Person(t, "ada", nodetest.Admin())
	bound := map[string]*issuance.Issued{
		"an access token": f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))}),
		"an API token":    f.APIToken(t, ada, credentials.NewCredential{Collection: new(int64(4))}),
	}
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: bound["an API token"].Value.Reveal()})
	nodetest.Must(t, err)
	bound["a traded token"] = pair.Access
	for name, issued := range bound {
		nodetest.Must(t, nodetest.Second(f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{Collection: new(int64(4))})))
		for _, other := range []int64{5, 6, 0, -4} {
			_, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{Collection: &other})
			nodetest.WantFault(t, name+" in another collection", err, fault.InsufficientScope, "another collection")
		}
	}
	free := f.MadeAccess(t, ada)
	nodetest.Must(t, nodetest.Second(f.Verify(t.Context(), free.Value.Reveal(), verification.Requirements{Collection: new(int64(5))})))
	for _, unknown := range []int64{6, -1} {
		_, err := f.Verify(t.Context(), free.Value.Reveal(), verification.Requirements{Collection: &unknown})
		nodetest.WantFault(t, "an unbound token in a collection that isn't there", err, fault.InsufficientScope, "no access to the collection")
	}
}

func TestClientHasNoAccessToCollections(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	app := f.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app})
	nodetest.Must(t, err)
	_, err = f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{Collection: new(int64(4))})
	nodetest.WantFault(t, "a collection", err, fault.InsufficientScope, "")
	_, err = f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{Action: "access", Path: "/"})
	nodetest.WantFault(t, "a permission", err, fault.InsufficientScope, "")
}
