package revoking_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/issuance"
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

// A node may remember a revocation that the log lacks: it was lost with the server that
// had it. Who asks for it again is acknowledged when the log has it, and a third time
// nothing more is written.
func TestWhatTheLogLacksIsRevokedAgain(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(f *nodetest.Fixture, i *issuance.Issued) error{
		"by value": func(f *nodetest.Fixture, i *issuance.Issued) error {
			return nodetest.Second(f.Revoke(t.Context(), operator, revoking.Revocation{Token: i.Value.Reveal()}))
		},
		"by id": func(f *nodetest.Fixture, i *issuance.Issued) error {
			return nodetest.Second(f.RevokeID(t.Context(), operator, i.ID))
		},
		"in a list": func(f *nodetest.Fixture, i *issuance.Issued) error {
			return nodetest.Second(f.RevokeTokens(t.Context(), operator, find(t, f, i.Value.Reveal())))
		},
		"reported as leaked": func(f *nodetest.Fixture, i *issuance.Issued) error {
			return f.Leaked(t.Context(), []string{i.Value.Reveal()})
		},
		"by its holder": func(f *nodetest.Fixture, i *issuance.Issued) error {
			return nodetest.Second(f.RevokeSelf(t.Context(), i.Value.Reveal(), revocation.WaitDefault))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.New(t, nodetest.Options{})
			issued := f.MadeAccess(t, f.Person(t, "ada"))
			f.Ledger.Apply([]revocation.Entry{{
				Seq: f.Ledger.Applied(), What: revocation.Token, ID: issued.ID, Until: f.Time().Add(time.Hour),
			}})
			f.WantDead(t, "remembered", issued)
			nodetest.Must(t, revoke(f, issued))
			_, found, err := f.Store.LogEntry(t.Context(), revocation.Token, issued.ID)
			if err != nil || !found {
				t.Errorf("in the log: %t, %v", found, err)
			}
			before := f.Ledger.Applied()
			nodetest.Must(t, revoke(f, issued))
			if f.Ledger.Applied() != before {
				t.Error("it is revoked a third time")
			}
		})
	}
}
