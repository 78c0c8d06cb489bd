package confirming

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/revocation"
)

const (
	// Pace is the shortest time over which confirmations are spread, and between two writes of
	// what was confirmed.
	Pace = 20 * time.Millisecond
	// pacePerStream is what each stream adds to it.
	pacePerStream = 50 * time.Microsecond

	lagLimit    = 5 // times L: the stream of a verifier that is further behind is ended
	refusedFor  = time.Minute
	maxRefusals = 10_000
	// defaultPerClient is the limit for the registrations of one client, those of streams that
	// have ended included.
	defaultPerClient = 16_384
	retryAfter       = 2 * time.Second
)

// Config configures a room. All but Store, PerClient and Log must be set.
type Config struct {
	Node      string        // as on the list of nodes
	Staleness time.Duration // L
	Clock     func() time.Duration
	// Publish writes to the list of nodes what Outside returns: Follower.ConfirmAgain.
	Publish   func(context.Context) error
	Store     contract.Confirmations // by which nodes pass on; nil: this is the only one
	PerClient int                    // registrations of one client; 0: 16,384
	Log       *slog.Logger           // nil: nothing is logged
}

// Room has the registrations of one node. It is safe for use by many goroutines.
type Room struct {
	cfg    Config
	wake   chan struct{} // something was confirmed or ended
	expect chan struct{} // somebody is behind: confirmations may be passed on to this node
	passer passer

	mu      sync.Mutex
	streams map[string]*Stream
	clients map[string]int
	refused map[Reader]refusal
	floor   [2]revocation.Seq  // nobody registers at an earlier sequence; by kind
	applied revocation.Seq     // by the node, when it last confirmed
	written revocation.Outside // what Outside last returned
	wroteAt time.Duration
	left    bool // no heartbeat may be written
	counts  Counts
}

// Reader is a verifier that opens a stream. Two with the same Reader count as one.
type Reader struct {
	Client  string // that the token was issued to, or its subject
	Label   string
	Address string
	Edge    bool
}

// The kinds of reader, as an index.
const (
	service = iota
	edge
)

func (w Reader) kind() int {
	if w.Edge {
		return edge
	}
	return service
}

