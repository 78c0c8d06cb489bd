package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// TestTheNextKeySignsEverywhereAtOnce retires the active key at one node and issues at
// another as soon as that is acknowledged.
func TestTheNextKeySignsEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	c := here.Person(t, "ada")
	for range 5 {
		retired := here.Signer(t)
		nodetest.Must(t, nodetest.Second(there.RetireKey(t.Context(), operator, retired)))
		issued := here.MadeAccess(t, c)
		here.WantAlive(t, "at the node that issued it", issued)
		there.WantAlive(t, "at the node that retired the key before", issued)
		if here.Signer(t) == retired {
			t.Error("the retired key is still the active one")
		}
	}
}

// A node that was cut off while a key was retired elsewhere issues nothing under that key
// when it reaches the store again: it would be a token that no node accepts.
func TestNoTokenIsSignedWithAKeyWhoseRetirementThisNodeHasYetToRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.NewStill(t, nodetest.Options{Dir: dir})
	here.Person(t, "ada")
	retired := there.Signer(t)
	nodetest.Must(t, nodetest.Second(here.RetireKey(t.Context(), operator.Waiting(revocation.WaitNone), retired)))
	issued := there.MadeAccess(t, there.ByPassword(t, "ada"))
	there.WantAlive(t, "at the node that issued it", issued)
	here.WantAlive(t, "at the node that retired the key", issued)
}

// TestOnlyAKeyThatExistsIsRetired names a key that never was.
func TestOnlyAKeyThatExistsIsRetired(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	_, err := f.RetireKey(t.Context(), operator, "x")
	nodetest.WantFault(t, "no key to retire", err, fault.NotFound, "")
}

// What anybody may see of the keys is what verifies tokens, and no more of a key than
// that.
func TestPublishedKeysAreThoseOfTheJWKSet(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	active := f.Signer(t)
	nodetest.Must(t, f.RotateKeys(t.Context(), operator, false))
	set, err := keyring.ReadJWKS(f.JWKS())
	nodetest.Must(t, err)
	kids := func(keys []token.VerificationKey) (out []string) {
		for _, k := range keys {
			out = append(out, k.KID)
		}
		return out
	}
	published := kids(f.PublicKeys())
	if diff := cmp.Diff(kids(set), published); diff != "" {
		t.Errorf("(-JWK Set +public keys):\n%s", diff)
	}
	if len(published) != 2 || published[0] != active {
		t.Errorf("published are %q; want the active key %q and a next one", published, active)
	}
	all, err := f.KeyList(t.Context(), operator)
	nodetest.Must(t, err)
	for _, k := range all {
		if k.Sealed != nil {
			t.Errorf("the private half of %s is in the list", k.KID)
		}
	}
}

// Rotating revokes nothing, but the log says that the keys changed.
func TestRotatedKeysAreInTheLogAndRevokeNothing(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	issued := f.MadeAccess(t, f.Person(t, "ada"))
	before := f.Signer(t)
	nodetest.Must(t, f.RotateKeys(t.Context(), operator, true))
	_, found, err := f.Store.LogEntry(t.Context(), revocation.SigningKey, directory.KeySetChangedID)
	if err != nil || !found {
		t.Errorf("an entry in the log: %t, %v", found, err)
	}
	if f.Signer(t) == before {
		t.Error("the old key still signs")
	}
	f.WantAlive(t, "what the old key signed", issued)
}

func TestASharedSecretHasNoKeys(t *testing.T) {
	t.Parallel()
	shared := nodetest.New(t, nodetest.Options{Algorithm: token.HS256, Secret: []byte("q7ZkT3mVw9RbLx2NcYh8PdFs5GjUe4Aa")})
	if !shared.SharedSecret() || len(shared.PublicKeys()) != 0 {
		t.Errorf("shared %t, %d public keys", shared.SharedSecret(), len(shared.PublicKeys()))
	}
	if nodetest.New(t, nodetest.Options{}).SharedSecret() {
		t.Error("a node with signing keys says that it has a shared secret")
	}
}
