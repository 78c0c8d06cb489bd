package feed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/machine"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/verification"
)

// stream is one subscriber.
type stream struct {
	*Edge

	w        http.ResponseWriter
	control  *http.ResponseController
	reader   *verification.Identity
	raw      string        // the token that it came with
	received time.Duration // when its request came, on the clock
	lasting  bool          // a deadline for writing may stay while nothing is written
	until    time.Time     // the deadline; zero: there is none
	turning  *time.Timer   // for its turn among those who are woken together
	share    time.Duration // its turn, as a part of maxShare

	confirms *confirming.Stream // nil: no revocation waits for it
	edge     bool               // it is that of an edge
	place
	resumes bool      // it follows a sequence without a gap
	then    int64     // what has run out by then isn't in a snapshot; Unix seconds
	purged  time.Time // the latest time until which an entry that isn't in the snapshot mattered, as far as it was read
	told    told      // by the last heartbeat
	queued  bool      // it holds a place among those who read pages
	page    []byte    // of the store, read and not written yet
}

// told is the content of a heartbeat.
type told struct {
	seq     revocation.Seq
	started time.Duration
}

// begin finds the position of the subscriber, and reads the first page if that isn't in
// the tail: a failure is still reported by the answer's status.
func (s *stream) begin(ctx context.Context, from position) error {
	if s.isEnded() {
		return fault.After(fault.Unavailable, retryAfter, "the server stops")
	}
	epoch, purged := s.Tail.now()
	s.place = place{seq: from.after, epoch: epoch} // from no later log than what is read as known next
	known, err := s.reach(ctx, from.after)
	if err != nil {
		return err
	}
	s.resumes = from.resume
	if !from.resume {
		s.then = purged.Unix() // as the log has it, because clocks differ
	} else if from.after < known.Purged {
		return errPurged
	}
	if _, _, err := s.Tail.follows(s.place); !errors.Is(err, errBehind) {
		return nil
	}
	if !s.queue(ctx) {
		return fault.After(fault.Unavailable, retryAfter+machine.Within(ctx, retryAfter), "too many subscribers are catching up")
	}
	s.page, err = s.readPage(ctx)
	if err == nil || isGone(err) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "the revocation log can't be read now").Retry(retryAfter)
}

// reach returns what this node knows, once that includes a sequence: another node may
// have sent it to the subscriber already.
func (s *stream) reach(ctx context.Context, after revocation.Seq) (revocation.Known, error) {
	f := s.Log
	known, ok := f.Known()
	if ok && f.Fresh() && known.Seq < after {
		ctx, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		if err := f.CatchUp(ctx); err != nil {
			return known, fault.Wrap(err, fault.Unavailable, "the revocation log can't be read now").Retry(retryAfter)
		}
		known, ok = f.Known()
	}
	switch {
	case !ok || !f.Fresh():
		return known, fault.After(fault.Unavailable, time.Second, "this node can't reach the revocation log")
	case known.Seq < after:
		return known, errBeyond
	}
	return known, nil
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

// source is where a text came from.
type source int

const (
	nowhere source = iota // there is nothing more
	fromTail
	fromStore
)

// next returns the text of what follows, which may be empty, and moves on.
func (s *stream) next(ctx context.Context) ([]byte, source, error) {
	if s.page != nil {
		text := s.page
		s.page = nil
		return text, fromStore, nil
	}
	c, _, err := s.Tail.follows(s.place)
	switch {
	case errors.Is(err, errBehind) && s.queue(ctx):
		text, err := s.readPage(ctx)
		return text, fromStore, err
	case err != nil || c == nil:
		return nil, nowhere, err
	}
	text := c.events(s.seq, s.then)
	s.seq = c.last
	return text, fromTail, nil
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
	var purged time.Time
	if !s.resumes { // the snapshot ends
		_, until := s.Tail.now()
		s.notePurge(until)
		purged = s.purged
	}
	s.told, s.then, s.resumes = now, 0, true
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
