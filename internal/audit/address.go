package audit

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
)

// AddressKey returns a text that is in the order of the addresses: those of one network have
// keys between the two of AddressRange. It is empty for a text that is no address.
func AddressKey(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	family := "4"
	if addr.Is6() {
		family = "6"
	}
	return family + hex.EncodeToString(addr.AsSlice())
}

// AddressRange returns the first and the last key of an address, or of a network in CIDR
// notation; fault.Invalid for everything else.
func AddressRange(text string) (first, last string, err error) {
	if key := AddressKey(text); key != "" {
		return key, key, nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return "", "", fault.New(fault.Invalid, "an address is as 192.0.2.7, a network as 192.0.2.0/24 or 2001:db8::/32").In("address")
	}
	if network.Addr().Is4In6() {
		return "", "", fault.New(fault.Invalid, "write an IPv4 network as 192.0.2.0/24").In("address")
	}
	first = AddressKey(network.Masked().Addr().String())
	end := network.Masked().Addr().AsSlice()
	for bit := network.Bits(); bit < 8*len(end); bit++ {
		end[bit/8] |= 0x80 >> (bit % 8)
	}
	return first, first[:1] + hex.EncodeToString(end), nil
}

// within reports whether an address is the one that text names, or in the network.
func within(address, text string) bool {
	first, last, err := AddressRange(text)
	key := AddressKey(address)
	return err == nil && key != "" && strings.Compare(first, key) <= 0 && strings.Compare(key, last) <= 0
}
