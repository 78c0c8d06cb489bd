package simulation

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// weather is what is wrong with a line; the zero value is fair.
type weather struct {
	cut          bool          // what is sent fails
	holdAsk      bool          // it is held until the weather changes
	holdReply    bool          // or what comes back
	losesReplies bool          // what comes back is lost in half of all cases, after it was done
	slow         time.Duration // everything may take as much longer, each time another while
	slowFacts    time.Duration // what is read of tokens and users may
	former       bool          // it leads to the former primary while there is one
	both         bool          // it leads to either of the two
}

// line is what leads from one process to another, or to the database.
type line struct {
	chance  *chance
	mu      sync.Mutex
	now     weather
	changed chan struct{}
}

func newLine(seed uint64, name string) *line {
	return &line{chance: newChance(seed, "line "+name), changed: make(chan struct{})}
}

// set changes the weather.
func (l *line) set(w weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = w
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *line) weather() (weather, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now, l.changed
}

var (
	errCut  = errors.New("the line is cut")
	errLost = errors.New("the answer is lost")
)

// The delay of a line in fair weather, each way.
const (
	leastDelay = 50 * time.Microsecond
	mostDelay  = 2 * time.Millisecond
)

// delay is how long something takes to the other end.
func (l *line) delay(w weather) time.Duration {
	d := l.chance.between(leastDelay, mostDelay)
	if w.slow > 0 {
		d += l.chance.upTo(w.slow)
	}
	return d
}

// pass brings something to the other end, or back.
func (l *line) pass(ctx context.Context, back bool) error {
	w, changed := l.weather()
	for w.holdAsk && !back || w.holdReply && back {
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		w, changed = l.weather()
	}
	if !sleep.For(ctx, l.delay(w)) {
		return ctx.Err()
	}
	if w, _ = l.weather(); w.cut {
		return errCut
	}
	if back && w.losesReplies && l.chance.oneIn(2) {
		return errLost
	}
	return nil
}

// store is the database as one process reaches it.
type store struct {
	*line
	db  *database
	own *process
}

// server returns where the line leads now.
func (s *store) server() *server {
	w, _ := s.weather()
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if f := s.db.former; f != nil && (w.former || w.both && s.chance.oneIn(2)) {
		return f
	}
	return s.db.primary
}

// call does something at the server. An error is Unavailable.
func (s *store) call(ctx context.Context, origin string, do func(*server) error) error {
	err := func() error {
		if !s.own.awake(ctx) {
			return errConnection
		}
		if err := s.pass(ctx, false); err != nil {
			return err
		}
		at := s.server()
		if origin != "" && at.origin != origin {
			return errors.New("another server is reached")
		}
		err := do(at)
		if lost := s.pass(ctx, true); lost != nil {
			return lost
		}
		if !s.own.awake(ctx) {
			return errConnection
		}
		return err
	}()
	if err == nil || fault.Is(err, fault.NotFound) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "the store can't be reached").Retry(time.Second)
}

// writeTimeout is how long a request waits for a commit that goes on without it.
const writeTimeout = time.Second

