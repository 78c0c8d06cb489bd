package issuance_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

// With a session, what has a built-in scope is created soon after the sign-in alone, and
// so is a new value; everything else at any time. A Bearer has no sign-in.
func TestWhatNeedsAFreshSignIn(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	root := f.Person(t, "root", nodetest.Admin())
	laptop := f.APIToken(t, root, credentials.NewCredential{Scope: []string{identity.ScopeCredentials, identity.ScopeAdmin}})
	bearer := f.ByBearer(t, laptop)
	create := func(scope ...string) error {
		return nodetest.Second(f.CreateAPIToken(t.Context(), root, credentials.NewCredential{Name: "x", Scope: scope}))
	}
	strong := []string{identity.ScopeAdmin, identity.ScopeCredentials, identity.ScopeIntrospect, identity.ScopeRevocations}
	f.Advance(15*time.Minute - time.Second) // nearly sign_in.fresh
	for _, scope := range strong {
		nodetest.Must(t, create("read", scope))
	}
	f.Advance(2 * time.Second)
	for _, scope := range strong {
		nodetest.WantFault(t, scope, create("read", scope), fault.SignInAgain, "")
	}
	nodetest.WantFault(t, "an API key", nodetest.Second(f.CreateExchangeKey(t.Context(), root, credentials.NewCredential{Scope: []string{identity.ScopeAdmin}})), fault.SignInAgain, "")
	nodetest.WantFault(t, "an access token", nodetest.Second(f.Ask(t, root, issuance.Request{Kind: token.KindAccess, Scope: []string{identity.ScopeAdmin}})), fault.SignInAgain, "")
	nodetest.WantFault(t, "a new value", nodetest.Second(f.Regenerate(t.Context(), root, laptop.ID, 0)), fault.SignInAgain, "")
	if events := f.Events(t, audit.Filter{Actor: root.ID(), Action: audit.TokenRegenerate}); len(events) != 1 || events[0].Outcome != audit.Refused {
		t.Errorf("%+v", events)
	}
	nodetest.Must(t, create("read"))
	nodetest.Must(t, create())
	nodetest.Must(t, nodetest.Second(f.CreateAPIToken(t.Context(), bearer, credentials.NewCredential{Name: "x", Scope: []string{identity.ScopeAdmin}})))
	again := f.SignedIn(t, "root")
	nodetest.Must(t, nodetest.Second(f.CreateAPIToken(t.Context(), again, credentials.NewCredential{Name: "x", Scope: strong})))
	nodetest.Must(t, nodetest.Second(f.Regenerate(t.Context(), again, laptop.ID, 0)))
}

// With sign_in.fresh 0s any sign-in will do, one of no known time too.
func TestAnySignInIsFreshWhereTheOperatorSaysSo(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Policy.Fresh = 0 }})
	f.User(t, "root", "", nodetest.Admin())
	session, err := f.StartSession(t.Context(), f.ByPassword(t, "root"), nil) // of no known time
	nodetest.Must(t, err)
	root, err := f.Session(t.Context(), session.Value.Reveal())
	nodetest.Must(t, err)
	f.Advance(11 * time.Hour)
	nodetest.Must(t, nodetest.Second(f.CreateAPIToken(t.Context(), root, credentials.NewCredential{Name: "x", Scope: []string{identity.ScopeAdmin}})))
}
