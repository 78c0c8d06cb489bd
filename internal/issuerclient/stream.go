package issuerclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/machine"
	"github.com/bearerd/bearerd/internal/revocation"
)

const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
	maxPause   = 30 * time.Second // the greatest Retry-After that is followed
	minIdle    = time.Second
	minTurn    = 10 * time.Second
)

var (
	errTurn = errors.New("time for a new connection") // ours or the issuer's
	errIdle = errors.New("nothing was received for too long")
	errGone = errors.New("the issuer has purged the next entries")
)

// follower keeps the ledger up to date with the issuer's log.
type follower struct {
	cfg    Config
	web    *web
	own    *credentials
	ledger *revocation.Ledger
	onKey  func()
	// discover returns the metadata, reading it again when the last connection failed.
	discover func(ctx context.Context, again bool) (*site, error)

	// learn takes over the settings of a hello, and reports whether they have changed; nil: a
	// hello has none.
	learn func(settings json.RawMessage) (changed bool, err error)

	afresh     bool           // the next connection begins with a snapshot; used only by run
	overBudget bool           // whether it was logged that the set is over budget; used only by run
	silent     bool           // whether it was logged that the issuer accepts no confirmations; used only by run
	held       []registration // the issuer may wait for them, the latest last; used by run, and after it by leave

	mu         sync.Mutex
	lastErr    error
	confirmErr error      // of the last confirmation
	failed     chan error // receives the first error
}

// run follows the log until ctx ends.
func (f *follower) run(ctx context.Context) {
	f.afresh = true
	var again bool
	pause := firstPause
	for ctx.Err() == nil {
		s, err := f.discover(ctx, again)
		renewed := false
		if err == nil {
			renewed, err = f.connect(ctx, s)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errTurn):
			again, pause = false, firstPause
			sleep.For(ctx, machine.Within(ctx, firstPause/5))
			continue
		}
		again = true
		f.report(err)
		if renewed {
			pause = firstPause
		}
		sleep.For(ctx, f.pause(ctx, err, pause))
		pause = min(2*pause, lastPause)
	}
}

// pause returns a random time to wait, so that verifiers don't all connect at once.
func (f *follower) pause(ctx context.Context, err error, usual time.Duration) time.Duration {
	if e, ok := errors.AsType[*statusError](err); ok && e.after > usual {
		usual = e.after
	}
	return usual/2 + machine.Within(ctx, usual)
}

// connect reads one connection to its end, and reports whether it renewed the lease.
func (f *follower) connect(ctx context.Context, s *site) (renewed bool, err error) {
	bearer, left, err := f.own.bearer(ctx, s)
	if err != nil {
		return false, err
	}
	staleness := s.lease(f.cfg)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The margin for the clocks' rates grows with a connection's age: a new one is
	// made before it takes a twelfth of L, and before the token ends.
	turn := time.AfterFunc(max(min(80*s.staleness, left-left/10), minTurn), func() { cancel(errTurn) })
	defer turn.Stop()
	idle := max(s.staleness, minIdle) // twice as long as the longest silence of the issuer
	watch := time.AfterFunc(max(idle, askTimeout), func() { cancel(errIdle) })
	defer watch.Stop()

	r := &reading{ledger: f.ledger, staleness: staleness, onKey: f.onKey, snapshot: f.afresh, confirms: f.cfg.Confirm != "", learn: f.learn}
	if f.afresh {
		f.ledger.Restart()
	}
	c := &confirmer{follower: f, news: make(chan struct{}, 1), lost: cancel}
	defer c.aside.Wait()
	defer cancel(nil) // before the wait
	err = f.read(ctx, r, request{s.revocations, bearer}, listener{
		answered: func(took time.Duration) {
			if took > staleness/8 {
				turn.Reset(minTurn)
			}
		},
		came: func(event string) {
			watch.Reset(idle)
			c.saw(ctx, r, event)
		},
	})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	// After a fault in the stream the next connection starts with a snapshot: what was
	// read from a faulty stream isn't continued.
	f.afresh = f.afresh && !r.renewed || isBad(err)
	return r.renewed, err
}

