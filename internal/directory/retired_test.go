package directory_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// Who has stolen a signing key can sign a token that makes others: API tokens, which need
// no key, and what another key signs. All of them end with the stolen key, and so does
// what is made from them. What was made without it lives.
func TestARetiredKeyTakesAllThatWasMadeFromWhatItSignedAlong(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	claims := f.Claims(ada.ID(), f.Ledger.Applied())
	claims.Scope = []string{identity.ScopeCredentials}
	forged, stolen := f.Sign(t, claims), f.Signer(t)
	nodetest.Must(t, f.RotateKeys(t.Context(), caller.Operator(), true))
	thief := f.ByBearer(t, forged)
	traded := func(subject *issuance.Issued) *issuance.Issued {
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: subject.Value.Reveal()})
		nodetest.Must(t, err)
		return pair.Access
	}
	apiToken, key := f.APIToken(t, thief, credentials.NewCredential{}), f.ExchangeKey(t, thief, credentials.NewCredential{})
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: forged.Value.Reveal(), Scope: []string{identity.ScopeOfflineAccess}})
	nodetest.Must(t, err)
	made := map[string]*issuance.Issued{
		"an API token": apiToken, "what was made from that": traded(apiToken), "what was made from an API key": traded(key),
		"what was exchanged": traded(forged), "what came with a refresh token": pair.Access,
	}
	others := map[string]*issuance.Issued{
		"an API token of a session": f.APIToken(t, ada, credentials.NewCredential{}), "what another key signed": f.MadeAccess(t, ada),
	}
	for what, issued := range made {
		f.WantAlive(t, what, issued)
	}
	nodetest.Must(t, nodetest.Second(f.RetireKey(t.Context(), caller.Operator(), stolen)))
	for what, issued := range made {
		f.WantDead(t, what, issued)
	}
	f.WantRowDead(t, "the API token", apiToken)
	f.WantRowDead(t, "the API key", key)
	_, err = f.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal()})
	nodetest.WantFault(t, "the refresh token", err, fault.InvalidGrant, "")
	for what, issued := range others {
		f.WantAlive(t, what, issued)
	}
}
