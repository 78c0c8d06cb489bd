package clustertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Workload is random work of users and administrators, and random faults. The same
// seed makes the same choices, but their timing differs from run to run.
type Workload struct {
	Seed    uint64
	Workers int // 0: 6
	Length  time.Duration
	Calm    bool // nothing is broken
}

// pool holds the tokens that the workers use.
type pool struct {
	mu       sync.Mutex
	tokens   []*Token
	sessions map[string]*Token
}

const poolSize = 60

func (p *pool) add(t *Token, random *rand.Rand) {
	if t == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tokens) < poolSize {
		p.tokens = append(p.tokens, t)
		return
	}
	p.tokens[random.IntN(poolSize)] = t
}

// one returns a random token that the filter accepts, nil when there is none.
func (p *pool) one(random *rand.Rand, filter func(*Token) bool) *Token {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range random.Perm(len(p.tokens)) {
		if t := p.tokens[i]; filter == nil || filter(t) {
			return t
		}
	}
	return nil
}

func (p *pool) remove(t *Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens = slices.DeleteFunc(p.tokens, func(a *Token) bool { return a == t })
}

// worker does one random thing after another.
type worker struct {
	*Cluster

	random *rand.Rand
	pool   *pool
}

// Work runs the workload and returns when everything is repaired again. The error is
// one of the harness.
func (c *Cluster) Work(w Workload) error {
	if w.Workers == 0 {
		w.Workers = 6
	}
	shared := &pool{sessions: map[string]*Token{}}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range w.Workers {
		own := &worker{c, rand.New(rand.NewPCG(w.Seed, uint64(i))), shared} //nolint:gosec // reproducible
		all.Go(func() {
			for !sleepUntil(stop, time.Duration(own.random.Int64N(int64(4*time.Millisecond)))) {
				own.act()
			}
		})
	}
	breakers := c.breakers()
	if w.Calm {
		breakers = nil
	}
	errs := make([]error, len(breakers))
	var breaking sync.WaitGroup
	for i, b := range breakers {
		random := rand.New(rand.NewPCG(w.Seed, 1<<32+uint64(i))) //nolint:gosec // reproducible
		breaking.Go(func() { errs[i] = c.breakAtRandom(random, b, stop) })
	}
	time.Sleep(w.Length)
	close(stop)
	breaking.Wait()
	all.Wait()
	return errors.Join(errs...)
}

// node returns a random node, mostly one that isn't broken: otherwise all workers
// would soon wait for broken nodes.
func (w *worker) node() *Node {
	n := w.Nodes[w.random.IntN(len(w.Nodes))]
	if n.broken.Load() && w.random.IntN(4) > 0 {
		n = w.Nodes[w.random.IntN(len(w.Nodes))]
	}
	return n
}

func (w *worker) user() string { return "user" + strconv.Itoa(w.random.IntN(Users)) }

func (w *worker) collection() int { return 4 + w.random.IntN(Collections) }

// act does one random thing.
func (w *worker) act() {
	switch p := w.random.IntN(1000); {
	case p < 780:
		t := w.pool.one(w.random, nil)
		if t != nil && w.random.IntN(4) == 0 {
			w.VerifyAtFollower(t)
		}
		if t != nil && w.random.IntN(2) == 0 {
			w.verifyOutside(t)
		}
		if t != nil && w.Verify(w.node(), t).Outcome == No && w.random.IntN(4) == 0 {
			w.pool.remove(t) // otherwise the pool would fill with revoked tokens
		}
	case p < 900:
		w.pool.add(w.newToken(), w.random)
	case p < 960:
		w.revoke()
	case p < 970:
		w.RevokeAll(w.node(), w.user(), w.random.IntN(2) == 0)
	case p < 976:
		user := w.user()
		if w.Disable(w.node(), user).Outcome != No {
			w.check(func(t *Token) bool { return t.Subject == user })
		}
		w.Enable(w.node(), user)
	case p < 994:
		w.rebind()
	case p < 997:
		w.Rotate(w.node())
	case p < 999:
		if t := w.pool.one(w.random, func(t *Token) bool { return t.KID != "" }); t != nil {
			w.Retire(w.node(), t.KID)
			w.check(func(other *Token) bool { return other.KID == t.KID })
		}
	default: // rare, because hashing a password is slow on purpose
		w.pool.add(w.PasswordToken(w.node(), w.user(), w.collection()), w.random)
	}
}

