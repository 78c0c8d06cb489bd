package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/internal/store/engine"
)

// stuck are the commits that go on after their callers got the error that the store
// doesn't answer: a standby or the connection is silent. Each has a connection of the
// pool. The zero value is empty.
type stuck struct {
	mu     sync.Mutex // guards the fields below
	conns  map[*pgx.Conn]bool
	first  int           // of these, those of calls marked by first
	change chan struct{} // closed when one has ended; nil: nobody waits
	closed bool          // the store is closed, and so are their connections
}

// crowded reports whether a write must be refused, because too many are stuck. Those
// marked by first have a limit of their own.
func (s *stuck) crowded(ctx context.Context, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if engine.IsFirst(ctx) {
		return s.first >= most
	}
	return len(s.conns) >= most
}

// add keeps a commit until it has its outcome, and then releases its connection.
func (s *stuck) add(ctx context.Context, c *pgx.Conn, outcome <-chan error, release func()) {
	s.mu.Lock()
	if s.conns == nil {
		s.conns = map[*pgx.Conn]bool{}
	}
	s.conns[c] = true
	if engine.IsFirst(ctx) {
		s.first++
	}
	if s.closed {
		drop(c)
	}
	s.mu.Unlock()
	go func() {
		<-outcome //nolint:errcheck // nobody waits for it any more
		s.mu.Lock()
		delete(s.conns, c)
		if engine.IsFirst(ctx) {
			s.first--
		}
		if s.change != nil {
			close(s.change)
			s.change = nil
		}
		s.mu.Unlock()
		release()
	}()
}

// hangUp waits for the outcomes for the given time, and then closes the connections. The
// server isn't asked to stop: it goes on with its commits.
func (s *stuck) hangUp(after time.Duration) {
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		s.mu.Lock()
		if len(s.conns) == 0 {
			s.closed = true
			s.mu.Unlock()
			return
		}
		if s.change == nil {
			s.change = make(chan struct{})
		}
		change := s.change
		s.mu.Unlock()
		select {
		case <-change:
		case <-timer.C:
			s.mu.Lock()
			s.closed = true
			for c := range s.conns {
				drop(c)
			}
			s.mu.Unlock()
			return
		}
	}
}

// drop closes a connection that may be in use.
func drop(c *pgx.Conn) { _ = c.PgConn().Conn().Close() }
