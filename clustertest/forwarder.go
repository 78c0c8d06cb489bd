package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Way says what happens to the bytes in one direction.
type Way int

// The ways.
const (
	Pass Way = iota
	Hold     // they wait until the way is free again, as if retransmitted
	Lose     // they are dropped; a connection that lost some is reset once the way is free again
)

// Weather is the state of a line between a node and its database. The zero value
// passes everything.
type Weather struct {
	Up, Down Way           // towards the database, and back
	Delay    time.Duration // of each direction
	Cut      bool          // connections are reset, and new ones refused
	// HoldReply is called with what goes up, by many goroutines. Once it returns true
	// for a connection, everything that comes back on that connection is held.
	HoldReply func([]byte) bool
}

// Forwarder forwards TCP connections to a server and can delay, hold, lose and cut their
// traffic. It is safe for use by many goroutines.
type Forwarder struct {
	addr string
	sent atomic.Int64
	kept atomic.Int64 // replies held because of HoldReply

	mu       sync.Mutex // guards the fields below
	target   string
	weather  Weather
	changed  chan struct{} // closed when the weather changes
	listener net.Listener  // nil while cut
	lines    map[*line]bool
	closed   bool
	wait     sync.WaitGroup
}

// line is one forwarded connection.
type line struct {
	near, far net.Conn
	ended     chan struct{}
	end       sync.Once
	mu        sync.Mutex
	lost      bool // bytes were dropped
	held      bool // because of HoldReply
}

// parcel is the result of one read, and when to deliver it.
type parcel struct {
	bytes []byte
	due   time.Time
}

// NewForwarder listens on a free port and forwards connections to target.
func NewForwarder(target string) (*Forwarder, error) {
	f := &Forwarder{target: target, changed: make(chan struct{}), lines: map[*line]bool{}}
	// Ports outside the ephemeral range are still free after a cut.
	for range 100 {
		f.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.N(20_000))) //nolint:gosec // a port, no secret
		if err := f.listen(); err == nil {
			return f, nil
		}
	}
	return nil, errors.New("no free port for a forwarder")
}

// Addr returns the address it listens on.
func (f *Forwarder) Addr() string { return f.addr }

// Set changes the weather. It fails only when it can't listen on its port again after
// a cut.
func (f *Forwarder) Set(w Weather) error {
	f.mu.Lock()
	f.weather = w
	close(f.changed)
	f.changed = make(chan struct{})
	for l := range f.lines {
		if w.Cut || l.misses() && w.Up != Lose && w.Down != Lose {
			l.reset()
		}
	}
	l := f.listener
	f.mu.Unlock()
	if w.Cut && l != nil {
		f.mu.Lock()
		f.listener = nil
		f.mu.Unlock()
		return l.Close()
	}
	if !w.Cut && l == nil {
		return f.listen()
	}
	return nil
}

// Redirect forwards to another server from now on, and resets every connection to the
// former one: what a failover looks like from a node.
func (f *Forwarder) Redirect(target string) error {
	if _, _, err := net.SplitHostPort(target); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.target = target
	for l := range f.lines {
		l.reset()
	}
	return nil
}

// Restore makes the forwarder pass everything again.
func (f *Forwarder) Restore() error { return f.Set(Weather{}) }

// Close closes the listener and every connection.
func (f *Forwarder) Close() error {
	err := f.Set(Weather{Cut: true})
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.wait.Wait()
	return err
}

// Lines returns the number of open connections.
func (f *Forwarder) Lines() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.lines)
}

// Held returns the number of replies that are held because of HoldReply now.
func (f *Forwarder) Held() int64 { return f.kept.Load() }

// Sent returns how often data came from the node: once for each query, unless two
// came in the same read.
func (f *Forwarder) Sent() int64 { return f.sent.Load() }

func (f *Forwarder) listen() error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", f.addr)
	if err != nil {
		return fmt.Errorf("listening for a node's database: %w", err)
	}
	f.mu.Lock()
	f.listener = l
	f.mu.Unlock()
	f.wait.Go(func() { f.accept(l) })
	return nil
}

