package httpkit_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/httpkit"
)

func TestClientAddressBehindProxies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "192.0.2.1:1", nil, "192.0.2.1"},
		{"stranger's header is ignored", "192.0.2.1:1", []string{"198.51.100.9"}, "192.0.2.1"},
		{"trusted without a header", "10.0.0.1:1", nil, "10.0.0.1"},
		{"one hop", "10.0.0.1:1", []string{"192.0.2.7"}, "192.0.2.7"},
		{"what the client made up stands further left", "10.0.0.1:1", []string{"127.0.0.1, 192.0.2.7"}, "192.0.2.7"},
		{"two proxies", "10.0.0.1:1", []string{"1.2.3.4, 192.0.2.7,10.0.0.2"}, "192.0.2.7"},
		{"two headers are one list", "10.0.0.1:1", []string{"1.2.3.4,192.0.2.7", "10.0.0.2"}, "192.0.2.7"},
		{"proxies alone", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"malformed entry stops at its sender", "10.0.0.1:1", []string{"192.0.2.7, junk, 10.0.0.2"}, "10.0.0.2"},
		{"malformed at once", "10.0.0.1:1", []string{"192.0.2.7, unknown"}, "10.0.0.1"},
		{"empty entry stops", "10.0.0.1:1", []string{"192.0.2.7, ,10.0.0.2"}, "10.0.0.2"},
		{"empty header", "10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"with a port", "10.0.0.1:1", []string{"192.0.2.7:4711"}, "192.0.2.7"},
		{"IPv6", "[2001:db8::1]:1", []string{"2001:4860::8"}, "2001:4860::8"},
		{"IPv6 in brackets", "[2001:db8::1]:1", []string{"[2001:4860::8]"}, "2001:4860::8"},
		{"IPv6 with a port", "[2001:db8::1]:1", []string{"[2001:4860::8]:99"}, "2001:4860::8"},
		{"mapped peer", "[::ffff:10.0.0.1]:1", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		{"zone", "[fe80::1%eth0]:1", nil, "fe80::1"},
		{"tabs", "10.0.0.1:1", []string{"\t192.0.2.7\t"}, "192.0.2.7"},
		{"Unix socket", "@", []string{"192.0.2.7"}, "invalid IP"},
		{"endless chain", "10.0.0.1:1", []string{"192.0.2.7," + strings.Repeat("10.0.0.2,", 50) + "10.0.0.2"}, "10.0.0.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			if got := proxies().Client(r).String(); got != c.want {
				t.Errorf("client %s, want %s", got, c.want)
			}
		})
	}
}

func TestNoProxiesBelieveNobody(t *testing.T) {
	t.Parallel()
	r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {"192.0.2.7"}}}
	if got := httpkit.Proxies(nil).Client(r).String(); got != "127.0.0.1" {
		t.Errorf("client %s", got)
	}
}

func FuzzClientAddress(f *testing.F) {
	f.Add("10.0.0.1:80", "192.0.2.7, 10.0.0.2")
	f.Add("192.0.2.1:80", "junk")
	f.Add("[2001:db8::1]:1", "[2001:4860::8]:1,::ffff:10.0.0.1")
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		p := proxies()
		client := func(value string) netip.Addr {
			return p.Client(&http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {value}}})
		}
		direct, got := client(""), client(forwarded)
		if got.Is4In6() || got.Zone() != "" {
			t.Errorf("%s is not canonical", got)
		}
		if !p.Trusts(direct) && got != direct {
			t.Errorf("a stranger's header was believed: %s", got)
		}
		if p.Trusts(direct) && client(forwarded+",203.0.113.9") != netip.MustParseAddr("203.0.113.9") {
			t.Error("what the trusted proxy appended was not believed")
		}
	})
}
