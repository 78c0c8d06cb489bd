package oauth

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// spent takes from a limiter until it refuses, and counts.
func spent(l *limiter, address string, now time.Time) int {
	for n := range 1000 {
		if l.take(netip.MustParseAddr(address), now) > 0 {
			return n
		}
	}
	return 1000
}

func TestLimiterGivesBackOneByOne(t *testing.T) {
	t.Parallel()
	l, now := newLimiter(5), time.Unix(1_700_000_000, 0)
	if n := spent(l, "192.0.2.1", now); n != 5 {
		t.Errorf("a burst of %d", n)
	}
	if wait := l.take(netip.MustParseAddr("192.0.2.1"), now.Add(20*time.Second)); wait != 40*time.Second {
		t.Errorf("to wait for %s", wait)
	}
	if n := spent(l, "192.0.2.1", now.Add(2*time.Minute)); n != 2 {
		t.Errorf("%d after two minutes", n)
	}
	if n := spent(l, "192.0.2.1", now.Add(time.Hour)); n != 5 {
		t.Errorf("%d after an hour", n)
	}
}

func TestLimiterTellsAddressesApartAndIPv6ByItsNetwork(t *testing.T) {
	t.Parallel()
	l, now := newLimiter(3), time.Unix(1_700_000_000, 0)
	for address, want := range map[string]int{"192.0.2.1": 3, "192.0.2.2": 3, "2001:db8::1": 3, "2001:db8:0:1::1": 3} {
		if n := spent(l, address, now); n != want {
			t.Errorf("%s: %d", address, n)
		}
	}
	if n := spent(l, "2001:db8::2", now); n != 0 {
		t.Errorf("another address of a network that has spent: %d", n)
	}
}

func TestLimiterForgivesAClockSetBack(t *testing.T) {
	t.Parallel()
	l, now := newLimiter(3), time.Unix(1_700_000_000, 0)
	spent(l, "192.0.2.1", now)
	past := now.Add(-24 * time.Hour)
	if wait := l.take(netip.MustParseAddr("192.0.2.1"), past); wait != time.Minute {
		t.Errorf("to wait for %s", wait)
	}
	if n := spent(l, "192.0.2.1", past.Add(time.Hour)); n != 3 {
		t.Errorf("%d an hour later", n)
	}
}

func TestLimiterIsBoundedAndStillLimits(t *testing.T) {
	t.Parallel()
	l, now := newLimiter(3), time.Unix(1_700_000_000, 0)
	let := 0
	for i := range uint32(3 * maxAddresses) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], i)
		if l.take(netip.AddrFrom4(a), now) == 0 {
			let++
		}
	}
	if len(l.until) > maxAddresses+1 {
		t.Errorf("remembers %d", len(l.until))
	}
	if let != maxAddresses+3 {
		t.Errorf("let %d pass", let)
	}
	if n := spent(l, "0.0.0.1", now); n != 2 {
		t.Errorf("an address that is remembered has %d left", n)
	}
	later := now.Add(time.Hour)
	if n := spent(l, "255.0.0.1", later); n != 3 || len(l.until) != 1 {
		t.Errorf("later: %d, remembers %d", n, len(l.until))
	}
}
