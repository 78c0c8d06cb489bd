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
)

// Limits of a connection; those of a body are Config.BodyTimeout. There is none on
// writing an answer: streams and what is proxied may take as long as they do.
const (
	headerPatience = 10 * time.Second
	idlePatience   = 2 * time.Minute
	maxHeader      = 64 << 10 // room for a token of 8 KiB beside an application's cookies
)

// listener is an address with what is served there.
type listener struct {
	name, address string
	http          *http.Server
	net           net.Listener // nil until it is open
}

func (s *Server) listen(name, address string, h http.Handler) *listener {
	return &listener{name: name, address: address, http: &http.Server{
		Handler: h, ReadHeaderTimeout: headerPatience, IdleTimeout: idlePatience, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}}
}

func (l *listener) serve() error {
	var err error
	if l.http.TLSConfig != nil {
		err = l.http.ServeTLS(l.net, "", "")
	} else {
		err = l.http.Serve(l.net)
	}
	if errors.Is(err, http.ErrServerClosed) {
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

// Listen opens the listeners, all or none. Run does it too when it wasn't done
// before.
func (s *Server) Listen(ctx context.Context) error {
	for _, l := range s.listeners() {
		var err error
		if l.net, err = new(net.ListenConfig).Listen(ctx, "tcp", l.address); err != nil {
			for _, l := range s.listeners() {
				if l.net != nil {
					_ = l.net.Close()
					l.net = nil
				}
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

// InnerAddr is where an inner listener is open; see Addr.
func (s *Server) InnerAddr(i int) net.Addr { return s.inner[i].addr() }

func (l *listener) addr() net.Addr {
	if l == nil || l.net == nil {
		return nil
	}
	return l.net.Addr()
}

// Run serves until ctx ends or something fails that it can't do without, and then
// stops in order. It returns when every goroutine of its own has ended; the error
// is nil when the end of ctx was the reason. What goes on when Drain has passed is
// cut, as a stream of the proxied application may be.
func (s *Server) Run(ctx context.Context) error {
	if s.main.net == nil {
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
		s.log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("listener", l.name), slog.String("address", l.net.Addr().String()))
		all.Go(func() {
			if err := l.serve(); err != nil {
				fail(err)
			}
		})
	}
	<-serving.Done()
	s.stop(endLoops)
	all.Wait()
	if cause := context.Cause(serving); !errors.Is(cause, context.Cause(ctx)) {
		return cause
	}
	return nil
}

// stop ends everything in its order: readiness, requests, loops, and last the
// listener that reports it.
func (s *Server) stop(endLoops func()) {
	s.state.stopping.Store(true)
	s.log.Info("stopping")
	if s.Notice > 0 {
		time.Sleep(s.Notice)
	}
	for _, e := range s.streaming {
		e.EndStreams()
	}
	var draining sync.WaitGroup
	for _, l := range append([]*listener{s.main}, s.inner...) {
		draining.Go(func() { s.drain(l) })
	}
	draining.Wait()
	endLoops()
	if s.ops != nil {
		s.drain(s.ops)
	}
}

// drain lets requests finish, and cuts those that take too long.
func (s *Server) drain(l *listener) {
	ctx, cancel := context.WithTimeout(context.Background(), s.Drain)
	defer cancel()
	if err := l.http.Shutdown(ctx); err != nil {
		s.log.Warn("requests were cut off", slog.String("listener", l.name), slog.Any("error", err))
		_ = l.http.Close()
	}
}
