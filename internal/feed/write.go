package feed

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// write writes a part of the answer. A client that takes none of it for too long is
// given up; net/http then cuts the connection.
func (s *stream) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	s.allow(s.WriteTimeout)
	_, err := s.w.Write(text)
	return s.written(err)
}

// flush sends what was written. Of HTTP/2 a deadline ends a stream that is silent
// as well, so there is none between.
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
	_ = s.control.SetWriteDeadline(deadline) // a writer without has no slow clients either
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
