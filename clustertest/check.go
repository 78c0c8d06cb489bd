package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Promise holds the parameters of the promise.
type Promise struct {
	Staleness time.Duration // L
	Nodes     int           // how many run at most at the same time
	// FollowerRecovery is how long after a fault, in addition to L, a follower may answer
	// 503; 0: as long as a node.
	FollowerRecovery time.Duration
	// Waits reports whether an acknowledgement waits for a follower, all being whether it
	// waits for all that confirm (wait=all). Nil: for none.
	Waits func(follower int, all bool) bool
	Edges int // followers that are counted among the nodes
	// Confirming is how many other followers confirm.
	Confirming int
}

// recovery is how long after a fault, in addition to L, a node may answer 503.
const recovery = time.Second

// Violation is an operation that violates a rule.
type Violation struct {
	Rule string
	Op   Op
	Why  string
}

// String returns the violation in one line, without secrets.
func (v Violation) String() string { return fmt.Sprintf("%s: %v: %s", v.Rule, v.Op, v.Why) }

// The rules.
const (
	RuleRevoked         = "accepted although it was revoked"
	RuleRevived         = "accepted after a final refusal"
	RuleRefused         = "refused without a cause"
	RuleSilent          = "no answer without a fault"
	RuleAcknowledgement = "the acknowledgement counts the wrong nodes"
	RuleWrong           = "a response that bearerd must never send"
)

// Check returns the violations in a history, in the order of the operations. The rules:
//
//   - No acceptance of a revoked token, when the verification began after the revocation
//     was acknowledged. Without wait this holds at once for the node that acknowledged,
//     and L later for every other node.
//   - No acceptance after a final refusal: at once at the same node, L later at every
//     other. A refusal that rests on what was lost with the primary is not final.
//   - No refusal without a cause. But a token may be unknown while a key is replaced,
//     until that is acknowledged.
//   - The same at a follower. If the acknowledgement didn't wait for it (Promise.Waits), a
//     revocation must be in force there L later.
//   - No 503 except during a fault and until L and a second after it.
//   - No acknowledgement that counts nodes, edges or services which don't exist, or that
//     counts one as silent while nothing is broken.
func Check(h *History, p Promise) []Violation {
	c := newChecker(h.Ops(), h.Faults(), p)
	var all []Violation
	for i := range c.ops {
		o := &c.ops[i]
		if rule, why := c.judge(o); rule != "" {
			all = append(all, Violation{rule, *o, why})
		}
	}
	return all
}

type checker struct {
	promise Promise
	ops     []Op
	faults  []Fault
	voids   map[string][]*Op // revocations by token, user, client or key
	seats   map[string][]*Op // binds and unbinds, by subject and collection
	state   map[string][]*Op // disables and enables, by subject
	finals  map[*Token][]*Op // final refusals
	keys    []*Op            // rotated and retired
}

func newChecker(ops []Op, faults []Fault, p Promise) *checker {
	c := &checker{
		promise: p, ops: ops, faults: faults,
		voids: map[string][]*Op{}, seats: map[string][]*Op{}, state: map[string][]*Op{}, finals: map[*Token][]*Op{},
	}
	for i := range ops {
		c.index(&ops[i])
	}
	return c
}

func (c *checker) index(o *Op) {
	if o.Kind == Verify && o.Outcome == No && final(o) {
		c.finals[o.Token] = append(c.finals[o.Token], o)
	}
	if o.Outcome == No {
		return // it did not happen
	}
	switch o.Kind {
	case Revoke:
		c.voids[o.Token.Name] = append(c.voids[o.Token.Name], o)
	case Retire:
		c.voids[o.Key] = append(c.voids[o.Key], o)
	case RevokeAll, Disable:
		c.voids[o.Subject] = append(c.voids[o.Subject], o)
	case Bind, Unbind:
		seat := seatOf(o.Subject, o.Collection)
		c.seats[seat] = append(c.seats[seat], o)
	case Issue, Verify, Rotate, Enable:
	}
	if o.Kind == Rotate || o.Kind == Retire {
		c.keys = append(c.keys, o)
	}
	if o.Kind == Disable || o.Kind == Enable {
		c.state[o.Subject] = append(c.state[o.Subject], o)
	}
}

