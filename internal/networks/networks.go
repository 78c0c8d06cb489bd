// Package networks has the IP networks that a token may be limited to, and finds out which
// address a request comes from. An IPv4 address that is mapped into IPv6 counts as the IPv4
// address everywhere.
package networks

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
)

// Max is how many networks a List has at most.
const Max = 32

// List is the networks that a token may be used from, in canonical form: without host
// bits, each address in at most one of them, as few as possible, IPv4 first, then by
// address. The zero value limits nothing; any other list has networks, and is never
// changed.
type List []netip.Prefix

// Parse reads networks as people write them: in any order, overlapping, and a single
// address for a network of its own. Nil is the zero List. The error is fault.Invalid in
// the field networks, and says how to write the network that is wrong.
func Parse(texts []string) (List, error) {
	if texts == nil {
		return nil, nil
	}
	all := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		p, err := parseOne(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	list := canonical(all)
	switch {
	case len(list) == 0:
		return nil, invalid("name at least one network, or leave the networks out")
	case len(list) > Max:
		return nil, invalid("these are %d networks; a token has %d at most", len(list), Max)
	case list[0].Bits() == 0 || list[len(list)-1].Bits() == 0:
		return nil, invalid("together these networks are all addresses of their kind, which limits nothing: leave the networks out")
	}
	return list, nil
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, format, args...).In("networks")
}

// parseOne reads one network.
func parseOne(text string) (netip.Prefix, error) {
	unclear := invalid("%.64q is no network: write 192.0.2.0/24, 2001:db8::/32, or a single address", text)
	address, bits, slash := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return netip.Prefix{}, unclear
	case addr.Zone() != "":
		return netip.Prefix{}, invalid("%.64q has a zone, which means something on one machine only: leave out what follows %%", text)
	case addr.Is4In6():
		return netip.Prefix{}, invalid("%.64q is an IPv4 network written as IPv6: write it as IPv4", text)
	case !slash:
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(addr.String() + "/" + bits)
	switch masked := p.Masked(); {
	case err != nil:
		return netip.Prefix{}, unclear
	case p.Bits() == 0:
		return netip.Prefix{}, invalid("%.64q is all addresses, which limits nothing: leave the networks out", text)
	case p != masked:
		return netip.Prefix{}, invalid("%.64q has bits set beyond its /%d: the network is %s, the single address %s", text, p.Bits(), masked, addr)
	}
	return p, nil
}

// Read reads the networks of a token. It returns false for a list that no token has: an
// empty or too long one, or one with a network that isn't in canonical form.
func Read(texts []string) (List, bool) {
	if len(texts) == 0 || len(texts) > Max {
		return nil, false
	}
	list := make(List, len(texts))
	for i, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Bits() == 0 || p != p.Masked() || p.Addr().Is4In6() || p.String() != text {
			return nil, false
		}
		list[i] = p
	}
	return list, true
}

// canonical returns the canonical form of networks without host bits; nil for none.
func canonical(all []netip.Prefix) List {
	slices.SortFunc(all, func(a, b netip.Prefix) int { // a network comes before those within it
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	var list List
	for _, p := range all {
		if n := len(list); n > 0 && covers(list[n-1], p) {
			continue
		}
		list = append(list, p)
		for n := len(list); n > 1; n-- { // two halves are one network
			a, b := list[n-2], list[n-1]
			whole := netip.PrefixFrom(a.Addr(), a.Bits()-1)
			if a.Bits() != b.Bits() || a.Bits() == 0 || whole != whole.Masked() || !whole.Contains(b.Addr()) {
				break
			}
			list = append(list[:n-2], whole)
		}
	}
	return list
}

// covers reports whether all addresses of b are in a.
func covers(a, b netip.Prefix) bool { return a.Bits() <= b.Bits() && a.Contains(b.Addr()) }

// Common returns the networks that are in both lists, of which a zero one limits nothing.
// It reports false when there are none, or too many for a list.
func Common(a, b List) (List, bool) {
	switch {
	case a == nil:
		return b, true
	case b == nil:
		return a, true
	}
	var both []netip.Prefix
	for _, p := range a {
		for _, q := range b {
			switch {
			case covers(p, q):
				both = append(both, q)
			case covers(q, p):
				both = append(both, p)
			}
		}
	}
	list := canonical(both)
	if len(list) == 0 || len(list) > Max {
		return nil, false
	}
	return list, true
}

// Contains reports whether an address is in one of the networks. The zero Addr is in none.
func (l List) Contains(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range l {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Equal reports whether two lists have the same networks.
func (l List) Equal(m List) bool { return slices.Equal(l, m) }

// Strings returns the networks as text; nil for the zero List.
func (l List) Strings() []string {
	if l == nil {
		return nil
	}
	texts := make([]string, len(l))
	for i, p := range l {
		texts[i] = p.String()
	}
	return texts
}

// String returns the networks with spaces between them.
func (l List) String() string { return strings.Join(l.Strings(), " ") }
