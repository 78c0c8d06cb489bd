package simulation

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/verify"
)

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
	made, err := verify.New(p.ctx, verify.Config{
		Issuer: issuer, Audience: issuer, ClientID: clientID, ClientSecret: "s3cret", StartRefusing: true,
		SharedSecretFile: v.world.Secret, HTTPClient: &http.Client{Transport: &transport{own: p, front: func() (*node, *line) { return v.front(p) }}},
	})
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

// crash ends the process.
func (v *verifier) crash() {
	v.machine().crash()
	v.now().Close()
}