// write commits a change. One that the caller doesn't wait for any more goes on.
func (s *store) write(ctx context.Context, origin string, c func(*state)) error {
	return s.call(ctx, origin, func(at *server) error {
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- s.db.commit(s.own.ctx, at, c) }()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func (s *store) read(ctx context.Context, origin string, f func(*server, *state)) error {
	return s.call(ctx, origin, func(at *server) error {
		return s.db.read(at, func(shown *state) { f(at, shown) })
	})
}

// facts is read for what is known of tokens and users.
func (s *store) facts(ctx context.Context, f func(*state)) error {
	err := s.read(ctx, "", func(_ *server, shown *state) { f(shown) })
	if w, _ := s.weather(); w.slowFacts > 0 {
		sleep.For(ctx, s.chance.upTo(w.slowFacts))
	}
	return err
}

// Entries implements revocation.Log.
func (s *store) Entries(ctx context.Context, after revocation.Seq, limit int) (p revocation.Page, err error) {
	err = s.read(ctx, "", func(at *server, shown *state) {
		p = shown.page(after, limit)
		p.Origin = at.origin
	})
	return p, err
}

// Confirm implements revocation.Log.
func (s *store) Confirm(ctx context.Context, c revocation.Confirmation) error {
	c.SeenAt = time.Now()
	return s.write(ctx, c.Origin, func(st *state) {
		if c.Lease <= 0 {
			delete(st.nodes, c.Node)
			return
		}
		st.nodes[c.Node] = c
	})
}

// Nodes implements journal.Store.
func (s *store) Nodes(ctx context.Context, origin string) (list []revocation.Confirmation, err error) {
	err = s.read(ctx, origin, func(_ *server, shown *state) {
		for _, c := range shown.nodes {
			list = append(list, c)
		}
	})
	slices.SortFunc(list, func(a, b revocation.Confirmation) int {
		if a.Node < b.Node {
			return -1
		}
		return 1
	})
	return list, err
}

// DropNode implements journal.Store.
func (s *store) DropNode(ctx context.Context, said revocation.Confirmation) error {
	return s.write(ctx, "", func(st *state) {
		if c := st.nodes[said.Node]; c.Seq == said.Seq && c.SeenAt.Equal(said.SeenAt) {
			delete(st.nodes, said.Node)
		}
	})
}

// Settle implements journal.Store.
func (s *store) Settle(ctx context.Context) (revocation.Seq, error) {
	var head atomic.Int64
	err := s.write(ctx, "", func(st *state) { head.CompareAndSwap(0, st.head) })
	return head.Load(), err
}

// Commit implements contract.Committer.
func (s *store) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	var seq atomic.Int64 // on the primary, where it is carried out first
	err := s.write(ctx, b.Origin, func(st *state) {
		for _, o := range b.Ops {
			carryOut(st, o)
		}
		if len(b.Log) > 0 && seq.CompareAndSwap(0, st.append(b.Log)) {
			s.db.news()
		}
	})
	return seq.Load(), err
}

// carryOut carries out the operations that the simulation has.
func carryOut(st *state, o op.Op) {
	switch o := o.(type) {
	case op.KillTokens:
		for digest, t := range st.tokens {
			if t.RevokedAt.IsZero() && (o.Owner == t.Owner || slices.Contains(o.IDs, t.ID) || slices.ContainsFunc(o.IDs, func(id string) bool {
				return slices.Contains(t.Chain, id)
			})) {
				t.RevokedAt, t.Reason = o.At, o.Reason
				st.tokens[digest] = t
			}
		}
	case op.AddToken:
		st.tokens[o.Token.Digest] = o.Token
	case op.AddBinding:
		st.access[o.Binding.ID] = true
	case op.RemoveBinding:
		st.access[o.ID] = false
	}
}

// LogEntry returns the newest entry about an id.
func (s *store) LogEntry(ctx context.Context, what revocation.What, id string) (e revocation.Entry, found bool, err error) {
	err = s.read(ctx, "", func(_ *server, shown *state) {
		for i := len(shown.entries) - 1; i >= 0 && !found; i-- {
			if e = shown.entries[i]; e.What == what && e.ID == id {
				found = true
			}
		}
	})
	return e, found, err
}

// collection is the one that tokens are for.
const collection = 4

// Principal implements the store of the node's source. A binding's id is its user's.
func (s *store) Principal(ctx context.Context, who records.Who) (p records.Principal, err error) {
	err = s.facts(ctx, func(shown *state) { p = principal(shown, who) })
	return p, err
}

func principal(shown *state, who records.Who) records.Principal {
	p := records.Principal{CollectionExists: true, Seq: shown.head}
	if who.ClientID != "" {
		p.Client = &identity.Client{ID: who.ClientID}
		return p
	}
	p.User = &identity.User{ID: who.UserID, Username: who.UserID}
	if shown.access[who.UserID] {
		p.Grants = []access.Grant{{Action: "*", Path: access.CollectionPath(collection)}}
	}
	return p
}

// TokenByDigest implements the store of the node's source.
func (s *store) TokenByDigest(ctx context.Context, digest [32]byte) (t records.StoredToken, seq revocation.Seq, err error) {
	found := false
	err = s.facts(ctx, func(shown *state) {
		t, found = shown.tokens[digest]
		seq = shown.head
	})
	if err == nil && !found {
		err = records.ErrNoToken
	}
	return t, seq, err
}

// ImportedTokens implements the store of the node's source: there are none.
func (s *store) ImportedTokens(context.Context, [][]byte) ([]records.StoredToken, revocation.Seq, error) {
	return nil, 0, records.ErrNoToken
}