// final reports whether a refusal can never become an acceptance.
func final(o *Op) bool {
	return (o.Reason == "revoked" || o.Reason == "expired") && !o.inactive(o.Token)
}

// inactive reports whether a refusal may rest on the issuer's answer that an opaque token is
// not active. A follower states a reason that it doesn't know: a lost collection may be the
// cause, or that the token isn't known where the follower asked.
func (o *Op) inactive(t *Token) bool { return o.byFollower() && t.KID == "" }

// disagreement is the reason for a refusal by a follower whose log is newer than the answer of
// the node that it asked. It occurs right after a change, until the follower asks again.
const disagreement = "the issuer's nodes don't agree yet"

// remembered returns for how long a follower remembers that a token wasn't active.
func (o *Op) remembered() time.Duration {
	if o.byFollower() {
		return 2*time.Second + recovery
	}
	return 0
}

// unknownReason is the end of the reason with which a node refuses a token that it doesn't know.
const unknownReason = "malformed or unknown token"

func seatOf(subject string, collection int) string { return fmt.Sprintf("%s@%d", subject, collection) }

func (c *checker) judge(o *Op) (rule, why string) {
	switch o.Outcome {
	case Unavailable, Unknown:
		if !c.disturbed(o) && (!o.byFollower() || o.Reason != disagreement) {
			return RuleSilent, "nothing was broken"
		}
	case Wrong:
		return RuleWrong, o.Reason
	case Yes:
		switch o.Kind { //nolint:exhaustive // the others have no rule
		case Verify:
			return c.judgeYes(o, o.Token)
		case Issue:
			if o.Parent != nil {
				return c.judgeYes(o, o.Parent)
			}
		case Revoke:
			return c.judgeAcknowledgement(o)
		}
	case No:
		return c.judgeNo(o)
	}
	return "", ""
}

// judgeYes judges the acceptance of a token.
func (c *checker) judgeYes(o *Op, t *Token) (rule, why string) {
	if t.Gone > 0 && o.Start > t.Gone {
		return RuleRevived, fmt.Sprintf("it had expired at %v", t.Gone)
	}
	for v := range c.concerning(t) {
		if v.surely(t) && c.bound(v, o) {
			return RuleRevoked, fmt.Sprintf("%s at node %d was acknowledged at %v (wait: %t)", v.Kind, v.Node, v.End, v.Wait)
		}
	}
	for _, no := range c.finals[t] {
		if c.mayBeLost(t, no) {
			continue
		}
		if no.End < o.Start && no.Node == o.Node || no.End+c.promise.Staleness < o.Start {
			return RuleRevived, fmt.Sprintf("node %d had refused it at %v: %s", no.Node, no.End, no.Reason)
		}
	}
	if t.Collection == 0 {
		return "", ""
	}
	seats := c.seats[seatOf(t.Subject, t.Collection)]
	for _, u := range seats {
		bindsAgain := func(b *Op) bool { return b.Kind == Bind && b.until() > u.Start && b.Start < o.End }
		if u.Kind == Unbind && c.bound(u, o) && !slices.ContainsFunc(seats, bindsAgain) {
			return RuleRevoked, fmt.Sprintf("the collection was lost at node %d at %v", u.Node, u.End)
		}
	}
	return "", ""
}

// mayBeLost reports whether a final refusal may rest on a revocation that was lost with the
// primary: no revocation of the token was acknowledged, so none needs to have survived.
func (c *checker) mayBeLost(t *Token, no *Op) bool {
	lost := false
	for v := range c.concerning(t) {
		if !v.maybe(t, no.End) {
			continue
		}
		if v.Outcome == Yes {
			return false
		}
		lost = lost || slices.ContainsFunc(c.faults, func(f Fault) bool {
			return strings.HasPrefix(f.Kind, Lost) && f.From < no.End && f.From < v.End+recovery && v.Start < f.To
		})
	}
	return lost
}

// concerning returns the operations that may have revoked a token.
func (c *checker) concerning(t *Token) func(func(*Op) bool) {
	return func(yield func(*Op) bool) {
		for _, a := range t.lineage() {
			for _, name := range []string{a.Name, a.Subject, a.KID} {
				for _, v := range c.voids[name] {
					if name != "" && !yield(v) {
						return
					}
				}
			}
		}
	}
}

