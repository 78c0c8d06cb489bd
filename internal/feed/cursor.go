package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/machine"
	"github.com/bearerd/bearerd/internal/revocation"
)

// cursor is where one subscriber is in the log, and reads what follows: from the tail, or
// from the store where it is further behind.
type cursor struct {
	*Edge
	place

	then    int64     // what has run out by then isn't in a snapshot; Unix seconds
	purged  time.Time // the latest time until which an entry that isn't in the snapshot mattered, as far as it was read
	page    []byte    // of the store, read and not written yet
	resumes bool      // it follows a sequence without a gap
	queued  bool      // it holds a place among those who read pages
}

// begin finds the position of the subscriber, and reads the first page if that isn't in
// the tail: a failure is still reported by the answer's status.
func (c *cursor) begin(ctx context.Context, from position) error {
	if c.isEnded() {
		return fault.After(fault.Unavailable, retryAfter, "the server stops")
	}
	epoch, purged := c.Tail.now()
	c.place = place{seq: from.after, epoch: epoch} // from no later log than what is read as known next
	known, err := c.reach(ctx, from.after)
	if err != nil {
		return err
	}
	c.resumes = from.resume
	if !from.resume {
		c.then = purged.Unix() // as the log has it, because clocks differ
	} else if from.after < known.Purged {
		return errPurged
	}
	if _, _, err := c.Tail.follows(c.place); !errors.Is(err, errBehind) {
		return nil
	}
	if !c.queue(ctx) {
		return fault.After(fault.Unavailable, retryAfter+machine.Within(ctx, retryAfter), "too many subscribers are catching up")
	}
	c.page, err = c.readPage(ctx)
	if err == nil || isGone(err) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "the revocation log can't be read now").Retry(retryAfter)
}

// reach returns what this node knows, once that includes a sequence: another node may
// have sent it to the subscriber already.
func (c *cursor) reach(ctx context.Context, after revocation.Seq) (revocation.Known, error) {
	f := c.Log
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

// source is where a text came from.
type source int

const (
	nowhere source = iota // there is nothing more
	fromTail
	fromStore
)

// next returns the text of what follows, which may be empty, and moves on.
func (c *cursor) next(ctx context.Context) ([]byte, source, error) {
	if c.page != nil {
		text := c.page
		c.page = nil
		return text, fromStore, nil
	}
	part, _, err := c.Tail.follows(c.place)
	switch {
	case errors.Is(err, errBehind) && c.queue(ctx):
		text, err := c.readPage(ctx)
		return text, fromStore, err
	case err != nil || part == nil:
		return nil, nowhere, err
	}
	text := part.events(c.seq, c.then)
	c.seq = part.last
	return text, fromTail, nil
}

// pageSize is how many entries of the store a subscriber has in memory at once.
const pageSize = 500

// queue waits for a place among those who read pages of the store, and reports
// whether it has one. It keeps the place until release.
func (c *cursor) queue(ctx context.Context) bool {
	if c.queued {
		return true
	}
	timer := time.NewTimer(queueTime)
	defer timer.Stop()
	select {
	case c.behind <- struct{}{}:
		c.queued = true
	case <-timer.C:
	case <-ctx.Done():
	case <-c.ended:
	}
	return c.queued
}

// release frees the place.
func (c *cursor) release() {
	if c.queued {
		<-c.behind
		c.queued = false
	}
}

// notePurge records the latest time until which an entry that a snapshot lacks mattered.
func (c *cursor) notePurge(until time.Time) {
	if until.After(c.purged) {
		c.purged = until
	}
}

// endSnapshot makes what follows follow without a gap, and returns the latest time until
// which an entry that a snapshot lacks mattered; zero where there was no snapshot.
func (c *cursor) endSnapshot() (purged time.Time) {
	if !c.resumes {
		_, until := c.Tail.now()
		c.notePurge(until)
		purged = c.purged
	}
	c.then, c.resumes = 0, true
	return purged
}

// readPage returns the events of the next page of the store, never beyond where the tail
// begins: later entries are sent once this node has applied them. The text may be empty
// and is not nil.
func (c *cursor) readPage(ctx context.Context) ([]byte, error) {
	if err := c.ask(ctx); err != nil {
		return nil, err
	}
	defer c.answered()
	_, from, err := c.Tail.follows(c.place)
	if !errors.Is(err, errBehind) {
		return []byte{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	page, err := c.Log.Entries(ctx, c.seq, pageSize)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the revocation log after %d: %w", c.seq, err)
	case page.Head < from:
		return nil, errRestarted
	case c.resumes && c.seq < page.Purged:
		return nil, errPurged
	}
	c.notePurge(page.PurgedUntil)
	text := []byte{}
	last, complete := c.seq, page.Complete(c.seq)
	for i := range page.Entries {
		e := &page.Entries[i]
		if last = e.Seq; last > from {
			break
		}
		if c.then < runsUntil(e) {
			text = appendRevocation(text, e)
		}
	}
	if complete || last > from {
		last = from
	}
	c.seq = last
	return text, nil
}
