package node_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// onPostgres returns two nodes on one PostgreSQL database, each with its housekeeping.
func onPostgres(t *testing.T) (here, there *nodetest.Fixture) {
	t.Helper()
	here, there = nodetest.Two(t, nodetest.Options{Postgres: true})
	here.KeepHouse(t)
	there.KeepHouse(t)
	return here, there
}

// One node rotates: every other publishes the next key before anything is signed with
// it, and finds it when something is. Several that rotate at once make one.
func TestARotatedKeyIsPublishedEverywhereBeforeItSigns(t *testing.T) {
	t.Parallel()
	here, there := onPostgres(t)
	here.Person(t, "ada")
	before := here.Signer(t)
	var all sync.WaitGroup
	for i := range 6 {
		f := []*nodetest.Fixture{here, there}[i%2]
		all.Go(func() {
			if err := f.RotateKeys(t.Context(), operator, false); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for name, f := range map[string]*nodetest.Fixture{"here": here, "there": there} {
		nodetest.Eventually(t, func() error {
			if n := len(f.Ring.Public()); n != 2 {
				return fmt.Errorf("%s %d keys are published", name, n)
			}
			return nil
		})
		if f.Signer(t) != before {
			t.Errorf("%s the next key signs at once", name)
		}
	}
	nodetest.Must(t, here.RotateKeys(t.Context(), operator, true))
	issued := here.MadeAccess(t, here.SignedIn(t, "ada"))
	there.WantAlive(t, "signed by the new key", issued)
	if here.Signer(t) == before {
		t.Error("the new key doesn't sign")
	}
	nodetest.Eventually(t, func() error {
		if there.Signer(t) != here.Signer(t) {
			return errors.New("the nodes sign with different keys")
		}
		return nil
	})
}

func TestARevokedKeyIsRevokedEverywhere(t *testing.T) {
	t.Parallel()
	here, there := onPostgres(t)
	here.Person(t, "ada")
	issued := there.MadeAccess(t, there.SignedIn(t, "ada"))
	here.WantAlive(t, "before", issued)
	nodetest.Must(t, nodetest.Second(here.RetireKey(t.Context(), operator, here.Signer(t))))
	there.WantDead(t, "by a revoked key", issued)
	nodetest.Eventually(t, func() error { // for a moment the other node has no key to sign with
		_, err := there.Ring.Signing()
		return err
	})
	here.WantAlive(t, "by the next key", there.MadeAccess(t, there.SignedIn(t, "ada")))
}
