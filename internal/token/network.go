package token

import (
	"net/netip"

	"github.com/bearerd/bearerd/internal/networks"
)

// JudgeNetwork decides whether a token that is limited to networks may be used from an
// address; the zero Addr is one that is not known. The error is the *Refusal of
// CheckNetwork.
func JudgeNetwork(limit networks.List, from netip.Addr) error {
	switch {
	case limit == nil || limit.Contains(from):
		return nil
	case !from.IsValid():
		return Refuse(CheckNetwork, reasonNoAddress)
	}
	return CheckNetwork.Refuse()
}
