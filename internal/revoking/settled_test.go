package revoking_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
)

// A revocation that is not waited for holds on another node when that node's lease
// has run out. Who finds nothing left to revoke is answered no sooner.
func TestWhatIsRevokedAlreadyIsAcknowledgedWhenItHoldsEverywhere(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(f *nodetest.Fixture, raw string) error{
		"reported as leaked": func(f *nodetest.Fixture, raw string) error {
			return f.Leaked(t.Context(), []string{raw})
		},
		"by its holder": func(f *nodetest.Fixture, raw string) error {
			return nodetest.Second(f.RevokeSelf(t.Context(), raw, revocation.WaitDefault))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := nodetest.Options{Dir: t.TempDir()}
			here := nodetest.New(t, o)
			issued := here.MadeAccess(t, here.Person(t, "ada"))
			o.Still = true // learns of the log only when it asks
			there := nodetest.New(t, o)
			there.WantAlive(t, "before", issued)
			nodetest.Must(t, nodetest.Second(here.RevokeID(t.Context(), operator.Waiting(revocation.WaitNone), issued.ID)))
			before := here.Ledger.Applied()
			nodetest.Must(t, again(here, issued.Value.Reveal()))
			there.WantDead(t, "revoked already", issued)
			if here.Ledger.Applied() != before {
				t.Error("what was revoked is revoked again")
			}
		})
	}
}

func TestCallerSaysWhetherToWait(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	for wait, nodes := range map[revocation.Wait]bool{
		revocation.WaitDefault: true, revocation.WaitNodes: true, revocation.WaitNone: false,
	} {
		for name, revoke := range map[string]func(c *caller.Caller) (revocation.Receipt, error){
			"by value": func(c *caller.Caller) (revocation.Receipt, error) {
				return f.Revoke(t.Context(), c, revoking.Revocation{Token: f.MadeAccess(t, ada).Value.Reveal()})
			},
			"by id": func(c *caller.Caller) (revocation.Receipt, error) {
				return f.RevokeID(t.Context(), c, f.MadeAccess(t, ada).ID)
			},
			"all": func(c *caller.Caller) (revocation.Receipt, error) {
				return f.RevokeAllOf(t.Context(), c, f.Person(t, uuid.NewString()[:8]).Subject.Username)
			},
		} {
			r, err := revoke(operator.Waiting(wait))
			if err != nil || !r.Revoked || (r.Nodes != nil) != nodes {
				t.Errorf("%s, wait %d: %+v, %v", name, wait, r, err)
			}
		}
	}
}
