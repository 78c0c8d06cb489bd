package networks_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/networks"
)

func TestNetworksHaveOneForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []string
		want string
	}{
		{"one", []string{"10.0.0.0/8"}, "10.0.0.0/8"},
		{"a single address", []string{"192.0.2.7", "2001:db8::7"}, "192.0.2.7/32 2001:db8::7/128"},
		{"sorted, IPv4 first", []string{"2001:db8::/32", "192.0.2.0/24", "10.0.0.0/8"}, "10.0.0.0/8 192.0.2.0/24 2001:db8::/32"},
		{"twice", []string{"10.0.0.0/8", "10.0.0.0/8"}, "10.0.0.0/8"},
		{"one within another", []string{"10.1.0.0/16", "10.0.0.0/8", "10.255.255.255"}, "10.0.0.0/8"},
		{"two halves", []string{"192.0.2.128/25", "192.0.2.0/25"}, "192.0.2.0/24"},
		{"four quarters", []string{"192.0.2.192/26", "192.0.2.0/26", "192.0.2.128/26", "192.0.2.64/26"}, "192.0.2.0/24"},
		{"neighbours that are no halves", []string{"192.0.3.0/24", "192.0.4.0/24"}, "192.0.3.0/24 192.0.4.0/24"},
		{"long spelling", []string{"2001:0DB8:0:0::/32"}, "2001:db8::/32"},
		{"none", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := networks.Parse(c.in)
			if err != nil || got.String() != c.want {
				t.Fatalf("%q, %v; want %q", got, err, c.want)
			}
			if c.in == nil {
				return
			}
			again, ok := networks.Read(got.Strings())
			if !ok || !slices.Equal(again, got) {
				t.Errorf("read back as %q, %v", again, ok)
			}
		})
	}
}

func TestWhatIsNoNetworkIsRefusedWithWhatToWrite(t *testing.T) {
	t.Parallel()
	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("10.0.%d.0/24", 2*i))
		}
		return list
	}
	if list, err := networks.Parse(many(networks.Max)); err != nil || len(list) != networks.Max {
		t.Errorf("%d networks: %v", networks.Max, err)
	}
	for _, c := range []struct {
		in   []string
		says string
	}{
		{[]string{}, "at least one network"},
		{[]string{""}, "no network"},
		{[]string{"garbage"}, "192.0.2.0/24"},
		{[]string{"10.0.0.0/33"}, "no network"},
		{[]string{"10.0.0.0/-1"}, "no network"},
		{[]string{"10.0.0.0/08"}, "no network"},
		{[]string{"10.0.0.0/"}, "no network"},
		{[]string{"10.0.0.0/8/8"}, "no network"},
		{[]string{"010.0.0.0/8"}, "no network"},
		{[]string{"10.0.0.0/255.0.0.0"}, "no network"},
		{[]string{" 10.0.0.0/8"}, "no network"},
		{[]string{"10.0.0.0/8 192.0.2.0/24"}, "no network"},
		{[]string{"[2001:db8::]/32"}, "no network"},
		{[]string{"10.0.0.5/8"}, "the network is 10.0.0.0/8, the single address 10.0.0.5"},
		{[]string{"2001:db8::1/32"}, "the network is 2001:db8::/32"},
		{[]string{"fe80::1%eth0"}, "zone"},
		{[]string{"fe80::%eth0/64"}, "zone"},
		{[]string{"::ffff:10.0.0.0/104"}, "write it as IPv4"},
		{[]string{"0.0.0.0/0"}, "leave the networks out"},
		{[]string{"10.0.0.0/8", "::/0"}, "leave the networks out"},
		{[]string{"0.0.0.0/1", "128.0.0.0/1"}, "leave the networks out"},
		{[]string{"::/1", "8000::/1"}, "leave the networks out"},
		{many(networks.Max + 1), "32 at most"},
	} {
		got, err := networks.Parse(c.in)
		if got != nil || !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "networks" || !strings.Contains(fault.Message(err), c.says) {
			t.Errorf("%.80q: %v, %v; want %q", c.in, got, err, c.says)
		}
	}
}

