package notice

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/records/upkeep"
)

// State is the state of the sending to a receiver.
type State struct {
	Receiver string
	Failure  string // why the last attempt failed; "": it didn't
	Waiting  upkeep.Waiting
}

// state is the part of a State that others read.
type state struct {
	mu   sync.Mutex
	last State
}

func (s *state) set(failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last.Failure = failure
}

func (s *state) waiting(w upkeep.Waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last.Waiting = w
}

// State returns the state of the sending, as this node knows it.
func (o *Outbox) State() State {
	o.state.mu.Lock()
	defer o.state.mu.Unlock()
	s := o.state.last
	s.Receiver = o.cfg.Receiver
	return s
}

const (
	lookEvery   = 2 * time.Second
	trimEvery   = time.Minute
	expireEvery = time.Hour
)

// Run sends what is due, until ctx ends. What fails is tried again.
func (o *Outbox) Run(ctx context.Context) error {
	look, trim := time.NewTicker(lookEvery), time.NewTicker(trimEvery)
	defer look.Stop()
	defer trim.Stop()
	o.try(ctx, "counting notices", o.Trim)
	for {
		select {
		case <-look.C:
			o.try(ctx, "sending notices", o.Deliver)
		case <-trim.C:
			o.try(ctx, "counting notices", o.Trim)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookEvery)
			defer cancel()
			_ = o.Leave(last) // else the turn runs out by itself
			return nil
		}
	}
}

func (o *Outbox) try(ctx context.Context, what string, f func(context.Context) error) {
	if err := f(ctx); err != nil && ctx.Err() == nil {
		o.cfg.Log.WarnContext(ctx, what, slog.String("receiver", o.cfg.Receiver), slog.Any("error", err))
	}
}

// Run announces expiring tokens at once and every hour, until ctx ends, and purges what
// waits for receivers that are not configured any more.
func (x *Expiring) Run(ctx context.Context, purge func(ctx context.Context, before time.Time) error, log *slog.Logger) error {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		if err := errors.Join(x.Announce(ctx), purge(ctx, x.Now().Add(-Kept-time.Hour))); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "announcing tokens that expire soon", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