// surely reports whether an operation that concerns a token revoked it: always when it
// names the token, an ancestor, or its key, and otherwise when the token or an ancestor
// was issued before.
func (o *Op) surely(t *Token) bool {
	switch o.Kind { //nolint:exhaustive // the others name a subject
	case Revoke:
		return true
	case Retire: // a token made from one of its tokens may be signed by another key
		return t.KID == o.Key
	}
	return slices.ContainsFunc(t.lineage(), func(a *Token) bool { return a.Subject == o.Subject && a.To < o.Start })
}

// maybe reports whether an operation may have revoked a token before an instant. A token
// that was created with a revoked one, at a node that did not know that yet, is revoked
// too.
func (o *Op) maybe(t *Token, before time.Duration) bool {
	if o.Start >= before {
		return false
	}
	if o.Kind == Revoke {
		return true
	}
	return slices.ContainsFunc(append(t.lineage(), t.Maker.lineage()...), func(a *Token) bool {
		return (a.Subject == o.Subject || o.Kind == Retire && a.KID == o.Key) && a.From < o.until()
	})
}

// until returns when an operation has happened at the latest. Without an
// acknowledgement it may still happen.
func (o *Op) until() time.Duration {
	if o.Outcome == Yes {
		return o.End
	}
	return forEver
}

// bound reports whether an operation must reflect a revocation.
func (c *checker) bound(act, o *Op) bool {
	if act.Outcome != Yes {
		return false
	}
	from := act.End
	if !c.waited(act, o) {
		from += c.promise.Staleness
	}
	return o.Start > from
}

// waited reports whether a revocation's acknowledgement waited for the node or follower of an
// operation. The node that acknowledges refuses at once.
func (c *checker) waited(act, o *Op) bool {
	if o.byFollower() {
		return act.Wait && c.promise.Waits != nil && c.promise.Waits(o.Node, act.All)
	}
	return act.Wait || act.Node == o.Node
}

// judgeNo judges a refusal.
func (c *checker) judgeNo(o *Op) (rule, why string) {
	t := o.Token
	if o.Kind == Issue {
		t = o.Parent
	}
	if t != nil {
		if t.Expiry > 0 && o.End >= t.Expiry {
			return "", ""
		}
		for v := range c.concerning(t) {
			if v.maybe(t, o.End) {
				return "", ""
			}
		}
		if t.KID != "" && c.keyUnknown(o) || c.notReplicated(t, o) {
			return "", ""
		}
	}
	subject, collection := o.Subject, o.Collection
	if t != nil {
		subject = t.Subject
		collection = max(collection, t.Collection)
	}
	lost := collection != 0 && c.maybeIn(c.seats[seatOf(subject, collection)], Unbind, Bind, o)
	disabled := o.Kind != Verify && c.maybeIn(c.state[subject], Disable, Enable, o)
	if lost || disabled || o.Kind != Verify && o.Kind != Issue {
		return "", ""
	}
	return RuleRefused, "nothing concerns it"
}

// keyUnknown reports whether a token was called unknown while a key was replaced: a node
// that does not know of it, and has looked for another key a moment ago, doesn't look
// again.
func (c *checker) keyUnknown(o *Op) bool {
	return strings.HasSuffix(o.Reason, unknownReason) && slices.ContainsFunc(c.keys, func(k *Op) bool {
		until := k.End
		if k.Outcome != Yes || o.byFollower() { // it reads the keys once a second
			until += c.promise.Staleness + recovery
		}
		return k.Start < o.End && o.Start < until
	})
}

// notReplicated reports whether a token was called unknown at a node on a former primary,
// which lacks what was issued since the promotion. A follower may have asked that node, and
// remembers the answer.
func (c *checker) notReplicated(t *Token, o *Op) bool {
	unknown := strings.HasSuffix(o.Reason, unknownReason) || o.inactive(t)
	return unknown && slices.ContainsFunc(c.faults, func(f Fault) bool {
		return f.Kind == formerPrimary && (f.Node == o.Node || o.byFollower()) && f.From < t.To && f.From < o.End && o.Start < f.To+o.remembered()
	})
}

