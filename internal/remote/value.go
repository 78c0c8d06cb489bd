package remote

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/bearerd/bearerd/internal/fault"
)

const (
	// unsuitableEvery is how often at most a fresh value is read again because it doesn't
	// suit: strangers decide what is looked for in it.
	unsuitableEvery = time.Minute
	// retryEvery is how often at most a value is read while that fails.
	retryEvery = 5 * time.Second
	// maxStale is for how long a value is used that can't be read again.
	maxStale = 24 * time.Hour
)

// Config configures a Value. All fields must be set.
type Config[T any] struct {
	// What it is, for messages: "the keys of museum".
	What string
	// Read reads the value and returns for how long it is fresh. Its context ends after
	// Timeout.
	Read func(ctx context.Context) (value T, fresh time.Duration, err error)
	Now  func() time.Time
}

// Value is read at first use, again at the first use after it is not fresh, and at most
// once a minute because it doesn't suit. Requests that come while it is read wait for the
// same answer. While reading fails, it is tried every 5 seconds at most, and the last value
// is used for a day. Using a fresh value takes no lock.
type Value[T any] struct {
	cfg    Config[T]
	known  atomic.Pointer[known[T]]
	flight singleflight.Group

	mu      sync.Mutex
	tried   time.Time // when it was last read, or not
	lastErr error     // what came of that
}

// known is a value that was read.
type known[T any] struct {
	value T
	at    time.Time
	fresh time.Duration
}

// NewValue returns a value that is not read yet.
func NewValue[T any](cfg Config[T]) *Value[T] { return &Value[T]{cfg: cfg} }

// Get returns the value; suits reports whether it is the one wanted (nil: any is). A value
// that doesn't suit although it is as new as it may be is returned too. The error is a
// fault of kind Unavailable: nothing that may be used could be read.
func (v *Value[T]) Get(ctx context.Context, suits func(T) bool) (T, error) {
	if suits == nil {
		suits = func(T) bool { return true }
	}
	k := v.known.Load()
	suited := k.within(maxStale, v.cfg.Now()) && suits(k.value)
	if suited && k.within(k.fresh, v.cfg.Now()) {
		return k.value, nil
	}
	err := v.refresh(ctx, suited)
	k = v.known.Load()
	usable := k.within(maxStale, v.cfg.Now())
	if usable && (err == nil || suits(k.value)) {
		return k.value, nil
	}
	var none T
	return none, fault.Wrap(err, fault.Unavailable, "%s can't be reached now", v.cfg.What).Retry(retryEvery)
}

// Away reports whether the value could not be read when that was last tried.
func (v *Value[T]) Away() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lastErr != nil
}

// Load reads the value now if it is not known, and returns why it can't be read.
func (v *Value[T]) Load(ctx context.Context) error { return v.refresh(ctx, true) }

// refresh reads the value, unless that was done a moment ago. The error is that of the
// last reading.
func (v *Value[T]) refresh(ctx context.Context, suited bool) error {
	done := v.flight.DoChan("", func() (any, error) {
		if wait, err := v.recent(suited); wait {
			return nil, err
		}
		err := v.read(context.WithoutCancel(ctx))
		v.mu.Lock()
		defer v.mu.Unlock()
		v.lastErr = err
		return nil, err
	})
	select {
	case res := <-done:
		return res.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// recent reports whether the value was read too recently to be read again, and returns
// the result of that reading; if not, it counts as read now.
func (v *Value[T]) recent(suited bool) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now, k := v.cfg.Now(), v.known.Load()
	least := unsuitableEvery
	if suited || k == nil || !k.within(min(k.fresh, maxStale), now) {
		least = retryEvery
	}
	if !v.tried.IsZero() && elapsed(v.tried, now) < least {
		return true, v.lastErr
	}
	v.tried = now
	return false, nil
}

// read reads the value once. On an error it stays what it was.
func (v *Value[T]) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	value, fresh, err := v.cfg.Read(ctx)
	if err != nil {
		return err
	}
	v.known.Store(&known[T]{value: value, at: v.cfg.Now(), fresh: fresh})
	return nil
}

// within reports whether now is less than d after the value was read.
func (k *known[T]) within(d time.Duration, now time.Time) bool {
	return k != nil && elapsed(k.at, now) < d
}

// elapsed returns how long ago at is. A clock that was set back makes it long ago.
func elapsed(at, now time.Time) time.Duration {
	if d := now.Sub(at); d >= 0 {
		return d
	}
	return maxStale
}

// Bounds limit how long a fetched document is fresh.
type Bounds struct{ Least, Most, Usual time.Duration }

// KeySets are the bounds for JWK Sets: a key that is withdrawn must not be trusted for long.
var KeySets = Bounds{Least: time.Minute, Most: time.Hour, Usual: 5 * time.Minute}

// Freshness returns for how long a document is fresh, from the headers of the answer: its
// max-age (RFC 9111 §5.2.2.1), within the bounds; the default time without one.
func (b Bounds) Freshness(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(header.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return b.Least
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				return min(max(time.Duration(seconds)*time.Second, b.Least), b.Most)
			}
		}
	}
	return b.Usual
}
