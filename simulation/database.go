package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
)

// state is what a server shows.
type state struct {
	entries      []revocation.Entry
	head, purged revocation.Seq
	purgedUntil  time.Time
	nodes        map[string]revocation.Confirmation
	passed       map[string][]upkeep.PassedConfirmation // by the node that they are for
	tokens       map[[32]byte]records.StoredToken
	access       map[string]bool // by subject: whether it has access to the collection
}

func (s *state) clone() *state {
	c := *s
	c.entries = slices.Clone(s.entries)
	c.nodes, c.tokens, c.access, c.passed = maps.Clone(s.nodes), maps.Clone(s.tokens), maps.Clone(s.access), maps.Clone(s.passed)
	return &c
}

// append adds entries to the log and returns the sequence of the last one.
func (s *state) append(entries []revocation.Entry) revocation.Seq {
	for _, e := range entries {
		s.head++
		e.Seq = s.head
		s.entries = append(s.entries, e)
	}
	return s.head
}

// page is an answer of the log.
func (s *state) page(after revocation.Seq, limit int) revocation.Page {
	from, _ := slices.BinarySearchFunc(s.entries, after+1, func(e revocation.Entry, seq revocation.Seq) int {
		return int(e.Seq - seq)
	})
	return revocation.Page{
		Entries: slices.Clone(s.entries[from:min(len(s.entries), from+limit)]),
		Head:    s.head, Purged: s.purged, PurgedUntil: s.purgedUntil,
	}
}

// server is one server of the database. Its log of changes is what it sends to its standby.
type server struct {
	origin string
	state  *state
	log    []func(*state) // of changes, in order
	shown  int            // how many of them its state has
	sent   int            // how many of them the standby has
	gone   bool           // nobody reaches it any more
	turn   chan struct{}  // a commit that writes holds it
}

func newServer(number int, s *state) *server {
	return &server{origin: fmt.Sprintf("timeline %d", number), state: s, turn: make(chan struct{}, 1)}
}

// database is a primary with a synchronous standby, or a primary alone, and after a failover
// the former primary, until it is fenced.
type database struct {
	mu      sync.Mutex
	primary *server
	standby *server // nil: commits wait for none
	former  *server // nil: there is none, or it was fenced
	silent  bool    // nothing reaches the standby
	servers int
	changed chan struct{} // closed and replaced when a wait may have ended
	cancels int           // how often an operator cancelled what waits for the standby
	news    func()        // called after entries were committed
	breaks  string        // which of the store's rules doesn't hold
}

// The rules of the store that a test breaks.
const (
	breaksReplication = "commits that don't wait for the standby"
	breaksWarning     = "a cancelled commit counts"
)

func newDatabase() *database {
	d := &database{changed: make(chan struct{}), news: func() {}}
	d.primary = newServer(1, &state{
		nodes: map[string]revocation.Confirmation{}, tokens: map[[32]byte]records.StoredToken{}, access: map[string]bool{},
		passed: map[string][]upkeep.PassedConfirmation{},
	})
	d.servers = 1
	d.attach()
	return d
}

// attach makes a standby from a copy of the primary.
func (d *database) attach() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.servers++
	d.standby = newServer(d.servers, d.primary.state.clone())
	d.primary.sent = d.primary.shown
}

// change wakes everything that waits for the database.
func (d *database) change() {
	close(d.changed)
	d.changed = make(chan struct{})
}

var (
	errConnection = errors.New("the connection to the server was lost")
	errWarned     = errors.New("canceling the wait for synchronous replication")
)

// read calls f with what a server shows.
func (d *database) read(s *server, f func(*state)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.gone {
		return errConnection
	}
	f(s.state)
	return nil
}

// commit carries out a change on a server, and returns when it is durable: when the standby
// has it. Others see it only then, or when an operator cancels that wait, which is an error.
// Nothing ends the wait but these and the loss of the server.
func (d *database) commit(ctx context.Context, s *server, c func(*state)) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.gone {
		return errConnection
	}
	s.log = append(s.log, c)
	cancels := d.cancels
	for d.waits(s) && cancels == d.cancels && !s.gone {
		changed := d.changed
		d.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		d.mu.Lock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if s.gone {
		return errConnection
	}
	warned := d.waits(s) && d.breaks != breaksReplication
	s.show()
	d.send()
	if warned && d.breaks != breaksWarning {
		return errWarned
	}
	return nil
}

// waits reports whether a commit on a server waits for a standby that doesn't answer.
func (d *database) waits(s *server) bool {
	if d.breaks == breaksReplication && s == d.primary {
		return false
	}
	return s != d.primary || d.standby != nil && d.silent
}

// show makes everything that was committed visible.
func (s *server) show() {
	for ; s.shown < len(s.log); s.shown++ {
		s.log[s.shown](s.state)
	}
}

// send brings the standby up to date.
func (d *database) send() {
	p := d.primary
	if d.standby == nil || d.silent {
		return
	}
	for ; p.sent < len(p.log); p.sent++ {
		p.log[p.sent](d.standby.state)
	}
}

// silence stops what reaches the standby.
func (d *database) silence() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = true
}

// speak connects the standby to the primary again: waiting transactions are committed.
func (d *database) speak() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = false
	d.primary.show()
	d.send()
	d.change()
}

// cancel cancels the wait for the standby: everybody sees on the primary what waited.
func (d *database) cancel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cancels++
	d.primary.show()
	d.change()
}

// raise is by how much the sequence goes up on a server that takes another one's place, as
// the store does with it.
const raise = 1 << 20

// promote makes the standby the primary. The former one goes on unless it is fenced.
func (d *database) promote(fenced bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	former := d.primary
	d.primary, d.standby, d.silent = d.standby, nil, false
	d.former = former
	d.primary.state.head += raise
	d.primary.state.purged = d.primary.state.head
	if fenced {
		d.dismiss()
	}
	d.change()
}

// fence ends the former primary.
func (d *database) fence() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.former != nil {
		d.dismiss()
	}
	d.change()
}

func (d *database) dismiss() {
	d.former.gone = true
	d.former = nil
}
