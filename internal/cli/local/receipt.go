package local

import (
	"fmt"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/wiring"
)

// Acknowledgement is a receipt as JSON, with the members that the API has.
type Acknowledgement struct {
	Revoked   bool  `json:"revoked"`
	Seq       int64 `json:"seq"`
	Nodes     *int  `json:"nodes,omitempty"`
	Confirmed *int  `json:"confirmed,omitempty"`
	Expired   *int  `json:"expired,omitempty"`
	*revocation.Verifiers
}

// Acknowledged returns a receipt as JSON shows it.
func Acknowledged(r revocation.Receipt) Acknowledgement {
	a := Acknowledgement{Revoked: r.Revoked, Seq: r.Seq}
	if n := r.Nodes; n != nil {
		a.Nodes, a.Confirmed, a.Expired = &n.Nodes, &n.Confirmed, &n.Expired
		a.Verifiers = n.Verifiers
	}
	return a
}

// Reach returns in words how far a revocation has reached.
func Reach(i *wiring.Instance, r revocation.Receipt) string {
	text := reachOfNodes(i, r)
	if r.Nodes == nil || r.Nodes.Verifiers == nil {
		return text
	}
	switch v := r.Nodes.Verifiers; {
	case v.Expired > 0:
		text += fmt.Sprintf("; %d of %d services that confirm have, %d had no lease any more", v.Confirmed, v.Count, v.Expired)
	case v.Count > 0:
		text += fmt.Sprintf("; so have all services that confirm, %d", v.Count)
	}
	return text
}

func reachOfNodes(i *wiring.Instance, r revocation.Receipt) string {
	switch n := r.Nodes; {
	case n == nil:
		return fmt.Sprintf("every server refuses it within %s", i.Config.Revocation.MaxStaleness)
	case n.Nodes == 0:
		return "no server is running"
	case n.Expired > 0:
		return fmt.Sprintf("%d of %d servers have confirmed it, %d answer no more", n.Confirmed, n.Nodes, n.Expired)
	case n.Nodes == 1:
		return "the server has confirmed it"
	default:
		return fmt.Sprintf("all %d servers have confirmed it", n.Nodes)
	}
}
