// Package underway holds the requests, streams and WebSockets that tokens have let in, and
// ends them when their tokens no longer allow them.
package underway

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/verification"
)

// DefaultMax is how many requests are under way at most, if nothing else is configured.
// Each takes some 500 bytes.
const DefaultMax = 1 << 16

// Set holds every request, stream and WebSocket that a token let in, until it ends.
// Adding and removing one takes the lock of one shard.
type Set struct {
	shards []shard
	max    int // of a shard
}

type shard struct {
	mu   sync.Mutex
	list []*Admission
	_    [32]byte // the locks of neighbours don't share a cache line
}

// Admission is a request that a token let in. The fields after index are used only by the
// sweeper.
type Admission struct {
	Identity *verification.Identity // of its token, as it was judged last
	Raw      string                 // the token
	Needs    *verification.Requirements

	cancel context.CancelCauseFunc
	w      http.ResponseWriter
	body   io.ReadCloser
	shard  *shard
	index  int // in the list of the shard, under its lock; -1: it is done

	asOf      int64         // the sequence as of which it was judged last
	uncertain time.Duration // on the clock: since when it can't be judged; 0: it can be
	ended     bool
}

// endedError is why something that was let in was ended.
type endedError struct{ error }

// Unwrap returns the fault.
func (e endedError) Unwrap() error { return e.error }

// EndedBy returns why the request of a context was ended; nil when it was not.
func EndedBy(ctx context.Context) error {
	if e, ok := errors.AsType[endedError](context.Cause(ctx)); ok {
		return e
	}
	return nil
}

const mostShards = 64

// New returns a Set of at most limit requests; 0: DefaultMax.
func New(limit int) *Set {
	if limit <= 0 {
		limit = DefaultMax
	}
	n := min(limit, mostShards)
	return &Set{shards: make([]shard, n), max: limit / n}
}

var errTooMany = fault.After(fault.Unavailable, time.Second, "too many requests are under way")

// Admit adds a request that was let in. Its context ends when the request must. The
// error is fault.Unavailable when there are too many.
func (s *Set) Admit(w http.ResponseWriter, r *http.Request, a *Admission) (*http.Request, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	a.cancel, a.w, a.body, a.asOf = cancel, w, r.Body, a.Identity.AsOf
	first := rand.N(len(s.shards)) //nolint:gosec // spreads the work, hides nothing
	for i := range s.shards {
		if s.shards[(first+i)%len(s.shards)].add(a, s.max) {
			return r.WithContext(ctx), nil
		}
	}
	cancel(nil)
	return nil, errTooMany
}

func (s *shard) add(a *Admission, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) >= limit {
		return false
	}
	a.shard, a.index = s, len(s.list)
	s.list = append(s.list, a)
	return true
}

// Done removes a request that has ended. No deadline is set on its connection afterwards.
func (a *Admission) Done() {
	s := a.shard
	s.mu.Lock()
	last := len(s.list) - 1
	s.list[a.index] = s.list[last]
	s.list[a.index].index = a.index
	s.list[last], a.index = nil, -1
	s.list = s.list[:last]
	s.mu.Unlock()
	a.cancel(nil)
}

// sweeper ends what is no longer allowed.
type sweeper struct {
	*Set

	verifier *verification.Verifier
	timeout  time.Duration // how long something may go on that can't be judged
	epoch    uint64
	due      []*Admission
}

