package networks

import (
	"net/netip"
	"strings"
)

// maxHops is how many entries of X-Forwarded-For are read at most.
const maxHops = 32

// Proxies are the networks whose X-Forwarded-For is trusted. The zero value trusts none.
type Proxies []netip.Prefix

// Trusts reports whether addr belongs to a trusted proxy.
func (p Proxies) Trusts(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// Client returns the address that a request came from: the peer's, or where the peer is
// trusted the last untrusted one of the values of X-Forwarded-For. An entry that is no
// address stops the search at the proxy that sent it. The zero Addr means that the peer has
// no address, as on a Unix socket.
func (p Proxies) Client(peer string, forwarded []string) netip.Addr {
	client := Address(peer)
	if len(p) == 0 || !p.Trusts(client) {
		return client
	}
	// Several headers are one list, in their order (RFC 9110 §5.3).
	rest := strings.Join(forwarded, ",")
	for range maxHops {
		if rest == "" {
			return client
		}
		var entry string
		rest, entry = cutLast(rest)
		addr, ok := parseHop(entry)
		if !ok {
			return client
		}
		client = addr
		if !p.Trusts(client) {
			return client
		}
	}
	return client
}

// cutLast splits the last entry off a comma-separated list.
func cutLast(list string) (rest, last string) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list
	}
	return list[:i], list[i+1:]
}

// Address returns the address in the text of a connection's other end, with or without a
// port; zero for what has none.
func Address(peer string) netip.Addr {
	addr, _ := parseHop(peer)
	return addr
}

// parseHop reads an address with or without a port, IPv6 with or without brackets.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}