// maybeIn reports whether something may have been in the state that one kind of
// operation enters and another leaves. Leaving may take L to be seen everywhere.
func (c *checker) maybeIn(acts []*Op, in, out Kind, o *Op) bool {
	return slices.ContainsFunc(acts, func(a *Op) bool {
		if a.Kind != in || a.Start >= o.End {
			return false
		}
		return !slices.ContainsFunc(acts, func(b *Op) bool {
			return b.Kind == out && b.Outcome == Yes && b.Start > a.until() && b.End+c.promise.Staleness+o.remembered() < o.Start
		})
	})
}

// recovery returns how long after a fault, in addition to L, there may be no answer.
func (c *checker) recovery(o *Op) time.Duration {
	if o.byFollower() {
		return max(recovery, c.promise.FollowerRecovery)
	}
	return recovery
}

// disturbed reports whether a fault can be the cause of an operation's outcome.
func (c *checker) disturbed(o *Op) bool {
	return slices.ContainsFunc(c.faults, func(f Fault) bool {
		until := f.To
		if until != forEver {
			until += c.promise.Staleness + c.recovery(o)
		}
		// A follower depends on whichever node it is connected to, and on no other follower.
		concerns := f.Node == o.Node || f.Node == everyNode || o.byFollower() && f.Node < FollowerNode
		return concerns && f.From < o.End && o.Start < until
	})
}

// allDropped reports whether every node may have been dropped from the list: while all were
// broken none of them confirmed.
func (c *checker) allDropped(o *Op) bool {
	return slices.ContainsFunc(c.faults, func(f Fault) bool {
		return f.Node == everyNode && f.From < o.End && (f.To == forEver || o.Start < f.To+c.promise.Staleness+recovery)
	})
}

// judgeAcknowledgement judges the numbers of nodes in an acknowledgement. While nothing
// is broken, every node confirms.
func (c *checker) judgeAcknowledgement(o *Op) (rule, why string) {
	if !o.Wait {
		if o.Counts != nil {
			return RuleAcknowledgement, "it counts nodes without wait"
		}
		return "", ""
	}
	if o.Counts == nil {
		return "", "" // this endpoint has no counts
	}
	// A node that broke may have left its former process on the list of nodes, with the
	// followers that read from it.
	left, calm := 0, true
	for _, f := range c.faults {
		if f.From < o.End {
			left++
			calm = calm && f.To < o.Start-2*c.promise.Staleness-c.longestRecovery()
		}
	}
	n := *o.Counts
	counts := []tally{{n.Nodes, n.Confirmed, n.Expired, c.promise.Nodes, c.promise.Edges}}
	if v := n.Verifiers; v != nil {
		counts = append(counts, tally{v.Count, v.Confirmed, v.Expired, 0, c.promise.Confirming})
	}
	why = n.String()
	switch {
	case o.All != (n.Verifiers != nil):
		return RuleAcknowledgement, fmt.Sprintf("%s, where all are waited for: %t", why, o.All)
	case n.Nodes < 1 && !c.allDropped(o):
		return RuleAcknowledgement, why
	}
	for _, t := range counts {
		if !t.possible(left) {
			return RuleAcknowledgement, why
		}
		if calm && !t.peaceful() {
			return RuleAcknowledgement, why + " while nothing was broken"
		}
	}
	return "", ""
}

// longestRecovery returns how long after a fault, in addition to L, a node or follower that
// acknowledgements wait for may still be missing.
func (c *checker) longestRecovery() time.Duration {
	if c.promise.Edges+c.promise.Confirming > 0 {
		return max(recovery, c.promise.FollowerRecovery)
	}
	return recovery
}

// tally has the numbers of an acknowledgement for one kind, nodes or followers, and how many of
// that kind exist.
type tally struct{ count, confirmed, expired, nodes, followers int }

// possible reports whether the numbers may be right if each of that many faults may have left
// an entry behind. A follower that connects again is counted twice until its goodbye arrives.
func (t tally) possible(left int) bool {
	most := t.nodes + 2*t.followers + left*(min(t.nodes, 1)+t.followers)
	return t.confirmed >= 0 && t.expired >= 0 && t.confirmed+t.expired == t.count && t.count <= most
}

// peaceful reports whether the numbers may be right while nothing is broken. A follower
// that moves to another node is missing for a moment.
func (t tally) peaceful() bool {
	return t.expired == 0 && t.confirmed >= t.nodes && t.confirmed <= t.nodes+2*t.followers
}
