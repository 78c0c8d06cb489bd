package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/verification"
)

const (
	workers     = 4
	users       = 5
	kept        = 40 // tokens that are worked with
	keptRevoked = 8  // that were revoked last
)

// timeout returns the timeout of a client: longer than any acknowledgement takes.
func (w *World) timeout() time.Duration { return 2*w.Staleness + 2*time.Second }

func subjects() []string {
	var all []string
	for i := range users {
		all = append(all, fmt.Sprintf("user%d", i))
	}
	return all
}

// work is what the workers share.
type work struct {
	mu      sync.Mutex
	serial  int
	tokens  []*clustertest.Token
	revoked []*clustertest.Token // with an acknowledgement, a moment ago
	moving  map[string]bool      // whose access is being changed
}

func (w *work) add(t *clustertest.Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens = append(w.tokens, t)
	if len(w.tokens) > kept {
		w.tokens = w.tokens[1:]
	}
}

func (w *work) some(c *chance) *clustertest.Token {
	w.mu.Lock()
	defer w.mu.Unlock()
	return oneOf(c, w.tokens)
}

func oneOf(c *chance, tokens []*clustertest.Token) *clustertest.Token {
	if len(tokens) == 0 {
		return nil
	}
	return tokens[c.index(len(tokens))]
}

// addRevoked records that a token was revoked: mistakes show there first.
func (w *work) addRevoked(t *clustertest.Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked = append(w.revoked, t)
	if len(w.revoked) > keptRevoked {
		w.revoked = w.revoked[1:]
	}
}

func (w *work) allRevoked() []*clustertest.Token {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.revoked)
}

func (w *work) someRevoked(c *chance) *clustertest.Token {
	w.mu.Lock()
	defer w.mu.Unlock()
	return oneOf(c, w.revoked)
}

func (w *work) name(kind string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	return fmt.Sprintf("%s %d", kind, w.serial)
}

// claim reserves a user's access for one who changes it.
func (w *work) claim(subject string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moving[subject] {
		return false
	}
	if w.moving == nil {
		w.moving = map[string]bool{}
	}
	w.moving[subject] = true
	return true
}

func (w *work) release(subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moving[subject] = false
}

// toil works until everything has been repaired for long enough.
func (w *World) toil(c *chance) {
	until := time.Now().Add(w.Length + w.calm())
	for time.Now().Before(until) {
		w.act(c)
		time.Sleep(c.upTo(w.Staleness / 4))
	}
}

func (w *World) act(c *chance) {
	n, t, wait := w.node(c), w.work.some(c), someWait(c)
	switch k := c.index(20); {
	case t == nil || k < 3:
		w.issueSome(c, n, nil)
	case k < 4:
		w.issueSome(c, n, t)
	case k < 7:
		for w.revoke(c, n, t, wait) && !c.oneIn(3) { // as it says: try again
			n, wait = w.node(c), someWait(c)
		}
		w.lookEverywhere(c, t)
	case k < 8:
		w.revokeAll(c, n, t.Subject, wait)
		w.look(c, t)
	case k < 9:
		for i := 0; i < 5 && t.Collection == 0; i++ {
			t = w.work.some(c)
		}
		w.moveUnderLooks(c, n, t, wait)
		w.lookEverywhere(c, t)
	default:
		if r := w.work.someRevoked(c); r != nil && c.oneIn(2) {
			t = r
		}
		w.look(c, t)
	}
}

// node returns some node, mostly one that isn't broken.
func (w *World) node(c *chance) *node {
	n := w.nodes[c.index(len(w.nodes))]
	if n.ill.Load() {
		n = w.nodes[c.index(len(w.nodes))]
	}
	for n.hidden.Load() { // of all nodes at most one is
		n = w.nodes[c.index(len(w.nodes))]
	}
	return n
}

// asked returns the nodes that are asked.
func (w *World) asked() []*node {
	return slices.DeleteFunc(slices.Clone(w.nodes), func(n *node) bool { return n.hidden.Load() })
}

func someWait(c *chance) revocation.Wait {
	return []revocation.Wait{revocation.WaitNone, revocation.WaitNodes, revocation.WaitAll, revocation.WaitAll}[c.index(4)]
}

// look verifies a token at some processes at once.
func (w *World) look(c *chance, t *clustertest.Token) {
	var all sync.WaitGroup
	for range 2 {
		n, v := w.node(c), w.verifiers[c.index(len(w.verifiers))]
		there, elsewhere := c.upTo(mostDelay), c.upTo(mostDelay)
		all.Go(func() { w.verifyAtNode(n, t, there) })
		all.Go(func() { w.verifyAtVerifier(v, t, elsewhere) })
	}
	all.Wait()
}

