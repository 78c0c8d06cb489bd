package signin_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestGuessesOnAllNodesCountTogether(t *testing.T) {
	t.Parallel()
	o := nodetest.Options{Dir: t.TempDir(), Postgres: true, Settings: limits(5, 1000)}
	nodes := []*nodetest.Fixture{nodetest.New(t, o), nodetest.New(t, o)}
	_, err := nodes[0].CreateUser(t.Context(), operator, identity.NewUser{Username: "ada", PasswordHash: nodetest.CheapHash(t)})
	nodetest.Must(t, err)
	var wrong, limited, unanswered atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			err := nodes[i%2].TryLogin(t, "ada", fmt.Sprint(i), "")
			for fault.Is(err, fault.Unavailable) && t.Context().Err() == nil { // the machine is busy: ask again
				unanswered.Add(1)
				err = nodes[i%2].TryLogin(t, "ada", fmt.Sprint(i), "")
			}
			switch {
			case fault.Is(err, fault.BadCredentials):
				wrong.Add(1)
			case fault.Is(err, fault.Limited):
				limited.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// A guess that was not answered may have been counted.
	if n := wrong.Load(); n > 5 || n != 5 && unanswered.Load() == 0 || n+limited.Load() != 40 {
		t.Errorf("%d guesses were answered as wrong, %d limited; want 5 and 35", n, limited.Load())
	}
	for _, f := range nodes {
		nodetest.WantFault(t, "the right password", f.TryLogin(t, "ada", "right", ""), fault.Limited, "")
	}
}
