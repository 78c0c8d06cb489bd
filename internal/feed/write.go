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
	s.allow(s.WriteTimeout)
	_, err := s.w.Write(text)
	return s.written(err)
}

// flush sends what was written. In HTTP/2 a deadline ends a silent stream too, so none is
// set between two writes.
func (s *stream) flush() error {
	s.allow(s.WriteTimeout)
	err := s.written(s.control.Flush())
	if err == nil {
		s.allow(0)
	}
	return err
}

// allow sets how much time the client has for what is written next; 0: any.
func (s *stream) allow(timeout time.Duration) {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout) //nolint:forbidigo // the network's own clock
	}
	_ = s.control.SetWriteDeadline(deadline) // a writer without deadlines has no slow clients either
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
