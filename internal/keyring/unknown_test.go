package keyring_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerd/bearerd/internal/keyring"
)

func TestUnknownKeyIsLookedForAtALimitedRate(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	r, other := open(t, cfg), open(t, cfg)
	do(t, other.Rotate(t.Context(), true))
	raw := issue(t, other, c.now())
	kid := signing(t, other).KID
	base := store.reads.Load()
	reads := func() int64 { return store.reads.Load() - base }

	do(t, r.RefreshUnknown(t.Context(), kid))
	do(t, verify(r, raw))
	if reads() != 1 {
		t.Fatalf("%d reads for one unknown key", reads())
	}
	for i := range 1000 {
		do(t, r.RefreshUnknown(t.Context(), "forged"+strings.Repeat("x", i%100)))
	}
	if reads() != 1 {
		t.Errorf("%d reads for a thousand forged keys in a moment", reads())
	}
	c.pass(time.Second)
	for range 1000 {
		do(t, r.RefreshUnknown(t.Context(), "forged"))
	}
	c.pass(time.Second)
	for range 1000 {
		do(t, r.RefreshUnknown(t.Context(), "forged"))
	}
	if reads() != 2 {
		t.Errorf("%d reads, want one more for one and the same key within a minute", reads())
	}
	c.pass(time.Minute)
	do(t, r.RefreshUnknown(t.Context(), kid)) // known by now
	if reads() != 2 {
		t.Errorf("%d reads, the last of them for a key that is known", reads())
	}
	do(t, r.RefreshUnknown(t.Context(), "forged"))
	if reads() != 3 {
		t.Errorf("%d reads, want a third a minute later", reads())
	}
}

func TestUnknownKeyIsAskedForAgainAfterAnError(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	r, other := open(t, cfg), open(t, cfg)
	do(t, other.Rotate(t.Context(), true))
	kid := signing(t, other).KID
	store.fail(errors.New("away"))
	if err := r.RefreshUnknown(t.Context(), kid); err == nil {
		t.Fatal("no error from a store that is away")
	}
	reads := store.reads.Load()
	for _, again := range []string{kid, "another"} { // not to be known is not to be none
		if err := r.RefreshUnknown(t.Context(), again); err == nil {
			t.Errorf("no error for %s a moment later", again)
		}
	}
	if store.reads.Load() != reads {
		t.Error("the store that is away is asked at once again")
	}
	store.fail(nil)
	c.pass(time.Second)
	do(t, r.RefreshUnknown(t.Context(), kid))
	if _, ok := r.Find(kid); !ok {
		t.Error("the key isn't found once the store is back")
	}
}

func TestUnknownKeyThatIsExpectedIsLookedForAtOnce(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	r, other := open(t, cfg), open(t, cfg)
	do(t, r.RefreshUnknown(t.Context(), "forged"))
	do(t, other.Rotate(t.Context(), true))
	kid := signing(t, other).KID
	do(t, r.RefreshUnknown(t.Context(), kid))
	if _, ok := r.Find(kid); ok {
		t.Fatal("the rate is not limited")
	}
	r.Expect()
	base := store.reads.Load()
	do(t, r.RefreshUnknown(t.Context(), kid))
	if _, ok := r.Find(kid); !ok {
		t.Error("the key isn't found although it was expected")
	}
	for range 100 {
		do(t, r.RefreshUnknown(t.Context(), "forged, too"))
	}
	if n := store.reads.Load() - base; n != 1 {
		t.Errorf("%d reads for one expectation", n)
	}

	// What is expected while the store is away is expected still when it is back.
	do(t, other.Rotate(t.Context(), true))
	kid = signing(t, other).KID
	r.Expect()
	store.fail(errors.New("away"))
	if err := r.RefreshUnknown(t.Context(), kid); err == nil {
		t.Error("no error from a store that is away")
	}
	store.fail(nil)
	c.pass(time.Second)
	do(t, r.RefreshUnknown(t.Context(), "forged again"))
	if _, ok := r.Find(kid); !ok {
		t.Error("the key isn't found once the store is back")
	}
}

func TestUnknownKeysShareOneReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, c := &memory{}, newClock()
		cfg := config(t, store, c)
		r, other := open(t, cfg), open(t, cfg)
		do(t, other.Rotate(t.Context(), true))
		kid := signing(t, other).KID
		base := store.reads.Load()
		release := make(chan struct{})
		store.before = func() { <-release }
		var found atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := r.RefreshUnknown(t.Context(), kid); err != nil {
					t.Error(err)
				}
				if _, ok := r.Find(kid); ok {
					found.Add(1)
				}
			})
		}
		synctest.Wait()
		close(release)
		all.Wait()
		if n := store.reads.Load() - base; n != 1 || found.Load() != 20 {
			t.Errorf("%d readings, %d of 20 found the key", n, found.Load())
		}
	})
}

func TestUnknownKeyDoesNotWaitForAStoreThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, c := &hanging{}, newClock()
		r := open(t, config(t, store, c))
		store.hang.Store(true)
		start := time.Now()
		if err := r.RefreshUnknown(t.Context(), "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("RefreshUnknown says %v", err)
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("waited for %s", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Refresh(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Refresh by somebody who left says %v", err)
		}
	})
}

// hanging is a store that stops answering once it hangs.
type hanging struct {
	memory
	hang atomic.Bool
}

func (h *hanging) SigningKeys(ctx context.Context) ([]keyring.Key, error) {
	if h.hang.Load() {
		<-ctx.Done()
	}
	return h.memory.SigningKeys(ctx)
}

func TestReadersNeverSeeHalfAChange(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				k, err := r.Signing()
				if err != nil {
					t.Error(err)
					return
				}
				if _, ok := r.Find(k.KID); !ok {
					t.Errorf("%s signs and isn't found", k)
					return
				}
			}
		})
	}
	for range 50 {
		do(t, r.Rotate(t.Context(), true))
	}
	close(stop)
	readers.Wait()
}