// sweep judges again what was judged as of an earlier sequence than the log has now, what
// has expired, and what could not be judged, and ends what is no longer allowed. It
// returns when the next token expires; zero when none does.
func (s *sweeper) sweep(ctx context.Context, now verification.Standing) (next time.Time) {
	again := now.Epoch != s.epoch || !now.Fresh
	s.epoch, s.due = now.Epoch, s.due[:0]
	for i := range s.shards {
		if t := s.collect(&s.shards[i], now, again); !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	s.judgeAll(ctx, now)
	clear(s.due)
	return next
}

// collect gathers those of a shard that are due. One that was ended before and is still
// there is stuck in a write to its client: its connection is cut.
func (s *sweeper) collect(sh *shard, now verification.Standing, again bool) (next time.Time) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, a := range sh.list {
		if a.ended {
			a.cut()
			continue
		}
		expiry := a.Identity.Token.Expiry
		expired := !expiry.IsZero() && !now.Now.Before(expiry)
		if again || expired || a.asOf < now.AsOf || a.uncertain != 0 {
			s.due = append(s.due, a)
		}
		if !expiry.IsZero() && !expired && (next.IsZero() || expiry.Before(next)) {
			next = expiry
		}
	}
	return next
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// cut makes every read from the client and every write to it fail.
func (a *Admission) cut() {
	control := http.NewResponseController(a.w)
	_ = control.SetReadDeadline(past)
	_ = control.SetWriteDeadline(past)
}

const (
	perJudge  = 64 // admissions
	maxJudges = 8  // which may all wait for the store
)

// judgeAll judges what is due.
func (s *sweeper) judgeAll(ctx context.Context, now verification.Standing) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var next atomic.Int64
	judge := func() {
		for i := next.Add(1) - 1; i < int64(len(s.due)); i = next.Add(1) - 1 {
			s.judge(ctx, s.due[i], now)
		}
	}
	var judges sync.WaitGroup
	for range min(len(s.due)/perJudge, maxJudges-1) {
		judges.Go(judge)
	}
	judge()
	judges.Wait()
}

// judge ends an admission unless it is still allowed. What can't be judged, because there
// is no lease or the store doesn't answer, may go on for a moment, and no longer: a
// revocation that this node can't hear of is acknowledged without it.
func (s *sweeper) judge(ctx context.Context, a *Admission, now verification.Standing) {
	id, err := s.verifier.StillGood(ctx, a.Identity, a.Raw, *a.Needs)
	if err == nil && !now.Fresh {
		err = errNoNews
	}
	switch {
	case err == nil:
		a.Identity, a.asOf, a.uncertain = id, now.AsOf, 0
		return
	case !fault.Is(err, fault.InvalidToken) && !fault.Is(err, fault.InsufficientScope):
		if a.uncertain == 0 {
			a.uncertain = max(now.Clock, 1)
		}
		if now.Clock-a.uncertain < s.timeout {
			return
		}
		err = errNoNews
	}
	a.end(endedError{err})
}

// end ends an admission: its context, and its body, because the goroutine that passes the
// body on may be waiting for it.
func (a *Admission) end(why endedError) {
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	a.ended = true
	if a.index >= 0 {
		a.cancel(why)
		httpkit.AbandonBody(a.body)
	}
}

var errNoNews = fault.After(fault.Unavailable, time.Second, "this service has no recent news of the revocation log and can't go on with a request now")

// Run ends what was let in and is no longer allowed, until ctx ends. It sweeps when the
// log has changed, when a token expires, and every quarter of L, which staleness returns as
// it is known then; but never more often than every eighth of L, however much is revoked.
func (s *Set) Run(ctx context.Context, verifier *verification.Verifier, staleness func() time.Duration) error {
	sweep := &sweeper{Set: s, verifier: verifier, epoch: verifier.Standing().Epoch}
	for {
		eighth := staleness() / 8
		sweep.timeout = 4 * eighth
		now := verifier.Standing()
		next := sweep.sweep(ctx, now)
		if !rest(ctx, eighth, nil) {
			return nil
		}
		longest := eighth
		if !next.IsZero() {
			longest = min(longest, max(next.Sub(verifier.Standing().Now), 0))
		}
		if !rest(ctx, longest, now.News) {
			return nil
		}
	}
}

// rest waits until the time has passed or the log has changed, and reports false when ctx
// has ended.
func rest(ctx context.Context, d time.Duration, news <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-news:
	case <-ctx.Done():
		return false
	}
	return true
}
