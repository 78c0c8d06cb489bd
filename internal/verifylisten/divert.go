package verifylisten

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection as fasthttp sees it: only plain requests.
type conn struct {
	net.Conn

	listener *Listener
	remote   string      // the peer's address
	header   http.Header // of the request that is under way: it isn't needed later
	armed    time.Time   // when the read deadline was last set
	diverted atomic.Bool
}

// rearm is the least time between two settings of a connection's deadline: idle ones are
// closed that much later.
const rearm = time.Second

// Read returns the head of one plain request, or io.EOF when the connection ends or moves
// to net/http.
func (c *conn) Read(p []byte) (int, error) {
	if c.diverted.Load() {
		return 0, io.EOF
	}
	c.arm()
	n, _ := c.Conn.Read(p) // fasthttp would write an answer to any other error than io.EOF
	switch {
	case n == 0:
		return 0, io.EOF
	case plain(p[:n]):
		return n, nil
	}
	c.diverted.Store(true)
	c.listener.rest.take(&replayed{Conn: c.Conn, head: bytes.Clone(p[:n]), remote: c.RemoteAddr()})
	return 0, io.EOF
}

// arm sets the deadline of the next read: that of a first request, or of an idle connection.
func (c *conn) arm() {
	now := time.Now() //nolint:forbidigo // the network's own clock
	timeout := c.listener.cfg.HTTP.IdleTimeout
	if c.armed.IsZero() {
		timeout = c.listener.cfg.HTTP.ReadHeaderTimeout
		c.armed = now.Add(-rearm) // and again before the second
	} else if now.Sub(c.armed) < rearm {
		return
	} else {
		c.armed = now
	}
	_ = c.SetReadDeadline(now.Add(timeout))
}

// RemoteAddr returns the peer's address; on a Unix socket that of a local peer.
func (c *conn) RemoteAddr() net.Addr {
	if c.listener.cfg.Address.IsUnix() {
		return localPeer
	}
	return c.Conn.RemoteAddr()
}

// localPeer is the peer's address on a Unix socket.
var localPeer = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

// Close closes the connection unless net/http has it.
func (c *conn) Close() error {
	c.listener.forget(c)
	if c.diverted.Load() {
		return nil
	}
	return c.Conn.Close() //nolint:wrapcheck // as the connection says it
}

// replayed is a connection of which something was read.
type replayed struct {
	net.Conn

	head   []byte // what Read returns first
	remote net.Addr
}

// Read returns again what was read before, and then the rest.
func (r *replayed) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.Conn.Read(p) //nolint:wrapcheck // as the connection says it
}

// RemoteAddr returns the peer's address.
func (r *replayed) RemoteAddr() net.Addr { return r.remote }

// CloseWrite is for net/http, which closes its own side first where a client is still
// sending.
func (r *replayed) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // as the connection says it
	}
	return errors.ErrUnsupported
}

// diversion is the listener from which net/http accepts its connections.
type diversion struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newDiversion(address net.Addr) *diversion {
	return &diversion{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// take passes a connection to net/http.
func (d *diversion) take(c net.Conn) {
	select {
	case d.conns <- c:
	case <-d.closed:
		_ = c.Close()
	}
}

// Accept waits for the next connection.
func (d *diversion) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close lets no more connections move.
func (d *diversion) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// Addr returns the address of the whole listener.
func (d *diversion) Addr() net.Addr { return d.address }
