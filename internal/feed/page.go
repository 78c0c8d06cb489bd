package feed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pageSize is how many entries of the store a subscriber has in memory at once.
const pageSize = 500

// queue waits for a place among those who read pages of the store, and reports
// whether it has one. It keeps the place until release.
func (s *stream) queue(ctx context.Context) bool {
	if s.queued {
		return true
	}
	timer := time.NewTimer(queueTime)
	defer timer.Stop()
	select {
	case s.behind <- struct{}{}:
		s.queued = true
	case <-timer.C:
	case <-ctx.Done():
	case <-s.ended:
	}
	return s.queued
}

// release frees the place.
func (s *stream) release() {
	if s.queued {
		<-s.behind
		s.queued = false
	}
}

// ask waits for a turn to ask the store, and answered ends it.
func (s *stream) ask(ctx context.Context) error {
	select {
	case s.asking <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting to ask the store: %w", ctx.Err())
	case <-s.ended:
		return errStopping
	}
}

func (s *stream) answered() { <-s.asking }

// notePurge records the latest time until which an entry that a snapshot lacks mattered.
func (s *stream) notePurge(until time.Time) {
	if until.After(s.purged) {
		s.purged = until
	}
}

// readPage returns the events of the next page of the store, never beyond where the tail
// begins: later entries are sent once this node has applied them. The text may be empty
// and is not nil.
func (s *stream) readPage(ctx context.Context) ([]byte, error) {
	if err := s.ask(ctx); err != nil {
		return nil, err
	}
	defer s.answered()
	_, from, err := s.Tail.follows(s.place)
	if !errors.Is(err, errBehind) {
		return []byte{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	page, err := s.Log.Entries(ctx, s.seq, pageSize)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the revocation log after %d: %w", s.seq, err)
	case page.Head < from:
		return nil, errRestarted
	case s.resumes && s.seq < page.Purged:
		return nil, errPurged
	}
	s.notePurge(page.PurgedUntil)
	text := []byte{}
	last, complete := s.seq, page.Complete(s.seq)
	for i := range page.Entries {
		e := &page.Entries[i]
		if last = e.Seq; last > from {
			break
		}
		if s.then < runsUntil(e) {
			text = appendRevocation(text, e)
		}
	}
	if complete || last > from {
		last = from
	}
	s.seq = last
	return text, nil
}
