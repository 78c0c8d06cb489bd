package clustertest

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Kind is the kind of an operation.
type Kind string

// The kinds.
const (
	Issue     Kind = "issue"
	Verify    Kind = "verify"
	Revoke    Kind = "revoke"     // a token, with everything made from it
	RevokeAll Kind = "revoke-all" // a subject's tokens
	Disable   Kind = "disable"    // a subject; it revokes what revoke-all does
	Enable    Kind = "enable"
	Unbind    Kind = "unbind" // a subject from a collection
	Bind      Kind = "bind"
	Rotate    Kind = "rotate" // the signing keys
	Retire    Kind = "retire" // a signing key
)

// voids reports whether the operation revokes tokens for ever.
func (k Kind) voids() bool { return k == Revoke || k == RevokeAll || k == Disable || k == Retire }

// Outcome is how an operation ended, as far as the client knows.
type Outcome string

// The outcomes. After Unavailable and Unknown the operation may have happened, or may
// still happen.
const (
	Yes         Outcome = "yes"         // 2xx
	No          Outcome = "no"          // 400, 401, 403
	Unavailable Outcome = "unavailable" // 503
	Unknown     Outcome = "unknown"     // no answer
	Wrong       Outcome = "wrong"       // a response that bearerd must never send
)

// Token is an issued token or a session.
type Token struct {
	Name       string // for people
	Value      string // never printed
	ID         string // public; "" when not known
	Subject    string
	KID        string        // id of the key that signed it; "" when opaque
	Collection int           // 0: none
	Parent     *Token        // what it was made from; it is revoked with that
	Maker      *Token        // what authorized making it; it may outlive that
	Expiry     time.Duration // it has not expired before; 0: never expires
	Gone       time.Duration // it has expired from then on; 0: never expires
	From, To   time.Duration // start and end of the operation that issued it
}

// lineage returns a token and everything it was made from.
func (t *Token) lineage() []*Token {
	var all []*Token
	for ; t != nil; t = t.Parent {
		all = append(all, t)
	}
	return all
}

// Op is one operation: from before the request was sent until after its response was
// read.
type Op struct {
	Kind       Kind
	Node       int
	Start, End time.Duration
	Outcome    Outcome
	Reason     string // stated by an error response
	Token      *Token // issued, verified or revoked
	Parent     *Token // what a token was asked to be made from
	Subject    string
	Collection int
	Key        string
	Wait       bool
	All        bool    // Wait for every verifier that confirms too
	Counts     *Counts // of the nodes, in the response; nil when it has none
}

// Counts are the numbers in the acknowledgement of a revocation: of nodes with their edges,
// and of services that confirm.
type Counts struct {
	Nodes, Confirmed, Expired int

	Verifiers *VerifierCounts // nil: it has none
	Seq       int64           // of the entry in the log
}

// VerifierCounts are the numbers of services that confirm.
type VerifierCounts struct{ Count, Confirmed, Expired int }

// String returns the numbers.
func (n Counts) String() string {
	text := fmt.Sprintf("%d nodes, %d confirmed, %d expired", n.Nodes, n.Confirmed, n.Expired)
	if v := n.Verifiers; v != nil {
		text += fmt.Sprintf("; %d verifiers, %d confirmed, %d expired", v.Count, v.Confirmed, v.Expired)
	}
	return text
}

// Fault is something that was broken: from before it was broken until after it was
// repaired.
type Fault struct {
	Kind     string
	Node     int // everyNode: all nodes
	From, To time.Duration
}

// formerPrimary is the Kind of a fault: the node is connected to a primary that was
// replaced and runs on.
const formerPrimary = "on the former primary"

// Lost is how the Kind of a fault begins in which nodes read what no standby has, and
// which ends with the loss of the primary: what was not acknowledged has not happened.
const Lost = "what the standby lacks is lost"

// everyNode is the Node of a fault that concerns all nodes.
const everyNode = -1

// forEver is later than any instant of a history.
const forEver = time.Duration(1<<63 - 1)

// History records operations and faults. It is safe for use by many goroutines. Its
// clock never goes back.
type History struct {
	begun time.Time

	mu     sync.Mutex
	ops    []Op
	faults []Fault
}

// NewHistory returns an empty history that begins now.
func NewHistory() *History { return &History{begun: time.Now()} }

// Now returns the time since the history began.
func (h *History) Now() time.Duration { return time.Since(h.begun) }

// Add records an operation.
func (h *History) Add(o Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, o)
}

// Break records that something is broken from now on. The function it returns records
// that it is repaired.
func (h *History) Break(kind string, node int) (repaired func()) {
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

// Ops returns the operations in the order of their starts.
func (h *History) Ops() []Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	ops := slices.Clone(h.ops)
	slices.SortStableFunc(ops, func(a, b Op) int { return int(a.Start - b.Start) })
	return ops
}

// Faults returns the faults in the order of their starts.
func (h *History) Faults() []Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.faults)
}

// When the harness itself gets no processor time for as long as stall, neither did the
// nodes, and that counts as a fault of the machine.
const stall = 250 * time.Millisecond

// WatchMachine records when the machine stands still, until stop is closed.
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

// HistoryOf returns a history of the given operations and faults.
func HistoryOf(ops []Op, faults []Fault) *History {
	return &History{begun: time.Now(), ops: ops, faults: faults}
}
