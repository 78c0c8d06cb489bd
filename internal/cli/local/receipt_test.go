package local

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/wiring"
)

func TestReachSaysWhoRefusesTheTokenNow(t *testing.T) {
	t.Parallel()
	i := &wiring.Instance{Config: config.Config{Revocation: config.Revocation{MaxStaleness: 2 * time.Second}}}
	for want, nodes := range map[string]*revocation.Acknowledgement{
		"every server refuses it within 2s":                  nil,
		"no server is running":                               {},
		"the server has confirmed it":                        {Nodes: 1, Confirmed: 1},
		"all 3 servers have confirmed it":                    {Nodes: 3, Confirmed: 3},
		"2 of 3 servers have confirmed it, 1 answer no more": {Nodes: 3, Confirmed: 2, Expired: 1},
		"the server has confirmed it; so have all services that confirm, 2": {
			Nodes: 1, Confirmed: 1, Verifiers: &revocation.Verifiers{Count: 2, Confirmed: 2},
		},
		"the server has confirmed it; 1 of 2 services that confirm have, 1 had no lease any more": {
			Nodes: 1, Confirmed: 1, Verifiers: &revocation.Verifiers{Count: 2, Confirmed: 1, Expired: 1},
		},
	} {
		if got := Reach(i, revocation.Receipt{Nodes: nodes}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