// check verifies a token at every node, right after something was revoked.
func (w *worker) check(which func(*Token) bool) {
	t := w.pool.one(w.random, which)
	if t == nil {
		return
	}
	for _, i := range w.random.Perm(len(w.Nodes)) {
		if n := w.Nodes[i]; !n.broken.Load() || w.random.IntN(2) == 0 {
			w.Verify(n, t)
		}
	}
	w.VerifyAtFollower(t)
	for range min(4, len(w.Edges)+len(w.Services)) {
		w.verifyOutside(t)
	}
}

// verifyOutside verifies a token at a random edge or service, rarely at one that is broken.
func (w *worker) verifyOutside(t *Token) {
	if len(w.Edges)+len(w.Services) == 0 {
		return
	}
	i := w.random.IntN(len(w.Edges) + len(w.Services))
	n := w.outside(i)
	if n.broken.Load() && w.random.IntN(4) > 0 {
		return
	}
	if i < len(w.Edges) {
		w.Verify(n, t)
	} else {
		w.VerifyAt(w.Services[i-len(w.Edges)], t)
	}
}

func (w *worker) revoke() {
	t := w.pool.one(w.random, nil)
	if t == nil {
		return
	}
	wait, byID := w.random.IntN(3) > 0, t.ID != "" && w.random.IntN(2) == 0
	everywhere := len(w.Services) > 0 && w.random.IntN(3) == 0
	for range 2 { // what was not acknowledged is asked for again
		var o Op
		switch n := w.node(); {
		case everywhere:
			o = w.RevokeEverywhere(n, t)
		case byID:
			o = w.RevokeByID(n, t, wait)
		default:
			o = w.Revoke(n, t, wait)
		}
		if o.Outcome == Yes || o.Outcome == No {
			break
		}
	}
	w.check(func(other *Token) bool { return other == t })
	w.check(func(other *Token) bool { return other.Parent == t })
	if w.random.IntN(2) == 0 { // otherwise it is presented again
		w.pool.remove(t)
	}
}

func (w *worker) rebind() {
	user, collection := w.user(), w.collection()
	w.Unbind(w.node(), user, collection)
	w.check(func(t *Token) bool { return t.Subject == user && t.Collection == collection })
	w.Bind(w.node(), user, collection)
}

// newToken returns a token of a random kind, nil when none was issued.
func (w *worker) newToken() *Token {
	switch w.random.IntN(6) {
	case 0:
		return w.ClientToken(w.node())
	case 1, 2:
		collection := 0
		if w.random.IntN(2) == 0 {
			collection = w.collection()
		}
		return w.bySession(func(s *Token) *Token { return w.APIToken(w.node(), s, collection) })
	case 3:
		return w.bySession(func(s *Token) *Token { return w.SessionToken(w.node(), s) })
	default:
		parent := w.pool.one(w.random, func(t *Token) bool { return t.Subject != clientID && len(t.lineage()) < 3 })
		if parent == nil {
			return nil
		}
		var lifetime time.Duration
		if parent.Expiry == 0 && w.random.IntN(3) == 0 {
			lifetime = 2 * time.Second
		}
		return w.Exchange(w.node(), parent, lifetime)
	}
}

// bySession calls do with a session of a random user. It signs in when there is no
// session, and forgets the session when do returns nil.
func (w *worker) bySession(do func(*Token) *Token) *Token {
	user := w.user()
	w.pool.mu.Lock()
	s := w.pool.sessions[user]
	w.pool.mu.Unlock()
	if s == nil {
		if s = w.Session(w.node(), user); s == nil {
			return nil
		}
		w.pool.mu.Lock()
		w.pool.sessions[user] = s
		w.pool.mu.Unlock()
	}
	t := do(s)
	if t == nil {
		w.pool.mu.Lock()
		delete(w.pool.sessions, user)
		w.pool.mu.Unlock()
	}
	return t
}

// Report returns the numbers of the history as text.
func (c *Cluster) Report() string {
	s := statsOf(c.History.Ops(), c.History.Faults())
	return fmt.Sprintf("%d operations, %d verifies (%d yes, %d no, %d unavailable, %d unanswered), %d revocations acknowledged, %d faults\n"+
		"from the request to revoke to the acknowledgement, with wait: median %v, p99 %v, worst %v\n"+
		"from the request to revoke to the last yes anywhere: worst %v with wait, %v without\n"+
		"seconds in which a node said 503: %d%s",
		s.ops, s.verifies, s.yes, s.no, s.unavailable, s.unknown, s.revocations, s.faults,
		s.median, s.p99, s.worst, s.lastWaited, s.lastUnwaited, s.silentSeconds, s.outside)
}
