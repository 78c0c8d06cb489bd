package feed

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

// output is the connection of one subscriber.
type output struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // for which a client may read nothing of what was written, at least
	until   time.Time     // the deadline; zero: there is none
	lasting bool          // a deadline for writing may stay while nothing is written
}

// write writes a part of the answer. If a client reads none of it for too long, it fails,
// and net/http cuts the connection.
func (o *output) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	o.allow()
	_, err := o.w.Write(text) //nolint:gosec // an event stream, which no browser takes for a page
	return written(err)
}

// flush sends what was written.
func (o *output) flush() error {
	o.allow()
	err := written(o.control.Flush())
	if err == nil && !o.lasting {
		o.deadline(time.Time{})
	}
	return err
}

// allow sets until when the client must have taken what is written next. In HTTP/2 a
// deadline ends a silent stream too, so none is set between two writes. In HTTP/1 it matters
// only while something is written: it may be a quarter later, and is seldom set.
func (o *output) allow() {
	now := time.Now() //nolint:forbidigo // the network's own clock
	if o.until.Sub(now) < o.timeout {
		o.deadline(now.Add(o.timeout + o.timeout/4))
	}
}

// allowEnd sets how long the client may take for the end of the answer; 0: any time. What comes after it
// on the same connection has no deadline, where the stream's time was not limited.
func (o *output) allowEnd(timeout time.Duration) {
	var at time.Time
	if timeout > 0 {
		at = time.Now().Add(timeout) //nolint:forbidigo // the network's own clock
	}
	o.deadline(at)
}

// deadline sets until when the client must have taken what is written; zero: any time.
func (o *output) deadline(at time.Time) {
	o.until = at
	_ = o.control.SetWriteDeadline(at) // a writer without has no slow clients either
}

func written(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", errSlow, err)
	}
	return fmt.Errorf("%w: %w", errLeft, err)
}
