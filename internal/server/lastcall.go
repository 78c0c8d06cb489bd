package server

import (
	"net"
	"sync"
	"time"
)

const (
	// lastCall is the time without a new connection after which a listener closes. A
	// handshake that is under way finishes within that time.
	lastCall = 50 * time.Millisecond
	// lastCalls is the longest wait for such a time, if new clients keep coming.
	lastCalls = 500 * time.Millisecond
)

// doorkeeper is a listener that, when it is closed, first takes the connections that wait to
// be accepted. Their clients have connected, and may have sent a request: the system would
// reset them.
type doorkeeper struct {
	*net.TCPListener

	once    sync.Once
	closing chan struct{} // closed by Close, and guards the fields below
	deaf    bool          // the system ignores new connection requests now
	until   time.Time
}

func newDoorkeeper(l *net.TCPListener) *doorkeeper {
	return &doorkeeper{TCPListener: l, closing: make(chan struct{})}
}

// Close makes Accept return the connections that wait, and then close the listener.
func (d *doorkeeper) Close() error {
	d.once.Do(func() {
		d.deaf = deafen(d.TCPListener) == nil
		d.until = time.Now().Add(lastCalls) //nolint:forbidigo // the network's own clock
		close(d.closing)
	})
	return d.SetDeadline(d.until.Add(-lastCalls)) //nolint:wrapcheck // as the listener says it
}

// Accept waits for the next connection. After Close it returns those that wait, and then
// an error.
func (d *doorkeeper) Accept() (net.Conn, error) {
	if !d.stopped() {
		conn, err := d.TCPListener.Accept()
		if err == nil || !d.stopped() {
			return conn, err //nolint:wrapcheck // as the listener says it
		}
	}
	if now := time.Now(); d.deaf || now.Before(d.until) { //nolint:forbidigo // the network's own clock
		_ = d.SetDeadline(now.Add(lastCall))
		if conn, err := d.TCPListener.Accept(); err == nil {
			return conn, nil
		}
	}
	_ = d.TCPListener.Close()
	return nil, net.ErrClosed
}

func (d *doorkeeper) stopped() bool {
	select {
	case <-d.closing:
		return true
	default:
		return false
	}
}
