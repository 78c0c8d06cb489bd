package simulation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/verify"
)

const (
	workers     = 4
	users       = 5
	kept        = 40               // tokens that are worked with
	askPatience = 15 * time.Second // of a client
)

func subjects() []string {
	var all []string
	for i := range users {
		all = append(all, fmt.Sprintf("user%d", i))
	}
	return all
}

// work is what the workers share.
type work struct {
	mu     sync.Mutex
	serial int
	tokens []*clustertest.Token
	moving map[string]bool // whose access is being changed
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
	if len(w.tokens) == 0 {
		return nil
	}
	return w.tokens[c.index(len(w.tokens))]
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

// toil works until all has been whole for long enough.
func (w *World) toil(c *chance) {
	until := time.Now().Add(w.Length + w.calm())
	for time.Now().Before(until) {
		w.act(c)
		time.Sleep(c.upTo(w.Staleness / 4))
	}
}

func (w *World) act(c *chance) {
	n := w.nodes[c.index(len(w.nodes))]
	t := w.work.some(c)
	wait := !c.oneIn(4)
	switch k := c.index(20); {
	case t == nil || k < 3:
		w.issueSome(c, n, nil)
	case k < 4:
		w.issueSome(c, n, t)
	case k < 7:
		w.revoke(c, n, t, wait)
		w.lookEverywhere(c, t)
	case k < 8:
		w.revokeAll(c, n, t.Subject, wait)
		w.look(c, t)
	case k < 9:
		var looking sync.WaitGroup
		looking.Go(func() { w.lookEverywhere(newChance(uint64(c.Below(1<<62)), t.Name), t) }) //nolint:gosec // not negative
		w.move(c, n, t.Subject, wait)
		looking.Wait()
		w.lookEverywhere(c, t)
	default:
		w.look(c, t)
	}
}

// look verifies a token at some processes at once.
func (w *World) look(c *chance, t *clustertest.Token) {
	var all sync.WaitGroup
	for range 2 {
		n, v := w.nodes[c.index(len(w.nodes))], w.verifiers[c.index(len(w.verifiers))]
		there, elsewhere := c.upTo(mostDelay), c.upTo(mostDelay)
		all.Go(func() { w.verifyAtNode(n, t, there) })
		all.Go(func() { w.verifyAtVerifier(v, t, elsewhere) })
	}
	all.Wait()
}

// lookEverywhere verifies a token at every node at once, and at some verifiers.
func (w *World) lookEverywhere(c *chance, t *clustertest.Token) {
	var all sync.WaitGroup
	for _, n := range w.nodes {
		delay := c.upTo(mostDelay)
		all.Go(func() { w.verifyAtNode(n, t, delay) })
	}
	w.look(c, t)
	all.Wait()
}

// do does something at a node, which the request reaches after a delay, and records it.
func (w *World) do(n *node, delay time.Duration, o clustertest.Op, f func(context.Context, *incarnation, *clustertest.Op) error) {
	o.Node, o.Start = n.number, w.History.Now()
	i := n.now()
	ctx, cancel := context.WithTimeout(i.ctx, askPatience)
	defer cancel()
	err := errConnection
	if pause(ctx, delay) && i.awake(ctx) {
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

func (w *World) revoke(c *chance, n *node, t *clustertest.Token, wait bool) {
	w.do(n, c.upTo(mostDelay), clustertest.Op{Kind: clustertest.Revoke, Token: t, Wait: wait}, func(ctx context.Context, i *incarnation, o *clustertest.Op) error {
		return acknowledged(o)(i.revoke(ctx, t.Value, waitFor(wait)))
	})
}

func (w *World) revokeAll(c *chance, n *node, subject string, wait bool) {
	w.do(n, c.upTo(mostDelay), clustertest.Op{Kind: clustertest.RevokeAll, Subject: subject, Wait: wait}, func(ctx context.Context, i *incarnation, o *clustertest.Op) error {
		return acknowledged(o)(i.journal.Revoke(ctx, i.journal.EndSubject(subject, "all tokens revoked"), waitFor(wait)))
	})
}

// move takes away a user's access to the collection, or grants it again.
func (w *World) move(c *chance, n *node, subject string, wait bool) {
	if !w.work.claim(subject) {
		return
	}
	defer w.work.release(subject)
	kind, op := clustertest.Unbind, records.Op(records.RemoveBinding{ID: subject})
	if c.oneIn(2) {
		kind, op = clustertest.Bind, records.AddBinding{Binding: access.Binding{ID: subject}}
	}
	w.do(n, c.upTo(mostDelay), clustertest.Op{Kind: kind, Subject: subject, Collection: collection, Wait: wait}, func(ctx context.Context, i *incarnation, o *clustertest.Op) error {
		return acknowledged(o)(i.journal.Revoke(ctx, records.Batch{
			Ops: []records.Op{op}, Log: []revocation.Entry{i.journal.CutOff(revocation.Access, subject)},
		}, waitFor(wait)))
	})
}

func waitFor(wait bool) revocation.Wait {
	if wait {
		return revocation.WaitNodes
	}
	return revocation.WaitNone
}

// acknowledged notes the numbers of an acknowledgement.
func acknowledged(o *clustertest.Op) func(revocation.Receipt, error) error {
	return func(r revocation.Receipt, err error) error {
		if err == nil && r.Nodes != nil {
			o.Counts = &clustertest.Counts{Nodes: r.Nodes.Nodes, Confirmed: r.Nodes.Confirmed, Expired: r.Nodes.Expired}
		}
		return err
	}
}

func (w *World) verifyAtVerifier(v *verifier, t *clustertest.Token, delay time.Duration) {
	o := clustertest.Op{Kind: clustertest.Verify, Token: t, Node: v.number, Start: w.History.Now()}
	p, service := v.machine(), v.now()
	ctx, cancel := context.WithTimeout(p.ctx, askPatience)
	defer cancel()
	if !pause(ctx, delay) || !p.awake(ctx) {
		return // nobody asked it
	}
	_, err := service.Verify(ctx, t.Value)
	p.awake(ctx)
	o.End = w.History.Now()
	e, isError := errors.AsType[*verify.Error](err)
	switch {
	case p.crashed():
		o.Outcome, o.Reason = clustertest.Unknown, "no answer"
	case err == nil:
		o.Outcome = clustertest.Yes
	case isError && e.Status == http.StatusServiceUnavailable:
		o.Outcome, o.Reason = clustertest.Unavailable, e.Description
	case isError && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden):
		o.Outcome, o.Reason = clustertest.No, e.Description
	default:
		o.Outcome, o.Reason = clustertest.Wrong, err.Error()
	}
	w.History.Add(o)
}