// New returns a room without registrations.
func New(cfg Config) (*Room, error) {
	if cfg.Node == "" || cfg.Staleness <= 0 || cfg.Clock == nil || cfg.Publish == nil {
		return nil, errors.New("confirming: node, staleness, clock and publish must be set")
	}
	if cfg.PerClient == 0 {
		cfg.PerClient = defaultPerClient
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Room{
		cfg: cfg, wake: make(chan struct{}, 1), expect: make(chan struct{}, 1), passer: newPasser(),
		streams: map[string]*Stream{}, clients: map[string]int{}, refused: map[Reader]refusal{},
	}, nil
}

// Node returns the name of this node.
func (r *Room) Node() string { return r.cfg.Node }

// PaceOf returns the time over which confirmations are spread with that many streams.
func PaceOf(streams int) time.Duration { return max(Pace, time.Duration(streams)*pacePerStream) }

// refusal is what is kept about a verifier whose stream was ended because it lagged.
type refusal struct {
	until time.Duration
	due   revocation.Seq // written to the stream, and not confirmed
}

// Open begins a stream of a verifier that has applied the log up to a sequence; -1: it
// begins with a snapshot. It doesn't register the verifier: the first Write does. The error is
// Limited for a verifier whose stream was ended a moment ago, and Unavailable if the client has
// too many streams.
func (r *Room) Open(who Reader, applied revocation.Seq) (*Stream, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Clock()
	if x, refused := r.refused[who]; refused && now < x.until && !x.neverArrived(applied) {
		return nil, fault.After(fault.Limited, x.until-now, "this verifier read the log and confirmed nothing for too long")
	}
	if r.clients[who.Client] >= r.cfg.PerClient {
		r.sweep(now)
	}
	if r.clients[who.Client] >= r.cfg.PerClient {
		return nil, fault.After(fault.Unavailable, retryAfter, "this client has the largest number of confirming streams that a node registers")
	}
	s := &Stream{room: r, name: rand.Text(), who: who, ended: make(chan struct{}), open: true}
	r.streams[s.name] = s
	r.clients[who.Client]++
	return s, nil
}

// Confirmation is what a verifier reports about a stream.
type Confirmation struct {
	Node, Stream string
	Client       string // who sent it
	Seq          revocation.Seq
	Bye          bool
}

// The refusals of a confirmation.
var (
	errUnknown = fault.New(fault.NotFound, "this client has no such stream at that node")
	errAhead   = fault.New(fault.Conflict, "seq is later than what was written to the stream").In("seq")
)

// Confirm takes a confirmation, or passes it on to the node that it is for. The error is
// NotFound, or Conflict for a sequence that was not written to the stream.
func (r *Room) Confirm(ctx context.Context, c Confirmation) error {
	var err error
	if c.Node == r.cfg.Node {
		err = r.take(c)
	} else {
		err = r.pass(ctx, c)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.counts.Refused++
	case c.Node != r.cfg.Node:
		r.counts.PassedOn++
	default:
		r.counts.Taken++
	}
	return err
}

// take applies a confirmation to one of this node's own streams.
func (r *Room) take(c Confirmation) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[c.Stream]
	if s == nil || s.who.Client != c.Client {
		return errUnknown
	}
	if c.Bye {
		s.quit(ErrBye)
		r.awake()
		return nil
	}
	if c.Seq > s.written {
		return errAhead
	}
	if c.Seq > s.confirmed {
		s.confirm(c.Seq)
		r.awake()
	}
	return nil
}

func (r *Room) awake() { signal(r.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// neverArrived reports whether a verifier that continues after a sequence can't have had what
// it didn't confirm: it was cut off.
func (x refusal) neverArrived(applied revocation.Seq) bool { return applied >= 0 && applied < x.due }

// sweep forgets registrations that have ended, and refusals that are over.
func (r *Room) sweep(now time.Duration) {
	for _, s := range r.streams {
		if s.registered && now >= s.until {
			s.registered = false
		}
		s.drop()
	}
	maps.DeleteFunc(r.refused, func(_ Reader, x refusal) bool { return now >= x.until })
}

// tally returns what is confirmed of that which the node has applied.
func (r *Room) tally(applied revocation.Seq) revocation.Outside {
	least := [2]revocation.Readers{{Seq: applied}, {Seq: applied}}
	for _, s := range r.streams {
		if !s.registered {
			continue
		}
		g := &least[s.who.kind()]
		g.Count++
		if s.confirmed < applied {
			g.Behind++
		}
		g.Seq = min(g.Seq, s.confirmed)
	}
	return revocation.Outside{Edges: least[edge], Verifiers: least[service]}
}

// Outside returns what the verifiers have confirmed, for the node's entry on the list. From
// then on no verifier can register at an earlier sequence. After the node leaves, no heartbeat
// may be written any more.
func (r *Room) Outside(applied revocation.Seq, leaves bool) revocation.Outside {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Clock()
	r.left = r.left || leaves
	r.sweep(now)
	o := r.tally(applied)
	r.floor[edge] = max(r.floor[edge], o.Edges.Seq)
	r.floor[service] = max(r.floor[service], o.Verifiers.Seq)
	r.applied, r.written, r.wroteAt = applied, o, now
	return o
}

// Counts count what a room did.
type Counts struct{ Taken, PassedOn, Refused, Ended uint64 }

// Status is how many verifiers are registered, and what the room did.
type Status struct {
	revocation.Outside
	Counts
}

// Status returns the state of the room.
func (r *Room) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(r.cfg.Clock())
	return Status{r.tally(r.applied), r.counts}
}
