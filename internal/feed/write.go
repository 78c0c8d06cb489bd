package feed

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// write writes a part of the answer. If a client reads none of it for too long, it fails,
// and net/http cuts the connection.
func (s *stream) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	s.allow()
	_, err := s.w.Write(text) //nolint:gosec // an event stream, which no browser takes for a page
	return s.written(err)
}

// flush sends what was written.
func (s *stream) flush() error {
	s.allow()
	err := s.written(s.control.Flush())
	if err == nil && !s.lasting {
		s.deadline(time.Time{})
	}
	return err
}

// allow sets until when the client must have taken what is written next. In HTTP/2 a
// deadline ends a silent stream too, so none is set between two writes. In HTTP/1 it matters
// only while something is written: it may be a quarter later, and is seldom set.
func (s *stream) allow() {
	now := time.Now() //nolint:forbidigo // the network's own clock
	if s.until.Sub(now) < s.WriteTimeout {
		s.deadline(now.Add(s.WriteTimeout + s.WriteTimeout/4))
	}
}

// allowEnd sets how long the client may take for the end of the answer; 0: any time. What comes after it
// on the same connection has no deadline, where the stream's time was not limited.
func (s *stream) allowEnd(timeout time.Duration) {
	var at time.Time
	if timeout > 0 {
		at = time.Now().Add(timeout) //nolint:forbidigo // the network's own clock
	}
	s.deadline(at)
}

// deadline sets until when the client must have taken what is written; zero: any time.
func (s *stream) deadline(at time.Time) {
	s.until = at
	_ = s.control.SetWriteDeadline(at) // a writer without has no slow clients either
}

func (s *stream) written(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", errSlow, err)
	}
	return fmt.Errorf("%w: %w", errLeft, err)
}