// badStream marks an error in the stream's content.
type badStream struct{ error } //nolint:errname // it marks an error

func (b badStream) Unwrap() error { return b.error }

func isBad(err error) bool {
	_, ok := errors.AsType[badStream](err)
	return ok && !errors.Is(err, errBehind) || errors.Is(err, errGone)
}

// request is the address to ask, and the credentials.
type request struct{ address, bearer string }

// listener is called while a connection is read.
type listener struct {
	// answered is called when the answer begins, with how long the request took. The lease
	// counts from before the request, so as long as this connection lasts it may be shorter
	// by that time.
	answered func(took time.Duration)
	came     func(event string) // with the name of each event, when it was applied
}

// read applies event after event.
func (f *follower) read(ctx context.Context, r *reading, q request, l listener) error {
	if !r.snapshot {
		r.last = f.ledger.Applied()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.address+f.query(r), http.NoBody)
	if err != nil {
		return fmt.Errorf("asking for the revocations: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+q.bearer)
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "identity")
	r.started = f.ledger.Clock()
	res, err := f.web.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for the revocations: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := f.checkStatus(res); err != nil {
		return err
	}
	l.answered(f.ledger.Clock() - r.started)
	for stream := newEvents(res.Body); ; {
		e, err := stream.next()
		if errors.Is(err, errLineLong) || errors.Is(err, errEventLong) || errors.Is(err, errLineBytes) {
			return badStream{fmt.Errorf("refusing the revocations: %w", err)}
		}
		if errors.Is(err, io.EOF) && r.renewed {
			return errTurn
		}
		if err != nil {
			return fmt.Errorf("reading the revocations: %w", err)
		}
		if err := r.take(e); err != nil {
			return badStream{fmt.Errorf("refusing the revocations: %w", err)}
		}
		if r.renewed {
			f.report(nil)
			f.checkMemory()
		}
		l.came(e.name)
	}
}

// checkStatus returns an error unless the answer is a stream.
func (f *follower) checkStatus(res *http.Response) error {
	const what = "the stream of revocations"
	switch res.StatusCode {
	case http.StatusOK:
		if kind := res.Header.Get("Content-Type"); !isEventStream(kind) {
			return fmt.Errorf("%s is %.60q", what, kind)
		}
		return nil
	case http.StatusGone:
		return errGone
	case http.StatusUnauthorized:
		f.own.drop()
	case http.StatusForbidden:
		f.own.drop()
		return fmt.Errorf("%w: the client needs the scopes revocations and introspect", refusedStatus(what, res.StatusCode, res.Header, nil))
	}
	return refusedStatus(what, res.StatusCode, res.Header, nil)
}

// report records whether following works, and logs when that has changed.
func (f *follower) report(err error) {
	f.mu.Lock()
	before := f.lastErr
	f.lastErr = err
	f.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		f.cfg.Logger.Warn("following the issuer's revocations", slog.Any("error", err))
	case err == nil && before != nil:
		f.cfg.Logger.Info("following the issuer's revocations again", slog.Int64("seq", f.ledger.Applied()))
	}
	if err != nil {
		select {
		case f.failed <- err:
		default:
		}
	}
}

// checkMemory logs when the revocations take more memory than expected, and when they no
// longer do. They are applied in any case.
func (f *follower) checkMemory() {
	set := f.ledger.Set()
	over := set.OverBudget()
	if over == f.overBudget {
		return
	}
	f.overBudget = over
	size := []any{slog.Int("entries", set.Len()), slog.Int64("bytes", set.Bytes())}
	if over {
		f.cfg.Logger.Warn("the issuer's revocations take more memory than expected", size...)
	} else {
		f.cfg.Logger.Info("the issuer's revocations take as much memory as expected again", size...)
	}
}

func (f *follower) health() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.lastErr, f.confirmErr)
}

// isEventStream reports whether a Content-Type is that of Server-Sent Events.
func isEventStream(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "text/event-stream"
}
