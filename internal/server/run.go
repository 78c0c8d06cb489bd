package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// Limits of a connection; those of a body are Config.BodyTimeout. There is none on
// writing an answer: streams and proxied answers may take any time.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10 // room for a token of 8 KiB and an application's cookies
)

// listener is an address with what is served there.
type listener struct {
	name, address string
	http          *http.Server
	arrivals      *httpkit.Arrivals
	door          *doorkeeper   // nil until it is open
	served        chan struct{} // closed when serve has returned
}

func (s *Server) listen(name, address string, h http.Handler) *listener {
	l := &listener{name: name, address: address, arrivals: &httpkit.Arrivals{}, served: make(chan struct{}), http: s.httpServer(h)}
	l.arrivals.Watch(l.http)
	return l
}

// httpServer returns a server with the limits of every listener.
func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// open opens the listener.
func (l *listener) open(ctx context.Context) error {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // deafen needs TCP itself
	opened, err := config.Listen(ctx, "tcp", l.address)
	if err != nil {
		return err
	}
	tcp, ok := opened.(*net.TCPListener)
	if !ok {
		return errors.Join(fmt.Errorf("a listener of the unknown type %T", opened), opened.Close())
	}
	l.door = newDoorkeeper(tcp)
	return nil
}

// serve serves until the listener is closed.
func (l *listener) serve() error {
	defer close(l.served)
	var err error
	if l.http.TLSConfig != nil {
		err = l.http.ServeTLS(l.door, "", "")
	} else {
		err = l.http.Serve(l.door)
	}
	if l.door.stopped() {
		return nil
	}
	return fmt.Errorf("serving the %s listener: %w", l.name, err)
}

func (s *Server) listeners() []*listener {
	all := append([]*listener{s.main}, s.inner...)
	if s.ops != nil {
		all = append(all, s.ops)
	}
	return all
}

// Listen opens the listeners, all or none. Run calls it if it wasn't called before.
func (s *Server) Listen(ctx context.Context) error {
	if s.verify != nil {
		if err := s.verify.Listen(ctx); err != nil {
			return fmt.Errorf("opening the verify listener: %w", err)
		}
	}
	for _, l := range s.listeners() {
		if err := l.open(ctx); err != nil {
			for _, l := range s.listeners() {
				if l.door != nil {
					_ = l.door.TCPListener.Close()
					l.door = nil
				}
			}
			if s.verify != nil {
				_ = s.verify.Close()
			}
			return fmt.Errorf("opening the %s listener: %w", l.name, err)
		}
	}
	return nil
}

// Addr is where the main listener is open, OpsAddr the ops listener and InnerAddr
// the inner ones in their order; nil before Listen, and for one that there isn't.
func (s *Server) Addr() net.Addr { return s.main.addr() }

// OpsAddr is where the ops listener is open; see Addr.
func (s *Server) OpsAddr() net.Addr { return s.ops.addr() }

// VerifyAddr is where the verify listener is open; see Addr.
func (s *Server) VerifyAddr() net.Addr {
	if s.verify == nil {
		return nil
	}
	return s.verify.Addr()
}

// InnerAddr is where an inner listener is open; see Addr.
func (s *Server) InnerAddr(i int) net.Addr { return s.inner[i].addr() }

func (l *listener) addr() net.Addr {
	if l == nil || l.door == nil {
		return nil
	}
	return l.door.Addr()
}

// Run serves until ctx ends or a part fails that it can't do without, and then stops in
// order. It returns when every goroutine of its own has ended; the error is nil when the
// end of ctx was the reason. What is still running when Drain has passed is cut off, such
// as a stream of the proxied application.
func (s *Server) Run(ctx context.Context) error {
	if s.main.door == nil {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	serving, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	loops, endLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer endLoops()
	var all sync.WaitGroup
	for _, l := range append([]Loop{
		{Name: "following the revocation log", Run: s.Node.Follow},
		{Name: "housekeeping", Run: s.Node.Run},
		{Name: "sampling the metrics", Run: func(ctx context.Context) error { return s.Metrics.sampling(ctx, s.Now) }},
	}, s.Loops...) {
		all.Go(func() {
			if err := l.Run(loops); err != nil && loops.Err() == nil {
				fail(fmt.Errorf("%s: %w", l.Name, err))
			}
		})
	}
	for _, l := range s.listeners() {
		s.log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("listener", l.name), slog.String("address", l.addr().String()))
		all.Go(func() {
			if err := l.serve(); err != nil {
				fail(err)
			}
		})
	}
	if s.verify != nil {
		s.log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("listener", "verify"), slog.String("address", s.verify.Addr().String()))
		all.Go(func() {
			if err := s.verify.Serve(); err != nil {
				fail(fmt.Errorf("serving the verify listener: %w", err))
			}
		})
	}
	<-serving.Done()
	notice := s.Notice
	if ctx.Err() == nil {
		notice = 0 // something failed, so the server can't go on
	}
	s.stop(notice, endLoops)
	all.Wait()
	if cause := context.Cause(serving); !errors.Is(cause, context.Cause(ctx)) {
		return cause
	}
	return nil
}

// stop ends everything in its order: readiness, requests, loops, and last the
// listener that reports it.
func (s *Server) stop(notice time.Duration, endLoops func()) {
	s.state.stopping.Store(true)
	s.log.Info("stopping", slog.Float64("notice_seconds", notice.Seconds()))
	if notice > 0 {
		time.Sleep(notice)
	}
	for _, e := range s.streaming {
		e.EndStreams()
	}
	var draining sync.WaitGroup
	for _, l := range append([]*listener{s.main}, s.inner...) {
		draining.Go(func() { s.drain(l) })
	}
	if s.verify != nil {
		draining.Go(s.drainVerify)
	}
	draining.Wait()
	endLoops()
	if s.ops != nil {
		s.drain(s.ops)
	}
}

// drain answers the clients that have connected, lets requests finish, and cuts off those
// that take too long.
func (s *Server) drain(l *listener) {
	ctx, cancel := context.WithTimeout(context.Background(), s.Drain)
	defer cancel()
	_ = l.door.Close()
	select {
	case <-l.served:
		l.arrivals.Wait(ctx)
	case <-ctx.Done():
	}
	if err := l.http.Shutdown(ctx); err != nil {
		s.log.Warn("requests were cut off", slog.String("listener", l.name), slog.Any("error", err))
		_ = l.http.Close()
	}
}

func (s *Server) drainVerify() {
	ctx, cancel := context.WithTimeout(context.Background(), s.Drain)
	defer cancel()
	if err := s.verify.Drain(ctx); err != nil {
		s.log.Warn("requests were cut off", slog.String("listener", "verify"), slog.Any("error", err))
	}
}
