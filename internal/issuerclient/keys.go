package issuerclient

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"golang.org/x/sync/singleflight"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	// How often at most an unknown key id makes the verifier fetch the set, and after
	// what time again for the same id: the node that answered may not know the key yet.
	unknownEvery  = time.Second
	unknownForget = 3 * time.Second
	// newsFetches is how often the set is fetched after the log said that the keys have
	// changed, for the same reason.
	newsFetches = 3
	// The set is fetched again when its max-age has passed, within these limits.
	minKeysAge     = time.Minute
	maxKeysAge     = time.Hour
	defaultKeysAge = 5 * time.Minute
	// keysRetry is when a failed fetch is tried again.
	keysRetry = 10 * time.Second
)

// ErrNoKeys is the error of an issuer that publishes no key.
var ErrNoKeys = errors.New("the JWK Set has no key that can be used; one that signs with HS256 shares its secret (SharedSecretFile)")

// keys is the issuer's keys as last read. Reading them takes no lock.
type keys struct {
	cfg     Config
	web     *web
	address func() string // of the set; "": not known yet
	shared  token.VerificationKey

	known  atomic.Pointer[map[string]token.VerificationKey]
	flight singleflight.Group
	gate   *keyring.Gate
	wake   chan struct{}
	onSwap func() // called when a kid has another key than before
	// takenBack reports whether the log has revoked a key. A key that was known stays
	// known then, so that what it signed is refused as revoked.
	takenBack func(kid string) bool

	turn sync.Mutex // held while the set is fetched: an older answer must not replace a newer one

	mu      sync.Mutex
	age     time.Duration // for how long the set is valid
	ignored int           // keys of a type that isn't used
	unused  bool          // the shared secret is not used
	lastErr error
}

func newKeys(c Config, w *web, shared token.VerificationKey) *keys {
	k := &keys{
		cfg: c, web: w, shared: shared, age: defaultKeysAge,
		gate: keyring.NewGate(unknownEvery, unknownForget), wake: make(chan struct{}, 1),
		address: func() string { return "" }, onSwap: func() {}, takenBack: func(string) bool { return false },
	}
	k.known.Store(&map[string]token.VerificationKey{})
	return k
}

// find returns the key of that id.
func (k *keys) find(kid string) (token.VerificationKey, bool) {
	key, ok := (*k.known.Load())[kid]
	return key, ok
}

// count returns how many keys can be used.
func (k *keys) count() int { return len(*k.known.Load()) }

// look fetches the set because a token names a key that isn't in it, unless that was done
// a moment ago, or recently for the same id.
func (k *keys) look(ctx context.Context, kid string) error {
	done := k.flight.DoChan("", func() (any, error) {
		if _, ok := k.find(kid); ok || !k.gate.Allow(kid, k.cfg.Now()) {
			return nil, nil
		}
		err := k.fetch(context.WithoutCancel(ctx))
		if err != nil {
			k.gate.Forget(kid)
		}
		return nil, err
	})
	select {
	case res := <-done:
		return res.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fetch reads the set again; on error the keys stay what they were.
func (k *keys) fetch(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	err := k.fetchNow(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lastErr = err
	return err
}

func (k *keys) fetchNow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	address := k.address()
	if address == "" {
		return errors.New("the issuer's metadata is not known yet")
	}
	a, err := k.web.get(ctx, "the JWK Set", address)
	if err != nil {
		return err
	}
	set, err := keyring.ReadJWKS(a.body)
	if err != nil {
		return err
	}
	if len(set) == 0 && (k.shared.Key == nil || countKeys(a.body) > 0) {
		return ErrNoKeys
	}
	k.replace(set, a)
	return nil
}

func (k *keys) replace(set []token.VerificationKey, a answer) {
	next := make(map[string]token.VerificationKey, len(set)+2)
	for _, key := range set {
		next[key.KID] = key
	}
	// An issuer that publishes keys doesn't sign with the secret, or no longer does: anyone who
	// has the secret could sign in its place.
	useShared := k.shared.Key != nil && countKeys(a.body) == 0
	if useShared {
		next[""], next[k.shared.KID] = k.shared, k.shared
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.noteUnused(k.shared.Key != nil && !useShared)
	swapped := false
	for kid, old := range *k.known.Load() {
		key, ok := next[kid]
		switch {
		case ok:
			old.Revoked = false
			swapped = swapped || !reflect.DeepEqual(key, old)
		case k.takenBack(kid):
			old.Revoked = true
			next[kid] = old
		}
	}
	k.known.Store(&next)
	if swapped {
		k.onSwap()
	}
	k.age = maxAge(a.header.Get("Cache-Control"))
	k.noteIgnored(countKeys(a.body) - len(set))
}

// noteUnused logs that the shared secret is of no use, once.
func (k *keys) noteUnused(unused bool) {
	if unused && !k.unused {
		k.cfg.Logger.Warn("the issuer doesn't sign with HS256: the shared secret is not used")
	}
	k.unused = unused
}

// noteIgnored logs keys of unknown types, when their number has changed.
func (k *keys) noteIgnored(n int) {
	if n != k.ignored && n > 0 {
		k.cfg.Logger.Warn("the issuer has keys of a type that is not used", slog.Int("ignored", n))
	}
	k.ignored = n
}

func countKeys(body []byte) int {
	var set struct{ Keys []json.RawMessage }
	_ = json.Unmarshal(body, &set) // was read before
	return len(set.Keys)
}

// maxAge reads a max-age (RFC 9111 §5.2.2.1), within our bounds.
func maxAge(cacheControl string) time.Duration {
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return minKeysAge
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				return min(max(time.Duration(seconds)*time.Second, minKeysAge), maxKeysAge)
			}
		}
	}
	return defaultKeysAge
}

// soon makes tend fetch the set at once. It does not block.
func (k *keys) soon() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// tend fetches the set when it is due, again when that failed, and several times when the
// log says that the keys have changed; but at most once a second.
func (k *keys) tend(ctx context.Context) {
	var err error
	for news := 0; ; {
		wait := k.due()
		switch {
		case news > 0:
			wait = 0
		case err != nil:
			wait = keysRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			news = max(0, news-1)
		case <-k.wake:
			news = newsFetches - 1
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		if err = k.fetch(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Logger.WarnContext(ctx, "reading the issuer's keys; the previous ones are kept", slog.Any("error", err))
		}
		sleep.For(ctx, unknownEvery)
	}
}

func (k *keys) due() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.age
}

func (k *keys) health() (ignored int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ignored, k.lastErr
}

// note records why there are no keys yet.
func (k *keys) note(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lastErr == nil || k.lastErr.Error() != err.Error() {
		k.cfg.Logger.Warn("the issuer can't be used yet", slog.Any("error", err))
	}
	k.lastErr = err
}
