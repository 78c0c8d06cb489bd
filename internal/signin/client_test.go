package signin_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/verification"
)

// known reports whether a node authenticates the client ci.
func known(t *testing.T, f *nodetest.Fixture, secret string) bool {
	t.Helper()
	_, err := f.AuthenticateClient(t.Context(), "ci", secret)
	if err != nil && !fault.Is(err, fault.InvalidClient) {
		t.Fatal(err)
	}
	return err == nil
}

func TestClientIsRememberedWhileTheLogSaysNothingOfIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Client(t, "ci", "read")
	known(t, f, nodetest.ClientSecret)
	before := f.Store.Queries()
	for range 100 {
		if !known(t, f, nodetest.ClientSecret) || known(t, f, "wrong") {
			t.Fatal("the secret is judged wrongly")
		}
	}
	// The follower asks its own questions meanwhile.
	if asked := f.Store.Queries() - before; asked > 20 {
		t.Errorf("%d queries for 200 authentications", asked)
	}
}

func TestRemovedClientIsForgottenEverywhere(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	here.Client(t, "ci", "read")
	if !known(t, there, nodetest.ClientSecret) {
		t.Fatal("the other node doesn't know the client")
	}
	if _, err := here.RemoveClient(t.Context(), operator, "ci"); err != nil {
		t.Fatal(err)
	}
	if known(t, here, nodetest.ClientSecret) || known(t, there, nodetest.ClientSecret) {
		t.Error("a removed client is authenticated from memory")
	}
	here.Client(t, "ci", "read")
	if !known(t, there, nodetest.ClientSecret) {
		t.Error("a client that was made again is not known")
	}
}

func TestNewSecretCountsEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	here.Client(t, "ci", "read")
	known(t, there, nodetest.ClientSecret)
	const renewed = "another secret of more than 32 characters"
	if _, err := here.UpdateClient(t.Context(), operator, identity.NewClient{
		ID: "ci", Secret: renewed, Scopes: []string{"read"}, Grants: []string{identity.GrantTypeClientCredentials},
	}); err != nil {
		t.Fatal(err)
	}
	if known(t, there, nodetest.ClientSecret) || !known(t, there, renewed) {
		t.Error("the other node remembers the old secret")
	}
}

func TestWidenedClientMayMoreEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	here.Client(t, "ci", "read")
	issue := func() error {
		c, err := there.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret)
		if err != nil {
			t.Fatal(err)
		}
		_, err = there.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: c, Scope: []string{"write"}})
		return err
	}
	if err := issue(); !fault.Is(err, fault.InvalidScope) {
		t.Fatal(err)
	}
	old, err := here.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	living, err := here.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: old})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := here.UpdateClient(t.Context(), operator, identity.NewClient{
		ID: "ci", Scopes: []string{"read", "write"}, Grants: []string{identity.GrantTypeClientCredentials},
	}); err != nil {
		t.Fatal(err)
	}
	if err := issue(); err != nil {
		t.Errorf("the other node remembers the scopes of before: %v", err)
	}
	if _, err := there.Verify(t.Context(), living.Value.Reveal(), verification.Requirements{}); err != nil {
		t.Errorf("more rights took back a token: %v", err)
	}
}

// TestNodeWithoutLeaseTrustsNoMemory: one that is cut off has not heard that the
// client is gone.
func TestNodeWithoutLeaseTrustsNoMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here := nodetest.New(t, nodetest.Options{Dir: dir, Settings: func(s *node.Settings) { s.Wait = revocation.WaitNone }})
	here.Client(t, "ci", "read")
	var clock atomic.Int64
	there := nodetest.New(t, nodetest.Options{
		Dir: dir, Still: true, Clock: func() time.Duration { return time.Hour + time.Duration(clock.Load()) },
	})
	if !known(t, there, nodetest.ClientSecret) || !there.Ledger.Lease().Holds() {
		t.Fatal("the node is not as the test wants it")
	}
	if _, err := here.RemoveClient(t.Context(), operator, "ci"); err != nil {
		t.Fatal(err)
	}
	if !known(t, there, nodetest.ClientSecret) {
		t.Error("with a lease the node asked the store")
	}
	clock.Store(int64(nodetest.DefaultSettings().Staleness))
	if known(t, there, nodetest.ClientSecret) {
		t.Error("without a lease the node said yes from memory")
	}
}
