package revocation_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// answerAs makes a log answer as that database.
func (l *memoryLog) answerAs(origin string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forge = func(p *revocation.Page) { p.Origin = origin }
}

// confirmedAt returns where a node has confirmed last.
func (l *memoryLog) confirmedAt(node string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nodes[node].Origin
}

func TestAnAnswerIsConfirmedWhereItCameFrom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Follower = b.follow(t, revocation.Config{Node: "node-a", Log: b.log, ConfirmAlways: true})
		for _, origin := range []string{"old", "old", "new"} {
			b.log.answerAs(origin)
			b.catchUp(t)
			if got := b.log.confirmedAt("node-a"); got != origin || !b.Fresh() {
				t.Errorf("the answer of %q is confirmed at %q, fresh: %t", origin, got, b.Fresh())
			}
		}
		b.run(t)() // it leaves whatever list there is
		if got := b.log.confirmedAt("node-a"); got != "" {
			t.Errorf("it leaves the list of %q alone", got)
		}
		// What it says when it has left is relied on by the requests under way.
		b.catchUp(t)
		if got := b.log.confirmedAt("node-a"); got != "new" {
			t.Errorf("what is asked after leaving is confirmed at %q", got)
		}
	})
}

// The list of nodes is asked of the database that answered last; an answer that is
// refused changes nothing.
func TestTheListIsOfTheDatabaseThatAnsweredLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		asked := "nobody"
		list := b.List(func(_ context.Context, origin string) ([]revocation.Confirmation, error) {
			asked = origin
			return nil, errStore
		})
		read := func() string {
			if _, err := list(t.Context()); !errors.Is(err, errStore) {
				t.Errorf("got %v", err)
			}
			return asked
		}
		if got := read(); got != "" {
			t.Errorf("before the first answer %q is asked", got)
		}
		for _, origin := range []string{"old", "new"} {
			b.log.revoke(origin)
			b.log.answerAs(origin)
			b.catchUp(t)
			if got := read(); got != origin {
				t.Errorf("after an answer of %q %q is asked", origin, got)
			}
		}
		b.log.mu.Lock()
		b.log.head, b.log.entries = 1, b.log.entries[:1]
		b.log.mu.Unlock()
		b.log.answerAs("old")
		if err := b.CatchUp(t.Context()); err == nil || read() != "new" {
			t.Errorf("after a log that is behind (%v) %q is asked", err, asked)
		}
	})
}

// Who keeps what was read from a database hears that another one has taken its place
// before anything says so, and before anything of the new one counts.
func TestAReplacedLogIsAnnouncedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		told := uint64(0)
		b.OnReplaced(func() {
			told++
			if b.Replaced() != told-1 || b.Origin() == "new" || b.Applied() > 2 {
				t.Errorf("told when it was replaced %d times, by %q, up to %d", b.Replaced(), b.Origin(), b.Applied())
			}
		})
		for _, origin := range []string{"old", "old", "new"} {
			b.log.revoke(origin)
			b.log.answerAs(origin)
			b.catchUp(t)
			want := uint64(0)
			if origin == "new" {
				want = 1
			}
			if told != want || b.Replaced() != want || b.Origin() != origin {
				t.Errorf("after an answer of %q: told %d times, replaced %d times, %q", origin, told, b.Replaced(), b.Origin())
			}
		}
	})
}

// What was purged may have revoked a token that is unexpired by a clock that is behind.
// So that clock is put right before anything of the answer counts.
func TestNoClockIsBehindWhatWasPurged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.revoke("purged")
		b.log.revoke("kept")
		b.log.purge(1)
		purged := time.Now().Add(time.Hour) // by the database's clock that has passed
		b.log.forge = func(p *revocation.Page) { p.PurgedUntil = purged }
		applied := false
		b.OnApply(func(c revocation.Change) {
			applied = true
			if now := b.Ledger().Now(); now.Before(purged) || !c.PurgedUntil.Equal(purged) {
				t.Errorf("an answer is applied at %s, what was purged mattered until %s (%s)", now, purged, c.PurgedUntil)
			}
		})
		b.catchUp(t)
		if !applied || b.Ledger().Now().Before(purged) {
			t.Errorf("applied: %t, now: %s", applied, b.Ledger().Now())
		}
		// A later answer that says less puts nothing back.
		b.log.mu.Lock()
		b.log.forge = nil
		b.log.mu.Unlock()
		b.catchUp(t)
		if now := b.Ledger().Now(); now.Before(purged) {
			t.Errorf("now it is %s again", now)
		}
		time.Sleep(2 * time.Hour)
		if now := b.Ledger().Now(); !now.Equal(time.Now()) {
			t.Errorf("it is %s, and the clock shows %s", time.Now(), now)
		}
	})
}
