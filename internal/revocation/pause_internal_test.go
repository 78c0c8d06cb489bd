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
