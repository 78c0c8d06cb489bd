package revocation

import (
	"testing"
	"testing/synctest"
	"time"
)

// A machine that its hypervisor stopped wakes with its boot clock where it stood and its
// wall clock ahead: what it knew is as old as the pause was long.
func TestAPauseFromOutsideEndsTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const staleness = 2 * time.Second
		start := time.Now()
		clock := func() time.Duration { return time.Hour + time.Since(start) }
		ledger := NewLedger(clock, time.Now)
		jump := func(d time.Duration) { ledger.wall.origin -= int64(d) } // the wall clock is ahead by d more
		ledger.Renew(clock(), staleness)
		for _, d := range []time.Duration{staleness / 2, time.Millisecond} { // steps of NTP, small enough
			jump(d)
			if ledger.Now(); !ledger.Lease().Holds() {
				t.Fatalf("a step of %v ended the lease", d)
			}
		}
		asked := clock()
		jump(staleness/2 + time.Millisecond)
		if ledger.Now(); ledger.Lease().Holds() {
			t.Error("the lease holds after a pause")
		}
		ledger.Renew(asked, staleness)
		if ledger.Lease().Holds() {
			t.Error("the answer to a question from before the pause renewed the lease")
		}
		time.Sleep(time.Millisecond)
		ledger.Renew(clock(), staleness)
		if !ledger.Lease().Holds() {
			t.Error("a question from after the pause made no lease")
		}
	})
}

// Before the first lease the clocks may differ by what keeping them right makes of them:
// the answer counts all the same. One from before a pause does not.
func TestThePauseBeforeTheFirstLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const staleness = 2 * time.Second
		start := time.Now()
		clock := func() time.Duration { return time.Hour + time.Since(start) }
		for jump, holds := range map[time.Duration]bool{time.Nanosecond: true, time.Millisecond: true, time.Second: false} {
			ledger := NewLedger(clock, time.Now)
			asked := clock()
			ledger.wall.origin -= int64(jump) // the wall clock is ahead by so much
			ledger.Renew(asked, staleness)
			if ledger.Lease().Holds() != holds {
				t.Errorf("a jump of %v before the answer: the lease holds: %t", jump, !holds)
			}
		}
	})
}

// Two requests may read the clock after one pause. The one that does not notice the pause,
// because the other has, finds no lease either, however long the other takes to end it.
func TestNobodyFindsALeaseWhileAPauseIsNoted(t *testing.T) {
	t.Parallel()
	start := time.Now()
	clock := func() time.Duration { return time.Hour + time.Since(start) }
	ledger := NewLedger(clock, time.Now)
	ledger.Renew(clock(), time.Hour)
	ended, others := ledger.onPause, 0
	ledger.onPause = func() {
		if others++; others == 1 { // between noticing the pause and ending the lease
			ledger.Now()
			if ledger.Lease().Holds() {
				t.Error("a second request read the clock after the pause and found the lease")
			}
		}
		ended()
	}
	ledger.wall.origin -= int64(2 * time.Hour) // the wall clock is ahead by so much
	if ledger.Now(); others == 0 || ledger.Lease().Holds() {
		t.Errorf("the pause was noticed %d times; the lease holds: %t", others, ledger.Lease().Holds())
	}
}