// What a token says has one spelling: no verifier may read another network than the next.
func TestATokensNetworksHaveOneSpelling(t *testing.T) {
	t.Parallel()
	if _, ok := networks.Read([]string{"10.0.0.0/8", "2001:db8::/32"}); !ok {
		t.Error("a good list was refused")
	}
	many := slices.Repeat([]string{"10.0.0.0/8"}, networks.Max+1)
	for _, list := range [][]string{
		nil,
		{},
		many,
		{""},
		{"10.0.0.0"},
		{"10.0.0.1/8"},
		{"0.0.0.0/0"},
		{"::/0"},
		{"::ffff:10.0.0.0/104"},
		{"2001:DB8::/32"},
		{"2001:db8:0::/32"},
		{"fe80::%1/64"},
		{"10.0.0.0/08"},
		{"10.0.0.0/255.0.0.0"},
		{"10.0.0.0/8", "x"},
	} {
		if got, ok := networks.Read(list); ok {
			t.Errorf("%q was read as %q", list, got)
		}
	}
}

func TestWhoIsInANetwork(t *testing.T) {
	t.Parallel()
	list, err := networks.Parse([]string{"10.0.0.0/8", "2001:db8::/32", "fe80::/10"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "11.0.0.0": false, "::ffff:11.0.0.0": false, "2001:db8:1::": true,
		"2001:db9::": false, "fe80::1%eth0": true, "::10.1.2.3": false,
	} {
		if got := list.Contains(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if list.Contains(netip.Addr{}) || networks.List(nil).Contains(netip.MustParseAddr("10.0.0.1")) {
		t.Error("no address, or no network, was in one")
	}
}

func TestWhatTwoListsHaveInCommon(t *testing.T) {
	t.Parallel()
	parse := func(text string) networks.List {
		if text == "" {
			return nil
		}
		list, err := networks.Parse(strings.Fields(text))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, c := range []struct {
		a, b, want string
		none       bool
	}{
		{a: "", b: "", want: ""},
		{a: "10.0.0.0/8", b: "", want: "10.0.0.0/8"},
		{a: "10.0.0.0/8", b: "10.1.0.0/16 192.0.2.0/24", want: "10.1.0.0/16"},
		{a: "10.0.0.0/8 2001:db8::/32", b: "10.1.0.0/16 2001:db8:1::/48", want: "10.1.0.0/16 2001:db8:1::/48"},
		{a: "10.0.0.0/8", b: "192.0.2.0/24", none: true},
		{a: "10.0.0.0/8", b: "2001:db8::/32", none: true},
	} {
		for _, lists := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			got, ok := networks.Common(parse(lists[0]), parse(lists[1]))
			if got.String() != c.want || ok == c.none {
				t.Errorf("%q: %q, %v", lists, got, ok)
			}
		}
	}
	var wide, narrow []string // each half has one that covers what the other lists
	for i := range 20 {
		wide = append(wide, fmt.Sprintf("10.0.%d.0/24", 2*i))
		narrow = append(narrow, fmt.Sprintf("11.0.%d.0/24", 2*i))
	}
	if _, ok := networks.Common(parse(strings.Join(append(wide, "11.0.0.0/8"), " ")), parse(strings.Join(append(narrow, "10.0.0.0/8"), " "))); ok {
		t.Error("more than a list may have were in common")
	}
}

// Whatever is listed, the one form has the same addresses, and so has what two lists have
// in common.
func TestTheOneFormKeepsEveryAddress(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	some := func() (texts []string, has [256]bool) {
		for range 1 + random.IntN(12) {
			bits := 24 + 1 + random.IntN(8)
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(256))}), bits).Masked()
			texts = append(texts, p.String())
			for i := range has {
				has[i] = has[i] || p.Contains(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			}
		}
		return texts, has
	}
	for range 3000 {
		a, inA := some()
		b, inB := some()
		first, err := networks.Parse(a)
		second, err2 := networks.Parse(b)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		both, ok := networks.Common(first, second)
		for i := range 256 {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			if first.Contains(addr) != inA[i] {
				t.Fatalf("%q as %s: %s", a, first, addr)
			}
			if want := inA[i] && inB[i]; both.Contains(addr) != want || want && !ok {
				t.Fatalf("%s and %s as %s: %s", first, second, both, addr)
			}
		}
		for i, p := range first[1:] {
			if q := first[i]; q.Overlaps(p) || q.Bits() == p.Bits() && netip.PrefixFrom(q.Addr(), q.Bits()-1).Masked() == netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked() {
				t.Fatalf("%q has %s and %s", a, q, p)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "::ffff:1.2.3.4/99", "fe80::1%x/64", "1.2.3.4", "/", "::/0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := networks.Parse([]string{text})
		if (err == nil) != (len(list) == 1) {
			t.Fatalf("%q: %v, %v", text, list, err)
		}
		if err != nil {
			return
		}
		if again, ok := networks.Read(list.Strings()); !ok || !slices.Equal(again, list) {
			t.Fatalf("%q: %s is read as %s", text, list, again)
		}
	})
}
