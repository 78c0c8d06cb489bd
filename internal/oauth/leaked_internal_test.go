package oauth

import (
	"net/netip"
	"testing"
	"time"
)

// An IPv6 client has a whole /64 and would have as many allowances as addresses.
func TestReportsOfAnIPv6NetworkAreLimitedTogether(t *testing.T) {
	t.Parallel()
	l := newReportLimiter()
	now := time.Unix(1_700_000_000, 0)
	spent := func(address string) int {
		for n := range 1000 {
			if l.Take(network(netip.MustParseAddr(address)), now) > 0 {
				return n
			}
		}
		return 1000
	}
	for _, address := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1", "fe80::1%eth0"} {
		if n := spent(address); n != 60 {
			t.Errorf("%s: %d at once", address, n)
		}
	}
	for _, address := range []string{"2001:db8::2", "2001:db8::ffff:0:0:1", "fe80::2%eth0", "fe80::2%eth1"} {
		if n := spent(address); n != 0 {
			t.Errorf("%s of a network that has spent: %d", address, n)
		}
	}
	if network(netip.Addr{}) != (netip.Addr{}) {
		t.Error("a peer without an address is changed")
	}
}
