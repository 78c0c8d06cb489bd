package httpkit

import (
	"net/http"
	"net/netip"

	"github.com/bearerd/bearerd/internal/networks"
)

// Proxies are the networks whose X-Forwarded-For and X-Request-Id are trusted. The
// zero value trusts none.
type Proxies networks.Proxies

// TrustsPeer reports whether the request came directly from a trusted proxy.
func (p Proxies) TrustsPeer(r *http.Request) bool { return p.Trusts(peer(r)) }

// Trusts reports whether addr belongs to a trusted proxy. An IPv4 address mapped into
// IPv6 counts as the IPv4 address.
func (p Proxies) Trusts(addr netip.Addr) bool { return networks.Proxies(p).Trusts(addr) }

// Client returns the address that a request came from, as [networks.Proxies.Client] finds
// it.
func (p Proxies) Client(r *http.Request) netip.Addr {
	return networks.Proxies(p).Client(r.RemoteAddr, r.Header["X-Forwarded-For"])
}

// peer returns the address at the other end of the connection.
func peer(r *http.Request) netip.Addr { return networks.Address(r.RemoteAddr) }