// moveUnderLooks changes the access of a token's user, mostly twice, while the token is
// verified again and again: what is read of the user is then often under way while the log
// changes.
func (w *World) moveUnderLooks(c *chance, n *node, t *clustertest.Token, wait revocation.Wait) {
	const times, within = 5, 20 * time.Millisecond
	var looking sync.WaitGroup
	for range times {
		own, pause := newChance(uint64(c.Below(1<<62)), t.Name), c.upTo(within) //nolint:gosec // not negative
		looking.Go(func() {
			time.Sleep(pause)
			w.lookAtNodes(own, t)
		})
	}
	if c.oneIn(2) {
		w.move(c, n, t.Subject, clustertest.Bind, revocation.WaitNone)
		w.move(c, n, t.Subject, clustertest.Unbind, revocation.WaitAll)
	} else {
		w.move(c, n, t.Subject, []clustertest.Kind{clustertest.Bind, clustertest.Unbind}[c.index(2)], wait)
	}
	looking.Wait()
}

// lookAtNodes verifies a token at every node at once.
func (w *World) lookAtNodes(c *chance, t *clustertest.Token) {
	var all sync.WaitGroup
	for _, n := range w.asked() {
		delay := c.upTo(mostDelay)
		all.Go(func() { w.verifyAtNode(n, t, delay) })
	}
	all.Wait()
}

// lookEverywhere verifies a token at every node and at many verifiers at once.
func (w *World) lookEverywhere(c *chance, t *clustertest.Token) {
	const many = 8
	var all sync.WaitGroup
	for _, n := range w.asked() {
		delay := c.upTo(mostDelay)
		all.Go(func() { w.verifyAtNode(n, t, delay) })
	}
	first := c.index(len(w.verifiers))
	for i := range min(many, len(w.verifiers)) {
		v, delay := w.verifiers[(first+i)%len(w.verifiers)], c.upTo(mostDelay)
		all.Go(func() { w.verifyAtVerifier(v, t, delay) })
	}
	all.Wait()
}

// do does something at a node, which the request reaches after a delay, and records it.
func (w *World) do(n *node, delay time.Duration, o clustertest.Op, f func(context.Context, *incarnation, *clustertest.Op) error) clustertest.Outcome {
	o.Node, o.Start = n.number, w.History.Now()
	i := n.now()
	ctx, cancel := context.WithTimeout(i.ctx, w.timeout())
	defer cancel()
	err := errConnection
	if sleep.For(ctx, delay) && i.awake(ctx) {
		err = f(ctx, i, &o)
	}
	i.awake(ctx)
	o.End = w.History.Now()
	o.Outcome, o.Reason = outcome(err)
	if i.crashed() {
		o.Outcome, o.Reason, o.Counts = clustertest.Unknown, "no answer", nil
	}
	if o.Kind == clustertest.Issue && o.Token != nil {
		if o.Outcome == clustertest.Yes {
			o.Token.From, o.Token.To = o.Start, o.End
			w.work.add(o.Token)
		} else {
			o.Token = nil
		}
	}
	w.History.Add(o)
	time.Sleep(time.Nanosecond) // what follows begins later, and not at the same instant
	return o.Outcome
}

// outcome reads an error of a node.
func outcome(err error) (clustertest.Outcome, string) {
	f, isFault := errors.AsType[*fault.Error](err)
	switch {
	case err == nil:
		return clustertest.Yes, ""
	case errors.Is(err, errNoAccess):
		return clustertest.No, err.Error()
	case errors.Is(err, errConnection), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return clustertest.Unknown, err.Error()
	case !isFault:
		return clustertest.Wrong, err.Error()
	case f.Kind == fault.InvalidToken || f.Kind == fault.InsufficientScope:
		return clustertest.No, f.Message
	case f.Kind == fault.Unavailable:
		return clustertest.Unavailable, err.Error()
	}
	return clustertest.Wrong, err.Error()
}

