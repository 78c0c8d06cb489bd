package revoking_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
)

// To revoke what is revoked already, again and again, is limited, by value and by id,
// by the owner and by who holds nothing else. What is live is revoked all the same.
func TestRevokingAgainIsLimitedAndRevokingIsNot(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(f *nodetest.Fixture, raw, id string) error{
		"by value": func(f *nodetest.Fixture, raw, _ string) error {
			return nodetest.Second(f.Revoke(t.Context(), f.SignedIn(t, "ada").Waiting(revocation.WaitNone), revoking.Revocation{Token: raw}))
		},
		"by id": func(f *nodetest.Fixture, _, id string) error {
			return nodetest.Second(f.RevokeID(t.Context(), f.SignedIn(t, "ada").Waiting(revocation.WaitNone), id))
		},
		"itself": func(f *nodetest.Fixture, raw, _ string) error {
			return nodetest.Second(f.RevokeSelf(t.Context(), raw, revocation.WaitNone))
		},
	} {
		meter := &nodetest.LimitMeter{}
		f := nodetest.New(t, nodetest.Options{Meter: meter})
		f.Freeze()
		ada := f.Person(t, "ada")
		old, last := f.APIToken(t, ada, credentials.NewCredential{}), f.APIToken(t, ada, credentials.NewCredential{})
		raw := old.Value.Reveal()
		for n := range 301 { // the first time it was live
			if err := again(f, raw, old.ID); err != nil {
				t.Fatalf("%s, time %d: %v", name, n+1, err)
			}
		}
		err := again(f, raw, old.ID)
		nodetest.WantFault(t, name, err, fault.Limited, "revoked already")
		if fault.RetryAfter(err) != 2*time.Second || meter.Count(quota.RevokeAgain) != 1 {
			t.Errorf("%s: again after %v, %d refusals counted", name, fault.RetryAfter(err), meter.Count(quota.RevokeAgain))
		}
		if err := again(f, last.Value.Reveal(), last.ID); err != nil {
			t.Errorf("%s, a live token: %v", name, err)
		}
		f.WantDead(t, name+": the last one", last)
		if n := len(f.Events(t, audit.Filter{Action: audit.TokenRevoke})); n != 2 {
			t.Errorf("%s: %d events, want one a token", name, n)
		}
		f.Advance(2 * time.Second)
		nodetest.Must(t, again(f, raw, old.ID))
	}
}

func TestAdministratorsRevokeAgainAsOftenAsTheyLike(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	root := f.Person(t, "root", nodetest.Admin()).Waiting(revocation.WaitNone)
	old := f.APIToken(t, f.Person(t, "ada"), credentials.NewCredential{})
	for range 400 {
		_, err := f.Revoke(t.Context(), root, revoking.Revocation{Token: old.Value.Reveal()})
		nodetest.Must(t, err)
	}
}
