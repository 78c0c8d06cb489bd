package passhash

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
)

const (
	maxPasswordBytes = 1024
	queuePerSlot     = 50 // about two seconds of waiting
	retryAfter       = 2 * time.Second
)

// CheckBounds accepts 1 to 1,024 bytes of valid UTF-8, as they are: nothing
// is trimmed or normalised. The error is fault.Invalid and doesn't repeat it.
func CheckBounds(password string) error {
	switch {
	case password == "":
		return fault.New(fault.Invalid, "the password is missing").In("password")
	case len(password) > maxPasswordBytes:
		return fault.New(fault.Invalid, "the password is longer than %d bytes", maxPasswordBytes).In("password")
	case !utf8.ValidString(password):
		return fault.New(fault.Invalid, "the password is not valid UTF-8").In("password")
	}
	return nil
}

// Config limits a Hasher. The zero value is right for most machines.
type Config struct {
	Slots int // hashes of 19 MiB in flight; 0: GOMAXPROCS
	Queue int // callers that wait for a slot; 0: 50 a slot
}

// Hasher hashes and checks passwords, a bounded number at a time. Further calls wait:
// those from one source (see [From]) in their order, and the sources take turns. It is
// safe for use by many goroutines.
type Hasher struct {
	slots int64
	queue queue
	used  atomic.Bool // since the last Trim
}

// New returns a Hasher; fields that are not positive get their default.
func New(c Config) *Hasher {
	if c.Slots <= 0 {
		c.Slots = runtime.GOMAXPROCS(0)
	}
	if c.Queue <= 0 {
		c.Queue = queuePerSlot * c.Slots
	}
	slots := int64(c.Slots)
	return &Hasher{slots: slots, queue: queue{free: slots, max: c.Queue}}
}

// Waiting returns how many callers wait for a slot, for the metrics.
func (h *Hasher) Waiting() int { return h.queue.length() }

// Trim returns the memory of finished hashes to the operating system, when there were any
// since the last time and none is in flight, and reports whether it did. Otherwise the
// runtime keeps 20 to 40 MiB after a login, for hours when nothing else happens. It costs
// one garbage collection: call it from a loop, every few seconds.
func (h *Hasher) Trim() bool {
	if !h.used.Load() || !h.queue.tryAll(h.slots) {
		return false
	}
	h.used.Store(false)
	h.queue.release(h.slots)
	debug.FreeOSMemory()
	return true
}

// Hash returns a new argon2id hash of the password. It fails with the error of
// CheckBounds, or with fault.Unavailable as Verify does.
func (h *Hasher) Hash(ctx context.Context, password string) (Hash, error) {
	if err := CheckBounds(password); err != nil {
		return "", err
	}
	release, err := h.acquire(ctx, newArgon2id().memory())
	if err != nil {
		return "", err
	}
	defer release()
	return newArgon2id().hash(password), nil
}

// Match is the result of checking a password.
type Match struct {
	OK    bool
	Stale bool // OK, and the hash should be replaced: another scheme than ours, or weaker parameters
}

// Verify checks a password against an encoded hash. An empty hash, of a user who doesn't
// exist or has no password, matches nothing and takes as long as a wrong password does.
// (A wrong password takes longer for an imported hash that costs more than bearerd's own,
// until the user's first login replaces it.)
//
// It fails with fault.Unavailable when too many are waiting or ctx ends first, and with
// an internal error when the hash is one that Parse refuses.
func (h *Hasher) Verify(ctx context.Context, encoded Hash, password string) (Match, error) {
	if CheckBounds(password) != nil {
		return Match{}, nil
	}
	d := digest(nobody{newArgon2id()})
	if encoded != "" {
		var err error
		if d, err = parseHash(encoded.Reveal()); err != nil {
			return Match{}, fault.Wrap(err, fault.Internal, "stored password hash")
		}
	}
	release, err := h.acquire(ctx, d.memory())
	if err != nil {
		return Match{}, err
	}
	defer release()
	return check(d, password)
}

func check(d digest, password string) (Match, error) {
	ok, err := d.matches(password)
	if err != nil {
		return Match{}, fault.Wrap(err, fault.Internal, "checking a password")
	}
	if !ok && d.stale() {
		// Hashes of other systems may be so cheap that the time of a wrong password would
		// reveal that there is such a user: compute our own hash as well.
		_ = newArgon2id().hash(password)
	}
	return Match{OK: ok, Stale: ok && d.stale()}, nil
}

// acquire waits for as many slots as the memory, in KiB, needs.
func (h *Hasher) acquire(ctx context.Context, memory int64) (release func(), err error) {
	n := min(max((memory+argon2Memory-1)/argon2Memory, 1), h.slots)
	switch err := h.queue.acquire(ctx, placeOf(ctx), n); {
	case errors.Is(err, errQueueFull):
		return nil, fault.After(fault.Unavailable, retryAfter, "too many sign-ins at this moment")
	case err != nil:
		f := fault.Wrap(err, fault.Unavailable, "waited too long to check the password")
		f.RetryAfter = retryAfter
		return nil, f
	}
	h.used.Store(true)
	return func() { h.queue.release(n) }, nil
}
