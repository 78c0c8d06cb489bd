package httpkit

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// firstRequest is how long at most a server that stops waits for the first request of a
// connection. http.Server waits as long for the connection, but drops that request.
const firstRequest = 5 * time.Second

// Arrivals are the connections of a server whose first request hasn't reached its handler.
// The zero value is empty.
type Arrivals struct {
	mu    sync.Mutex // guards the fields below
	conns map[net.Conn]bool
	none  chan struct{} // closed when there are none; nil: nobody waits
}

// arrival is one of the connections.
type arrival struct {
	conn    net.Conn
	reached atomic.Bool
}

type arrivalKey struct{}

// Watch makes a server note its arrivals.
func (a *Arrivals) Watch(s *http.Server) {
	inner := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if one, ok := r.Context().Value(arrivalKey{}).(*arrival); ok && one.reached.CompareAndSwap(false, true) {
			a.remove(one.conn)
		}
		inner.ServeHTTP(w, r)
	})
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, arrivalKey{}, a.add(c))
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			a.remove(c)
		}
	}
}

func (a *Arrivals) add(c net.Conn) *arrival {
	one := &arrival{conn: c}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conns == nil {
		a.conns = map[net.Conn]bool{}
	}
	a.conns[c] = true
	return one
}

func (a *Arrivals) remove(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
	if len(a.conns) == 0 && a.none != nil {
		close(a.none)
		a.none = nil
	}
}

// Wait waits until there are none, for at most firstRequest, or until ctx ends. It is
// called once, after the last connection was accepted.
func (a *Arrivals) Wait(ctx context.Context) {
	none := make(chan struct{})
	a.mu.Lock()
	if len(a.conns) == 0 {
		a.mu.Unlock()
		return
	}
	a.none = none
	a.mu.Unlock()
	timer := time.NewTimer(firstRequest)
	defer timer.Stop()
	select {
	case <-none:
	case <-timer.C:
	case <-ctx.Done():
	}
}
