package revoking_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
)

// What has ended with an overlap has ended by this node's clock alone. That it is revoked
// is acknowledged for every node, independent of their clocks.
func TestWhatHasEndedByTheClockIsRevokedByAKill(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(f *nodetest.Fixture, raw string) error{
		"reported as leaked": func(f *nodetest.Fixture, raw string) error { return f.Leaked(t.Context(), []string{raw}) },
		"by its holder": func(f *nodetest.Fixture, raw string) error {
			return nodetest.Second(f.RevokeSelf(t.Context(), raw, revocation.WaitDefault))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := nodetest.Options{Dir: t.TempDir(), At: time.Now()}
			here, behind := nodetest.New(t, o), nodetest.New(t, o)
			ada := here.Person(t, "ada")
			old := here.APIToken(t, ada, credentials.NewCredential{})
			pair, err := here.Exchange(t.Context(), issuance.Exchange{Subject: old.Value.Reveal()})
			nodetest.Must(t, err)
			nodetest.Must(t, nodetest.Second(here.Regenerate(t.Context(), ada, old.ID, 60)))
			here.Advance(time.Minute)
			here.WantDead(t, "after the overlap", pair.Access)
			behind.WantAlive(t, "where the overlap goes on", pair.Access)
			nodetest.Must(t, revoke(here, pair.Access.Value.Reveal()))
			behind.WantDead(t, "revoked", pair.Access)
		})
	}
}
