package revoking_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Who holds a token may revoke it, though it signs nobody in any more.
func TestHolderRevokesATokenThatSignsNobodyIn(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	expired, key := f.MadeAccess(t, ada), f.ExchangeKey(t, ada, credentials.NewCredential{})
	f.Advance(31 * time.Minute)
	for name, issued := range map[string]*issuance.Issued{"expired": expired, "an API key": key} {
		for range 2 { // twice is success
			r, err := f.RevokeSelf(t.Context(), issued.Value.Reveal(), revocation.WaitNodes)
			if err != nil || !r.Revoked || r.Nodes == nil {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
		}
		events := f.Events(t, audit.Filter{TokenID: issued.ID, Action: audit.TokenRevoke})
		if len(events) != 1 || events[0].Actor != ada.ID() || events[0].Target != ada.ID() {
			t.Errorf("%s is recorded as %+v", name, events)
		}
	}
	f.WantDead(t, "an API key", key)

	orphan := f.MadeAccess(t, f.Person(t, "eve"))
	nodetest.Must(t, nodetest.Second(f.RemoveUser(t.Context(), operator, "eve")))
	head := f.Ledger.Applied()
	r, err := f.RevokeSelf(t.Context(), orphan.Value.Reveal(), revocation.WaitNone)
	if err != nil || !r.Revoked || r.Nodes != nil || f.Ledger.Applied() != head {
		t.Errorf("of a user who was removed: %+v, %v", r, err)
	}

	for name, raw := range map[string]string{
		"junk": "junk", "a forged one": key.Value.Reveal() + "A", "a session": f.SessionOf(t, "ada").Value.Reveal(),
	} {
		_, err := f.RevokeSelf(t.Context(), raw, revocation.WaitDefault)
		nodetest.WantFault(t, name, err, fault.InvalidToken, token.ReasonMalformed)
	}
}

// Who holds a refresh token could trade it for a token that may revoke itself, so may
// revoke the family; by RevokeSelf alone it may not.
func TestHolderRevokesARefreshTokenWithItsFamily(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Person(t, "ada")
	pair, err := f.Exchange(t.Context(), issuance.Exchange{
		Subject: f.MadeAccess(t, f.SignedIn(t, "ada")).Value.Reveal(), Scope: []string{identity.ScopeOfflineAccess},
	})
	nodetest.Must(t, err)
	raw := pair.Refresh.Value.Reveal()
	_, err = f.RevokeSelf(t.Context(), raw, revocation.WaitDefault)
	nodetest.WantFault(t, "by itself", err, fault.InvalidToken, token.ReasonMalformed)
	for range 2 { // twice is success
		if r, err := f.RevokeHeld(t.Context(), raw, revocation.WaitNone); err != nil || !r.Revoked {
			t.Errorf("%+v, %v", r, err)
		}
	}
	f.WantDead(t, "the access token beside it", pair.Access)
	_, err = f.Refresh(t.Context(), issuance.Refresh{Token: raw})
	nodetest.WantFault(t, "the refresh token", err, fault.InvalidGrant, token.ReasonRevoked)
	_, err = f.RevokeHeld(t.Context(), f.SessionOf(t, "ada").Value.Reveal(), revocation.WaitNone)
	nodetest.WantFault(t, "a session", err, fault.InvalidToken, token.ReasonMalformed)
}
