package confirming

import (
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// Why a stream must end.
var (
	ErrBye  = errors.New("the verifier said goodbye")
	ErrLags = errors.New("the verifier confirms too late")
)

// Stream is one stream of a verifier that confirms. The room's mutex guards all but name,
// who and ended.
type Stream struct {
	room  *Room
	name  string
	who   Reader
	ended chan struct{} // closed when it must end
	why   error

	open       bool // it is being written to
	registered bool // revocations wait for it
	confirmed  revocation.Seq
	written    revocation.Seq // of the last heartbeat
	until      time.Duration  // when every lease from it has expired

	// A heartbeat that isn't confirmed, and when it was written. The first one, or after a
	// confirmation that left some unconfirmed the last one then.
	due   revocation.Seq
	dueAt time.Duration
}

// Name returns the name of the stream, by which it is confirmed.
func (s *Stream) Name() string { return s.name }

// Ended returns a channel that is closed when the stream must end.
func (s *Stream) Ended() <-chan struct{} { return s.ended }

// Why returns why it must end.
func (s *Stream) Why() error {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return s.why
}

// Write records that a heartbeat is about to be written: its sequence, and when the question
// started that made it true. It reports false when it must not be written.
func (s *Stream) Write(seq revocation.Seq, started time.Duration) bool {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Clock()
	if r.left || s.why != nil {
		return false
	}
	if !s.registered || now >= s.until {
		if seq < r.floor[s.who.kind()] {
			return false
		}
		s.registered, s.confirmed, s.due, s.until = true, seq, 0, 0
	}
	l := r.cfg.Staleness
	s.written, s.until = max(s.written, seq), max(s.until, started+l+l/1000)
	if seq > s.confirmed {
		if s.due == 0 {
			s.due, s.dueAt = seq, now
		}
		signal(r.expect)
	}
	return true
}

// confirm records a confirmation.
func (s *Stream) confirm(seq revocation.Seq) {
	s.confirmed = seq
	switch {
	case seq >= s.written:
		s.due = 0
	case seq >= s.due:
		s.due, s.dueAt = s.written, s.room.cfg.Clock()
	}
}

// lags reports whether it has been behind for too long.
func (s *Stream) lags(now time.Duration) bool {
	return s.open && s.registered && s.due != 0 && now-s.dueAt > lagLimit*s.room.cfg.Staleness
}

// quit ends the registration and the stream.
func (s *Stream) quit(why error) {
	s.registered = false
	s.end(why)
	s.drop()
}

// end has the stream end.
func (s *Stream) end(why error) {
	if s.why == nil {
		s.why = why
		close(s.ended)
	}
}

// drop forgets the stream when no lease rests on it.
func (s *Stream) drop() {
	if s.open || s.registered || s.room.streams[s.name] != s {
		return
	}
	delete(s.room.streams, s.name)
	if s.room.clients[s.who.Client]--; s.room.clients[s.who.Client] == 0 {
		delete(s.room.clients, s.who.Client)
	}
}

// Close records that nothing is written to the stream any more. Its registration goes on
// until its time.
func (s *Stream) Close() {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.open = false
	s.drop()
}
