package verifylisten

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// lastCall is the time without a new connection after which the listener closes.
	lastCall = 50 * time.Millisecond
	// lastCalls is the longest wait for such a time, if new clients keep coming.
	lastCalls = 500 * time.Millisecond
)

// Pauses before the next try where no connection can be accepted for now; those of net/http.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// lacksResources reports whether a connection can't be accepted for now, or one that waited
// has gone: what net/http tries again after.
func lacksResources(err error) bool {
	for _, of := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// pause waits, or until Close.
func (d *door) pause(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.closing:
	}
}

// door is a listener that, when it is closed, first takes the connections that wait to be
// accepted: the system would reset them.
type door struct {
	net.Listener

	listener *Listener
	first    sync.Once
	begun    chan struct{} // closed when Accept has been called
	once     sync.Once
	closing  chan struct{} // closed by Close, and guards until
	until    time.Time
}

// deadliner is implemented by Unix and TCP listeners.
type deadliner interface{ SetDeadline(t time.Time) error }

// Close makes Accept return the connections that wait, and then close the listener. A
// Unix socket is removed, so that later clients find none.
func (d *door) Close() error {
	d.once.Do(func() {
		now := time.Now() //nolint:forbidigo // the network's own clock
		if l, ok := d.Listener.(*net.UnixListener); ok {
			l.SetUnlinkOnClose(false) // by then another process may have opened one there
			_ = os.Remove(d.Addr().String())
		}
		d.until = now.Add(lastCalls)
		close(d.closing)
		d.deadline(now)
	})
	return nil
}

func (d *door) deadline(t time.Time) {
	if l, ok := d.Listener.(deadliner); ok {
		_ = l.SetDeadline(t)
	}
}

func (d *door) stopped() bool {
	select {
	case <-d.closing:
		return true
	default:
		return false
	}
}

// Accept waits for the next connection. After Close it returns those that wait, and then
// net.ErrClosed. Where the system has no file descriptor for a connection it waits for one:
// fasthttp would end.
func (d *door) Accept() (net.Conn, error) {
	d.first.Do(func() { close(d.begun) })
	for pause := firstPause; !d.stopped(); {
		c, err := d.Listener.Accept()
		switch {
		case err == nil:
			return d.listener.admit(c), nil
		case d.stopped() || errors.Is(err, os.ErrDeadlineExceeded):
		case lacksResources(err):
			d.listener.cfg.Log.Warn("accepting connections; trying again", slog.String("listener", "verify"), slog.Any("error", err))
			d.pause(pause)
			pause = min(2*pause, lastPause)
		default:
			return nil, err //nolint:wrapcheck // as the listener says it
		}
	}
	if now := time.Now(); now.Before(d.until) { //nolint:forbidigo // the network's own clock
		d.deadline(now.Add(lastCall))
		if c, err := d.Listener.Accept(); err == nil {
			return d.listener.admit(c), nil
		}
	}
	_ = d.Listener.Close()
	return nil, net.ErrClosed
}
