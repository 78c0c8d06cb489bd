package feed

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/machine"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/verification"
)

// stream is one subscriber.
type stream struct {
	output
	cursor

	reader   *verification.Identity
	raw      string        // the token that it came with
	received time.Duration // when its request came, on the clock
	turning  *time.Timer   // for its turn among those who are woken together
	share    time.Duration // its turn, as a part of maxShare
	told     told          // by the last heartbeat

	confirms *confirming.Stream // nil: no revocation waits for it
	edge     bool               // it is that of an edge
}

// told is the content of a heartbeat.
type told struct {
	seq     revocation.Seq
	started time.Duration
}

// run writes until there is a reason to end, and returns it.
func (s *stream) run(ctx context.Context) error {
	end := s.received + s.life(ctx)
	if err := s.head(); err != nil {
		return err
	}
	for {
		news := s.Log.Watch()
		if err := s.turn(ctx); err != nil {
			return err
		}
		select {
		case <-news:
		case <-s.ended:
			return errStopping
		case <-s.mustEnd():
			return s.confirms.Why()
		case <-ctx.Done():
			return errLeft
		}
		if s.Clock() >= end {
			return errOld
		}
		if !s.spread(ctx) {
			return errLeft
		}
		if err := s.judge(ctx); err != nil {
			return err
		}
	}
}

// life is how long the stream goes on: a hundred times L at most. Within that two
// clocks that nobody can set, slewed by at most 500 millionths each, drift apart by no
// more than a tenth of L.
func (s *stream) life(ctx context.Context) time.Duration {
	longest := 100 * s.Staleness
	return longest - machine.Within(ctx, longest/8)
}

// Of n subscribers who are woken together, each waits up to n times this, so that the
// node's other work isn't delayed by all of them at once. Its part of that is drawn once.
const (
	spreading = 10 * time.Microsecond
	maxShare  = 1 << 16
)

// spread reports false when the client left meanwhile.
func (s *stream) spread(ctx context.Context) bool {
	window := min(time.Duration(s.Streams())*spreading, s.Staleness/8)
	if window < time.Millisecond {
		return true
	}
	if s.turning == nil {
		s.share = machine.Within(ctx, maxShare)
		s.turning = time.NewTimer(window * s.share / maxShare)
	} else {
		s.turning.Reset(window * s.share / maxShare)
	}
	select {
	case <-s.turning.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// judge judges the token again, by what this node knows. That of a user may need the
// store, when what users may do has changed; the streams don't all ask at once.
func (s *stream) judge(ctx context.Context) error {
	if err := s.judgeToken(ctx); err != nil {
		return fmt.Errorf("%w: %w", errToken, err)
	}
	return nil
}

func (s *stream) judgeToken(ctx context.Context) error {
	if !s.reader.Token.OfClient() {
		if err := s.ask(ctx); err != nil {
			return err
		}
		defer s.answered()
	}
	reader, err := s.Verifier.StillGood(ctx, s.reader, s.raw, verification.Requirements{})
	if err != nil {
		return err
	}
	s.reader = reader
	return mayRead(reader)
}

// head writes the header, and for clients that reconnect by themselves after how long
// they do: within the lease of the last heartbeat.
func (s *stream) head() error {
	// The limit of a body that came with the request would end the stream.
	_ = s.control.SetReadDeadline(time.Time{})
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	s.w.WriteHeader(http.StatusOK)
	retry := max(s.Staleness/4, time.Millisecond).Milliseconds()
	if err := s.write([]byte("retry: " + strconv.FormatInt(retry, 10) + "\n\n")); err != nil {
		return err
	}
	return s.greet()
}

// turn writes what there is to write, and returns the reason if the stream ends.
func (s *stream) turn(ctx context.Context) error {
	known, ok := s.Log.Known()
	for ok {
		stored, err := s.deliver(ctx)
		if err != nil {
			return err
		}
		if !stored {
			break
		}
		known, ok = s.Log.Known() // reading the store took its time
	}
	if !ok {
		return errRestarted
	}
	s.release()
	return s.beat(known)
}

// deliver writes all entries that follow, and reports whether it read the store.
func (s *stream) deliver(ctx context.Context) (stored bool, err error) {
	for {
		text, from, err := s.next(ctx)
		if err != nil || from == nowhere {
			return stored, err
		}
		stored = stored || from == fromStore
		if err := s.write(text); err != nil {
			return stored, err
		}
		if s.isEnded() {
			return stored, errStopping
		}
	}
}

// beat writes a heartbeat, unless the last one was the same or the node has no lease, and
// sends all that was written. What is known was known before the entries were looked for,
// so everything up to its sequence is written; and what isn't was committed later than
// its question.
func (s *stream) beat(known revocation.Known) error {
	s.seq = max(s.seq, known.Seq)
	now := told{s.seq, known.Started}
	if now == s.told || !s.Log.Fresh() || s.confirms != nil && !s.confirms.Write(now.seq, now.started) {
		return nil
	}
	purged := s.endSnapshot()
	s.told = now
	var room [160]byte
	if err := s.write(appendHeartbeat(room[:0], s.seq, floorMicros(known.Started-s.received), purged)); err != nil {
		return err
	}
	return s.flush()
}

// floorMicros rounds to the earlier microsecond: a client must not think that a question
// was later than it was.
func floorMicros(d time.Duration) int64 {
	n := d.Microseconds()
	if time.Duration(n)*time.Microsecond > d {
		n--
	}
	return n
}
