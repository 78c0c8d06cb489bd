package simulation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/issuerclient"
	"github.com/bearerd/bearerd/internal/verification"
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
	current service
	count   int
}

// service is what verifies in a process.
type service interface {
	// judge returns whether it accepts a token, or why not.
	judge(ctx context.Context, raw string) (clustertest.Outcome, string)
	isReady() bool
	Close()
}

// another is a service with the package verify.
type another struct{ *verify.Verifier }

func (a another) isReady() bool { return a.Health().Ready }

func (a another) judge(ctx context.Context, raw string) (clustertest.Outcome, string) {
	_, err := a.Verify(ctx, raw)
	e, isError := errors.AsType[*verify.Error](err)
	switch {
	case err == nil:
		return clustertest.Yes, ""
	case isError && e.Status == http.StatusServiceUnavailable:
		return clustertest.Unavailable, e.Description
	case isError && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden):
		return clustertest.No, e.Description
	}
	return clustertest.Wrong, err.Error()
}

// ownEdge is an edge of bearerd.
type ownEdge struct{ *issuerclient.Client }

func (e ownEdge) isReady() bool { return e.Health().Ready }

func (e ownEdge) judge(ctx context.Context, raw string) (clustertest.Outcome, string) {
	_, err := e.Decision().Verify(ctx, raw, verification.Requirements{})
	return outcome(err)
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
	p := newProcess(v.world.ctx, v.world.Seed, fmt.Sprintf("verifier %d.%d", v.number, v.count))
	v.process = p
	made, err := v.build(p)
	if err != nil {
		panic(err) // the simulation itself is wrong
	}
	v.current = made
}

const clientSecret = "s3cret"

// build puts the process together.
func (v *verifier) build(p *process) (service, error) {
	w, client := v.world, &http.Client{Transport: &transport{own: p, front: func() (*node, *line) { return v.front(p) }}}
	label, logger := fmt.Sprintf("verifier %d", v.number), w.logger(p.name)
	k := kindOf(v.number)
	if k == edge {
		e, err := issuerclient.New(p.ctx, issuerclient.Config{
			Issuer: issuer, Audience: issuer, ClientID: clientID, ClientSecret: clientSecret, SharedSecretFile: w.Secret, Confirm: label,
			Edge: &issuerclient.Edge{AddressOf: func(context.Context) netip.Addr { return netip.Addr{} }}, HTTPClient: client, Logger: logger,
		})
		if err != nil {
			return nil, err
		}
		e.Begin()
		return ownEdge{e}, nil
	}
	c := verify.Config{
		Issuer: issuer, Audience: issuer, ClientID: clientID, ClientSecret: clientSecret, StartRefusing: true,
		SharedSecretFile: w.Secret, HTTPClient: client, Logger: logger,
	}
	if k == confirms {
		c.Confirm = label
		c.MaxStaleness = 3 * w.Staleness // is of no use to one that confirms
	}
	made, err := verify.New(p.ctx, c)
	return another{made}, err
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

func (v *verifier) now() service {
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
