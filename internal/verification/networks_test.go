package verification_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Verifying a token that was seen before allocates nothing, limited to networks or not.
func TestJudgingNetworksAllocatesNothing(t *testing.T) {
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	limit, err := networks.Parse([]string{"10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"})
	nodetest.Must(t, err)
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "2001:db8::7"})
	for name, raw := range map[string]string{
		"JWT":               f.Made(t, ada, issuance.Request{Kind: token.KindAccess}).Value.Reveal(),
		"limited JWT":       f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Networks: limit}).Value.Reveal(),
		"limited API token": f.APIToken(t, ada, credentials.NewCredential{Name: "n", Networks: limit}).Value.Reveal(),
		"API token":         f.APIToken(t, ada, credentials.NewCredential{Name: "n"}).Value.Reveal(),
	} {
		n := testing.AllocsPerRun(1000, func() {
			if _, err := f.Verify(ctx, raw, verification.Requirements{}); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// A stream or request that a limited token let in goes on: where it came from was judged
// when it began, and what judges it again knows no address.
func TestWhatIsUnderWayIsNotJudgedByItsNetworkAgain(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	limit, err := networks.Parse([]string{"10.0.0.0/8"})
	nodetest.Must(t, err)
	raw := f.APIToken(t, f.Person(t, "ada"), credentials.NewCredential{Name: "n", Networks: limit}).Value.Reveal()
	id, err := f.Identify(audit.WithOrigin(t.Context(), audit.Origin{Address: "10.1.2.3"}), raw, verification.Requirements{})
	nodetest.Must(t, err)
	if _, err := f.StillGood(t.Context(), id, raw, verification.Requirements{}); err != nil {
		t.Error(err)
	}
}
