package journal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// A revocation counts as what was revoked. A changed binding, which the log has too, revokes
// nothing.
func TestOnlyRevocationsCountAsRevocations(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Wait = revocation.WaitNone }})
	k := on(t, f)
	family, _ := k.Kill(journal.Kill{ID: "a", Family: "f", Opaque: true})
	key, keyLog := k.Kill(journal.Kill{ID: "kid"})
	for name, c := range map[string]struct {
		batch op.Batch
		want  journal.Revocation
	}{
		"a refresh token":    {op.Batch{Ops: family, Log: k.kill().Log}, journal.Revocation{Entries: 1, Tokens: 1}},
		"a user":             {k.EndSubject("ada", "revoked"), journal.Revocation{Entries: 1, Users: 1}},
		"everything":         {k.EndEverything("revoked"), journal.Revocation{Entries: 1, Everything: 1}},
		"a key":              {op.Batch{Ops: key, Log: append(keyLog, k.CutOff(revocation.SigningKey, "kid"))}, journal.Revocation{Entries: 2, Keys: 1}},
		"a client":           {op.Batch{Ops: []op.Op{op.KillTokens{ClientID: "app", IDs: []string{"link"}}}, Log: k.kill().Log}, journal.Revocation{Entries: 1, Clients: 1}},
		"a changed binding":  {op.Batch{Log: []revocation.Entry{k.CutOff(revocation.Access, "ada")}}, journal.Revocation{Entries: 1}},
		"a role that is new": {op.Batch{Log: []revocation.Entry{k.CutOff(revocation.Role, "curator")}}, journal.Revocation{Entries: 1}},
	} {
		k.meter.last = journal.Revocation{}
		nodetest.Must(t, nodetest.Second(k.Revoke(t.Context(), c.batch, revocation.WaitNone)))
		if diff := cmp.Diff(c.want, k.meter.last); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