func (w *World) issueSome(c *chance, n *node, parent *clustertest.Token) {
	t := &clustertest.Token{Name: w.work.name("token"), Subject: subjects()[c.index(users)], Parent: parent}
	ask := want{opaque: c.oneIn(3), collection: c.oneIn(2)}
	if parent != nil {
		t.Subject = parent.Subject
		ask.collection = parent.Collection != 0
	}
	if ask.collection {
		t.Collection = collection
	}
	ask.subject = t.Subject
	w.do(n, c.upTo(mostDelay), clustertest.Op{Kind: clustertest.Issue, Subject: t.Subject, Collection: t.Collection, Parent: parent},
		func(ctx context.Context, i *incarnation, o *clustertest.Op) (err error) {
			if parent != nil {
				ask.asOf = i.follower.Applied()
				if ask.parent, err = i.verifier.Verify(ctx, parent.Value, verification.Requirements{}); err != nil {
					return err
				}
			}
			if !ask.opaque {
				t.KID = "shared"
			}
			if t.Value, t.ID, err = i.issue(ctx, ask); err == nil {
				o.Token = t
			}
			return err
		})
}

func (w *World) verifyAtNode(n *node, t *clustertest.Token, delay time.Duration) {
	w.do(n, delay, clustertest.Op{Kind: clustertest.Verify, Token: t}, func(ctx context.Context, i *incarnation, _ *clustertest.Op) error {
		_, err := i.verifier.Verify(ctx, t.Value, verification.Requirements{})
		return err
	})
}

// revoke revokes a token, and reports whether that should be tried again.
func (w *World) revoke(c *chance, n *node, t *clustertest.Token, wait revocation.Wait) (again bool) {
	outcome := w.do(n, c.upTo(mostDelay), waited(clustertest.Op{Kind: clustertest.Revoke, Token: t}, wait), func(ctx context.Context, i *incarnation, o *clustertest.Op) error {
		return acknowledged(o)(i.revoke(ctx, t.Value, wait))
	})
	if outcome == clustertest.Yes {
		w.work.addRevoked(t)
	}
	return outcome == clustertest.Unavailable || outcome == clustertest.Unknown
}

func (w *World) revokeAll(c *chance, n *node, subject string, wait revocation.Wait) {
	w.do(n, c.upTo(mostDelay), waited(clustertest.Op{Kind: clustertest.RevokeAll, Subject: subject}, wait), func(ctx context.Context, i *incarnation, o *clustertest.Op) error {
		return acknowledged(o)(i.journal.Revoke(ctx, i.journal.EndSubject(subject, "all tokens revoked"), wait))
	})
}

// move takes away a user's access to the collection, or grants it again.
func (w *World) move(c *chance, n *node, subject string, kind clustertest.Kind, wait revocation.Wait) {
	if !w.work.claim(subject) {
		return
	}
	defer w.work.release(subject)
	change := op.Op(op.RemoveBinding{ID: subject})
	if kind == clustertest.Bind {
		change = op.AddBinding{Binding: access.Binding{ID: subject}}
	}
	w.do(n, c.upTo(mostDelay), waited(clustertest.Op{Kind: kind, Subject: subject, Collection: collection}, wait), func(ctx context.Context, i *incarnation, o *clustertest.Op) error {
		return acknowledged(o)(i.journal.Revoke(ctx, op.Batch{
			Ops: []op.Op{change}, Log: []revocation.Entry{i.journal.CutOff(revocation.Access, subject)},
		}, wait))
	})
}

// waited records what an operation waits for.
func waited(o clustertest.Op, wait revocation.Wait) clustertest.Op {
	o.Wait, o.All = wait != revocation.WaitNone, wait == revocation.WaitAll
	return o
}

// acknowledged records the numbers of an acknowledgement.
func acknowledged(o *clustertest.Op) func(revocation.Receipt, error) error {
	return func(r revocation.Receipt, err error) error {
		if err == nil && r.Nodes != nil {
			o.Counts = &clustertest.Counts{Nodes: r.Nodes.Nodes, Confirmed: r.Nodes.Confirmed, Expired: r.Nodes.Expired}
			if v := r.Nodes.Verifiers; v != nil {
				o.Counts.Verifiers = &clustertest.VerifierCounts{Count: v.Count, Confirmed: v.Confirmed, Expired: v.Expired}
			}
		}
		return err
	}
}

func (w *World) verifyAtVerifier(v *verifier, t *clustertest.Token, delay time.Duration) {
	o := clustertest.Op{Kind: clustertest.Verify, Token: t, Node: v.number, Start: w.History.Now()}
	p, service := v.machine(), v.now()
	ctx, cancel := context.WithTimeout(p.ctx, w.timeout())
	defer cancel()
	if !sleep.For(ctx, delay) || !p.awake(ctx) {
		return // nobody asked it
	}
	o.Outcome, o.Reason = service.judge(ctx, t.Value)
	p.awake(ctx)
	o.End = w.History.Now()
	if p.crashed() {
		o.Outcome, o.Reason = clustertest.Unknown, "no answer"
	}
	w.History.Add(o)
}
