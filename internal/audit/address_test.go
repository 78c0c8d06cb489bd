package audit_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
)

func TestAFilterFindsAddressesAndNetworks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter string
		in     []string
		out    []string
	}{
		{"192.0.2.7", []string{"192.0.2.7", "::ffff:192.0.2.7"}, []string{"192.0.2.8", "", "192.0.2.70", "not an address"}},
		{"192.0.2.0/24", []string{"192.0.2.0", "192.0.2.255"}, []string{"192.0.1.255", "192.0.3.0", "::c000:0207", ""}},
		{"192.0.2.99/24", []string{"192.0.2.0", "192.0.2.255"}, []string{"192.0.3.0"}},
		{"10.0.0.0/9", []string{"10.127.255.255"}, []string{"10.128.0.0"}},
		{"0.0.0.0/0", []string{"0.0.0.0", "255.255.255.255"}, []string{"::1", ""}},
		{"2001:db8::/33", []string{"2001:db8::", "2001:db8:7fff::1"}, []string{"2001:db8:8000::", "2001:db7::"}},
		{"2001:DB8:0::1", []string{"2001:db8::1", "2001:db8::1%eth0"}, []string{"2001:db8::2"}},
		{"::/0", []string{"::", "ffff::"}, []string{"192.0.2.7", "::ffff:192.0.2.7"}},
	} {
		f, err := audit.Filter{Address: c.filter}.Canonical()
		if err != nil {
			t.Fatalf("%s: %v", c.filter, err)
		}
		for _, address := range c.in {
			if !f.Matches(audit.Event{Address: address}) {
				t.Errorf("%s doesn't find %q", c.filter, address)
			}
		}
		for _, address := range c.out {
			if f.Matches(audit.Event{Address: address}) {
				t.Errorf("%s finds %q", c.filter, address)
			}
		}
	}
	for _, bad := range []string{"192.0.2", "192.0.2.0/33", "/24", "example.org", "192.0.2.0/24 ", "::ffff:192.0.2.0/120", "192.0.2.*"} {
		if _, err := (audit.Filter{Address: bad}).Canonical(); !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "address" {
			t.Errorf("%q: %v; want Invalid in address", bad, err)
		}
	}
}
