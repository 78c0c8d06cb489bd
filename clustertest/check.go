package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Promise is what a history is checked against.
type Promise struct {
	Staleness time.Duration // L
	Nodes     int           // how many run at most
}

// recovery is how long after a fault a node may go on saying that it can't tell,
// beside L.
const recovery = time.Second

// Violation is one thing that must not be.
type Violation struct {
	Rule string
	Op   Op
	Why  string
}

// String says it in one line, without secrets.
func (v Violation) String() string { return fmt.Sprintf("%s: %v: %s", v.Rule, v.Op, v.Why) }

// The rules.
const (
	RuleTakenBack = "accepted although it was taken back"
	RuleRevived   = "came back to life"
	RuleRefused   = "refused without a cause"
	RuleSilent    = "no answer without a fault"
	RuleTold      = "the acknowledgement makes no sense"
	RuleWrong     = "an answer that nothing may give"
)

// Check gives what in a history must not be, in the order of the operations:
//
//   - no yes to a token that a revocation concerns, for a verify that began after
//     its acknowledgement; without wait that holds at once for the node that
//     acknowledged, and for every other from L after;
//   - no yes after a final no, at the same node at once and at every other from L
//     after;
//   - no refusal of what nothing concerned; but a token may be unknown while a key is
//     replaced, and until that is acknowledged;
//   - no unavailability but during a fault and until L and a second after;
//   - no acknowledgement that counts nodes which aren't there.
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
	voids   map[string][]*Op // kills by value, the others by what they name
	seats   map[string][]*Op // binds and unbinds, by subject and collection
	state   map[string][]*Op // disables and enables, by subject
	finals  map[*Token][]*Op // refusals for ever
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
	if o.Kind == Verify && o.Outcome == No && final(o.Reason) {
		c.finals[o.Token] = append(c.finals[o.Token], o)
	}
	if o.Outcome == No {
		return // it has not happened
	}
	switch o.Kind {
	case Kill:
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

func final(reason string) bool { return reason == "revoked" || reason == "expired" }

func seatOf(subject string, collection int) string { return fmt.Sprintf("%s@%d", subject, collection) }

func (c *checker) judge(o *Op) (rule, why string) {
	switch o.Outcome {
	case Unavailable, Unknown:
		if !c.disturbed(o) {
			return RuleSilent, "nothing was broken"
		}
	case Wrong:
		return RuleWrong, o.Reason
	case Yes:
		switch o.Kind { //nolint:exhaustive // to the others there is nothing to say
		case Verify:
			return c.judgeYes(o, o.Token)
		case Issue:
			if o.Parent != nil {
				return c.judgeYes(o, o.Parent)
			}
		case Kill:
			return c.judgeTold(o)
		}
	case No:
		return c.judgeNo(o)
	}
	return "", ""
}

// judgeYes judges that a token was accepted.
func (c *checker) judgeYes(o *Op, t *Token) (rule, why string) {
	if t.Gone > 0 && o.Start > t.Gone {
		return RuleRevived, fmt.Sprintf("it had expired at %v", t.Gone)
	}
	for v := range c.concerning(t) {
		if v.surely(t) && c.bound(v, o) {
			return RuleTakenBack, fmt.Sprintf("%s at node %d was acknowledged at %v (wait: %t)", v.Kind, v.Node, v.End, v.Wait)
		}
	}
	for _, no := range c.finals[t] {
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
			return RuleTakenBack, fmt.Sprintf("the collection was lost at node %d at %v", u.Node, u.End)
		}
	}
	return "", ""
}

// concerning gives what may have taken a token back.
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

// surely reports whether an act that concerns a token made it dead: always when it
// names the token, what that was made from, or its key, and else when one of those
// was issued before.
func (o *Op) surely(t *Token) bool {
	switch o.Kind { //nolint:exhaustive // the others name a subject
	case Kill:
		return true
	case Retire: // what was made from one of its tokens, another key has signed
		return t.KID == o.Key
	}
	return slices.ContainsFunc(t.lineage(), func(a *Token) bool { return a.Subject == o.Subject && a.To < o.Start })
}

// maybe reports whether it may have made a token dead before an instant. A token that
// was made with a dead one, at a node that had not heard of that yet, is dead too.
func (o *Op) maybe(t *Token, before time.Duration) bool {
	if o.Start >= before {
		return false
	}
	if o.Kind == Kill {
		return true
	}
	return slices.ContainsFunc(append(t.lineage(), t.Maker.lineage()...), func(a *Token) bool {
		return (a.Subject == o.Subject || o.Kind == Retire && a.KID == o.Key) && a.From < o.until()
	})
}

// until is when an act has happened at the latest: what was not acknowledged may
// still happen.
func (o *Op) until() time.Duration {
	if o.Outcome == Yes {
		return o.End
	}
	return forEver
}

// bound reports whether an operation must honour an act.
func (c *checker) bound(act, o *Op) bool {
	if act.Outcome != Yes {
		return false
	}
	from := act.End
	if !act.Wait && act.Node != o.Node {
		from += c.promise.Staleness
	}
	return o.Start > from
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
		if t.KID != "" && c.news(o) {
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

// news reports whether a token was called unknown while a key was replaced: a node that
// has not heard of that, and has looked for another key a moment ago, doesn't look.
func (c *checker) news(o *Op) bool {
	return strings.HasSuffix(o.Reason, "malformed or unknown token") && slices.ContainsFunc(c.keys, func(k *Op) bool {
		until := k.End
		if k.Outcome != Yes {
			until += c.promise.Staleness + recovery
		}
		return k.Start < o.End && o.Start < until
	})
}

// maybeIn reports whether something may have been in the state that one kind of act
// leads into and another out of. The way out may take L to be seen everywhere.
func (c *checker) maybeIn(acts []*Op, in, out Kind, o *Op) bool {
	return slices.ContainsFunc(acts, func(a *Op) bool {
		if a.Kind != in || a.Start >= o.End {
			return false
		}
		return !slices.ContainsFunc(acts, func(b *Op) bool {
			return b.Kind == out && b.Outcome == Yes && b.Start > a.until() && b.End+c.promise.Staleness < o.Start
		})
	})
}

// disturbed reports whether a fault can be the cause of what happened.
func (c *checker) disturbed(o *Op) bool {
	return slices.ContainsFunc(c.faults, func(f Fault) bool {
		until := f.To
		if until != forEver {
			until += c.promise.Staleness + recovery
		}
		return (f.Node == o.Node || f.Node == everyNode) && f.From < o.End && o.Start < until
	})
}

// judgeTold judges what an acknowledgement says of the nodes. With nothing broken
// anywhere, nobody is waited for in vain.
func (c *checker) judgeTold(o *Op) (rule, why string) {
	if !o.Wait {
		if o.Told != nil {
			return RuleTold, "nothing was waited for"
		}
		return "", ""
	}
	if o.Told == nil {
		return "", "" // this endpoint doesn't tell
	}
	n := *o.Told
	// Each broken node may have left a name on the list, of the process before.
	left, calm := 0, true
	for _, f := range c.faults {
		if f.From < o.End {
			left++
			calm = calm && f.To < o.Start-2*c.promise.Staleness-recovery
		}
	}
	switch why := fmt.Sprintf("%+v", n); {
	case n.Nodes < 1, n.Confirmed < 0, n.Expired < 0, n.Confirmed+n.Expired != n.Nodes, n.Nodes > c.promise.Nodes+left:
		return RuleTold, why
	case calm && (n.Expired > 0 || n.Confirmed != c.promise.Nodes):
		return RuleTold, why + " while nothing was broken"
	}
	return "", ""
}