func (f *Forwarder) accept(listener net.Listener) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		f.wait.Go(func() { f.connect(near) })
	}
}

// connect waits until the weather allows a connection, connects and forwards.
func (f *Forwarder) connect(near net.Conn) {
	l := &line{near: near, ended: make(chan struct{})}
	if !f.add(l) {
		l.reset()
		return
	}
	defer f.remove(l)
	for w, changed := f.now(); w.Up != Pass || w.Down != Pass; w, changed = f.now() {
		if w.Up == Lose || w.Down == Lose {
			l.lose()
		}
		select {
		case <-changed:
		case <-l.ended:
			return
		}
	}
	f.mu.Lock()
	target := f.target
	f.mu.Unlock()
	far, err := new(net.Dialer).DialContext(context.Background(), "tcp", target)
	if err != nil || !l.meet(far) {
		l.reset()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { f.carry(l, near, far, true) })
	both.Go(func() { f.carry(l, far, near, false) })
	both.Wait()
}

func (f *Forwarder) add(l *line) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.weather.Cut || f.closed {
		return false
	}
	f.lines[l] = true
	return true
}

func (f *Forwarder) remove(l *line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.lines, l)
}

// now returns the weather, and a channel that is closed when it changes.
func (f *Forwarder) now() (Weather, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.weather, f.changed
}

// carry forwards one direction of a connection until it ends. Parcels wait on a belt
// for their time, so that a delay doesn't limit the throughput.
func (f *Forwarder) carry(l *line, from, to net.Conn, up bool) {
	belt := make(chan parcel, 1024)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(belt)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				w, _ := f.now()
				if up {
					f.sent.Add(1)
				}
				if up && w.HoldReply != nil && w.HoldReply(buffer[:n]) {
					l.hold()
				}
				belt <- parcel{buffer[:n], time.Now().Add(w.Delay)}
			}
			if err != nil {
				return
			}
		}
	})
	for p := range belt {
		f.deliver(l, p, to, up)
	}
	reader.Wait()
	l.close()
}

// deliver writes, holds or drops a parcel, depending on the weather.
func (f *Forwarder) deliver(l *line, p parcel, to net.Conn, up bool) {
	for {
		w, changed := f.now()
		way := w.Down
		if up {
			way = w.Up
		}
		kept := !up && w.HoldReply != nil && l.isHeld()
		if kept {
			way = Hold
		}
		late := time.Until(p.due)
		switch {
		case way == Lose:
			l.lose()
			return
		case way == Pass && late <= 0:
			_, _ = to.Write(p.bytes) // the peer may be gone; then the line ends
			return
		case way == Hold:
			late = time.Hour
		}
		if kept {
			f.kept.Add(1)
		}
		ended := l.wait(late, changed)
		if kept {
			f.kept.Add(-1)
		}
		if ended {
			return
		}
	}
}

// wait waits for d or until the weather changes, and reports whether the line ended
// before that.
func (l *line) wait(d time.Duration, changed <-chan struct{}) (ended bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-l.ended:
		return true
	}
	return false
}

// meet sets the connection to the server, unless the line has ended.
func (l *line) meet(far net.Conn) bool {
	l.mu.Lock()
	l.far = far
	l.mu.Unlock()
	select {
	case <-l.ended:
		_ = far.Close()
		return false
	default:
		return true
	}
}

func (l *line) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true
}

func (l *line) misses() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *line) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
}

func (l *line) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// reset ends the line by TCP resets, so that both ends notice at once.
func (l *line) reset() {
	l.mu.Lock()
	for _, c := range []net.Conn{l.near, l.far} {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	l.mu.Unlock()
	l.close()
}

func (l *line) close() {
	l.end.Do(func() { close(l.ended) })
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.near.Close()
	if l.far != nil {
		_ = l.far.Close()
	}
}
