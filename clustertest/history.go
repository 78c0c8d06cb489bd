package clustertest

import (
	"slices"
	"sync"
	"time"
)

// Kind is what was asked of a node.
type Kind string

// The operations that a history knows.
const (
	Issue     Kind = "issue"
	Verify    Kind = "verify"
	Kill      Kind = "kill"       // of a token, with all that was made from it
	RevokeAll Kind = "revoke-all" // of a subject
	Disable   Kind = "disable"    // of a subject: it voids what revoke-all does
	Enable    Kind = "enable"
	Unbind    Kind = "unbind" // a subject from a collection
	Bind      Kind = "bind"
	Rotate    Kind = "rotate" // the signing keys
	Retire    Kind = "retire" // of a signing key
)

// voids reports whether what it concerns is dead for ever.
func (k Kind) voids() bool { return k == Kill || k == RevokeAll || k == Disable || k == Retire }

// Outcome is how an operation ended, as far as its client knows.
type Outcome string

// The outcomes. What is unavailable or unknown may have happened all the same, and
// may still happen.
const (
	Yes         Outcome = "yes"         // 2xx
	No          Outcome = "no"          // 400, 401, 403
	Unavailable Outcome = "unavailable" // 503
	Unknown     Outcome = "unknown"     // no answer
	Wrong       Outcome = "wrong"       // an answer that nothing may give
)

// Token is one that was issued, or a session.
type Token struct {
	Name       string // for people
	Value      string // never printed
	ID         string // public; "" where it wasn't told
	Subject    string
	KID        string        // of the key that signed it; "" when opaque
	Collection int           // 0: none
	Parent     *Token        // what it was made from, and dies with
	Maker      *Token        // what it was made with, and may outlive
	Expiry     time.Duration // before then it has not expired; 0: never
	Gone       time.Duration // from then on it has; 0: never
	From, To   time.Duration // of the operation that issued it
}

// lineage gives a token and all that it was made from.
func (t *Token) lineage() []*Token {
	var all []*Token
	for ; t != nil; t = t.Parent {
		all = append(all, t)
	}
	return all
}

// Op is one thing that was asked, from before the request was sent to after its
// answer was read.
type Op struct {
	Kind       Kind
	Node       int
	Start, End time.Duration
	Outcome    Outcome
	Reason     string // what an answer that isn't yes says
	Token      *Token // issued, verified or killed
	Parent     *Token // what a token was to be made from
	Subject    string
	Collection int
	Key        string
	Wait       bool
	Told       *Told // what the answer says of the nodes
}

// Told is what the acknowledgement of a revocation says.
type Told struct{ Nodes, Confirmed, Expired int }

// Fault is something that was broken. The instants are those before it was broken
// and after it was mended.
type Fault struct {
	Kind     string
	Node     int // everyNode: all of them
	From, To time.Duration
}

// everyNode stands for all nodes, in a fault.
const everyNode = -1

// forEver is later than any instant of a history.
const forEver = time.Duration(1<<63 - 1)

// History is what was asked and what was broken. It is safe for use by many
// goroutines; its clock is the harness's own and never goes back.
type History struct {
	begun time.Time

	mu     sync.Mutex
	ops    []Op
	faults []Fault
}

// NewHistory makes an empty one that begins now.
func NewHistory() *History { return &History{begun: time.Now()} }

// Now is the time since it began.
func (h *History) Now() time.Duration { return time.Since(h.begun) }

// Add writes an operation down.
func (h *History) Add(o Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, o)
}

// Break writes down that something is broken from now on, and gives what writes
// down that it is mended.
func (h *History) Break(kind string, node int) (mended func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.faults)
	h.faults = append(h.faults, Fault{kind, node, h.Now(), forEver})
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.faults[i].To = h.Now()
	}
}

// Ops gives the operations in the order of their starts.
func (h *History) Ops() []Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	ops := slices.Clone(h.ops)
	slices.SortStableFunc(ops, func(a, b Op) int { return int(a.Start - b.Start) })
	return ops
}

// Faults gives the faults in the order in which they began.
func (h *History) Faults() []Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.faults)
}

// stall is for how long the harness itself must have stood still for it to count
// as a fault of the machine, which then stood still for the nodes too.
const stall = 250 * time.Millisecond

// WatchMachine writes down when the machine stands still, until stop is closed.
func (h *History) WatchMachine(stop <-chan struct{}) {
	const often = 10 * time.Millisecond
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for last := h.Now(); ; {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := h.Now()
		if now-last > stall {
			h.mu.Lock()
			h.faults = append(h.faults, Fault{"the machine stood still", everyNode, last, now})
			h.mu.Unlock()
		}
		last = now
	}
}

// HistoryOf gives a history that was made by hand.
func HistoryOf(ops []Op, faults []Fault) *History {
	return &History{begun: time.Now(), ops: ops, faults: faults}
}
