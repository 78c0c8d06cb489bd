package simulation

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/verify"
)

// kind is whether revocations wait for a verifier.
type kind int

const (
	confirms kind = iota // with wait=all
	edge                 // with wait=true too
	silent               // never
)

// kindOf returns the kind of a verifier: half of them confirm, a quarter are edges.
func kindOf(number int) kind {
	return []kind{confirms, edge, confirms, silent}[(number-clustertest.FollowerNode)%4]
}

// waits reports whether an acknowledgement waits for a verifier.
func waits(number int, all bool) bool {
	k := kindOf(number)
	return k == edge || k == confirms && all
}

// verifier is a service that verifies by itself: one process after another.
type verifier struct {
	world  *World
	number int     // in the history
	lines  []*line // to the nodes

	mu      sync.Mutex
	process *process
	current *verify.Verifier
	count   int
}

func newVerifier(w *World, i int) *verifier {
	v := &verifier{world: w, number: clustertest.FollowerNode + i}
	for n := range w.nodes {
		v.lines = append(v.lines, newLine(w.Seed, fmt.Sprintf("verifier %d to node %d", i, n)))
	}
	return v
}

// start starts a process.
func (v *verifier) start() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.count++
	v.process = newProcess(v.world.ctx, v.world.Seed, fmt.Sprintf("verifier %d.%d", v.number, v.count))
	p := v.process
	c := verify.Config{
		Issuer: issuer, Audience: issuer, ClientID: clientID, ClientSecret: "s3cret", StartRefusing: true, Logger: v.world.logger(p.name),
		SharedSecretFile: v.world.Secret, HTTPClient: &http.Client{Transport: &transport{own: p, front: func() (*node, *line) { return v.front(p) }}},
	}
	if k := kindOf(v.number); k != silent {
		c.Confirm, c.Edge = fmt.Sprintf("verifier %d", v.number), k == edge
		c.MaxStaleness = 3 * v.world.Staleness // is of no use to one that confirms
	}
	made, err := verify.New(p.ctx, c)
	if err != nil {
		panic(err) // the simulation itself is wrong
	}
	v.current = made
}

// front chooses a node that isn't known to be down, as a load balancer does.
func (v *verifier) front(p *process) (*node, *line) {
	var up []int
	for i, n := range v.world.nodes {
		w, _ := v.lines[i].weather()
		if !w.cut && !n.now().crashed() {
			up = append(up, i)
		}
	}
	if len(up) == 0 {
		return nil, nil
	}
	i := up[p.chance.index(len(up))]
	return v.world.nodes[i], v.lines[i]
}

func (v *verifier) now() *verify.Verifier {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.current
}

func (v *verifier) machine() *process {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.process
}

// setLines changes the weather of its lines to all nodes.
func (v *verifier) setLines(now weather) {
	for _, l := range v.lines {
		l.set(now)
	}
}

// leave ends the process in good order: it says goodbye.
func (v *verifier) leave() {
	v.now().Close()
	v.machine().crash()
}

// crash ends the process.
func (v *verifier) crash() {
	v.machine().crash()
	v.now().Close()
}
