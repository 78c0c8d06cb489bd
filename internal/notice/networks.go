package notice

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
)

// Use is one use of a token.
type Use struct {
	ID, Address string
	At          time.Time
}

// Networks records the networks that tokens are used from, by their last uses, when those
// are written. It keeps the networks that it has seen in memory, so that nearly all uses
// need no query.
type Networks struct {
	Store interface {
		KnownNetworks(ctx context.Context, places []upkeep.Place) ([]upkeep.Place, error)
	}
	Journal   contract.Committer
	Announcer *Announcer

	mu    sync.Mutex
	known [2]map[upkeep.Place]bool // the newer ones, and those from before
}

const (
	mostKnown      = 50_000 // of each of the two maps
	networksAtOnce = 50     // operations in one transaction
)

// Learn records the networks of uses, and announces those from which a token was not used
// before.
func (n *Networks) Learn(ctx context.Context, uses []Use) error {
	if !n.Announcer.Wanted(TokenNewNetwork) {
		return nil
	}
	var places []upkeep.Place
	at := map[upkeep.Place]Use{}
	for _, u := range uses {
		p := upkeep.Place{TokenID: u.ID, Network: networkOf(u.Address)}
		if p.Network != "" && !n.knows(p) {
			places = append(places, p)
			at[p] = u
		}
	}
	if len(places) == 0 {
		return nil
	}
	known, err := n.Store.KnownNetworks(ctx, places)
	if err != nil {
		return err
	}
	for _, p := range known {
		delete(at, p)
		n.learned(p)
	}
	return n.add(ctx, at)
}

// add stores networks that are new.
func (n *Networks) add(ctx context.Context, at map[upkeep.Place]Use) error {
	for len(at) > 0 {
		var ops []op.Op
		var places []upkeep.Place
		for p, u := range at {
			if len(ops) == networksAtOnce {
				break
			}
			delete(at, p)
			// The subject is found when it is sent.
			o, _, err := n.Announcer.announce(Fact{Event: TokenNewNetwork, Token: p.TokenID, Network: p.Network, Address: u.Address, At: u.At, By: ByUser})
			if err != nil {
				return err
			}
			ops = append(ops, op.SeeNetwork{Place: p, At: u.At, Notice: o})
			places = append(places, p)
		}
		if _, err := n.Journal.Commit(ctx, op.Batch{Ops: ops}); err != nil {
			return err
		}
		for _, p := range places {
			n.learned(p)
		}
	}
	return nil
}

func (n *Networks) knows(p upkeep.Place) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[0][p] || n.known[1][p]
}

func (n *Networks) learned(p upkeep.Place) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known[0] == nil || len(n.known[0]) == mostKnown {
		n.known = [2]map[upkeep.Place]bool{make(map[upkeep.Place]bool, 64), n.known[0]}
	}
	n.known[0][p] = true
}

// networkOf returns the network of an address: the /24 or, of IPv6, the /48. It is empty
// for a text that is not an address.
func networkOf(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
