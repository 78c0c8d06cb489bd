package assertion

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
)

// secret is the one key of an issuer that signs with HS256.
type secret struct{ key token.VerificationKey }

// Secret returns the keys of an issuer that signs with HS256 and a shared secret. The
// secret must have 32 bytes and be no placeholder; errors name the setting.
func Secret(setting string, shared []byte) (Keys, error) {
	if err := keyring.CheckSecretOf(setting, shared); err != nil {
		return nil, err
	}
	return secret{key: token.VerificationKey{Algorithm: token.HS256, Key: bytes.Clone(shared)}}, nil
}

// SecretFile is Secret for a file; one newline at its end is not part of the secret.
func SecretFile(setting, path string) (Keys, error) {
	shared, err := keyring.ReadSecretOf(setting, path)
	if err != nil {
		return nil, err
	}
	return Secret(setting, shared)
}

// find returns the secret for HS256 alone. A kid is a hint which of several keys signed
// (RFC 7515 §4.1.4); here there is one.
func (s secret) find(_ context.Context, alg token.Algorithm, _ string) (token.VerificationKey, error) {
	if alg != token.HS256 {
		return token.VerificationKey{}, token.ErrUnknownKey
	}
	return s.key, nil
}

const (
	// unknownEvery is how often at most the set is read because of key ids that it doesn't
	// have: strangers make them up.
	unknownEvery = time.Minute
	// retryEvery is how often at most the set is read while that fails.
	retryEvery = 5 * time.Second
	// maxStale is for how long a set is used that can't be read again.
	maxStale = 24 * time.Hour
)

// set is a JWK Set that is read when it is needed. Finding a key in a fresh set takes no
// lock.
type set struct {
	what string // for messages: "the keys of NAME"
	read func(ctx context.Context) (document, error)
	now  func() time.Time

	known  atomic.Pointer[knownKeys]
	flight singleflight.Group

	mu      sync.Mutex
	tried   time.Time // when the set was last asked for
	lastErr error     // what came of that
}

// document is a JWK Set as it was read.
type document struct {
	body []byte
	age  time.Duration // for how long it is fresh
}

// keyID names a key within a set.
type keyID struct {
	alg token.Algorithm
	kid string
}

// knownKeys is a set that was read.
type knownKeys struct {
	byID map[keyID]token.VerificationKey
	sole map[token.Algorithm]*token.VerificationKey // nil: several keys of that algorithm
	at   time.Time
	age  time.Duration
}

// find returns the key for alg and kid; without kid, the only key of that algorithm.
func (k *knownKeys) find(alg token.Algorithm, kid string) (token.VerificationKey, bool) {
	if k == nil {
		return token.VerificationKey{}, false
	}
	if kid == "" {
		if key := k.sole[alg]; key != nil {
			return *key, true
		}
		return token.VerificationKey{}, false
	}
	key, ok := k.byID[keyID{alg, kid}]
	return key, ok
}

// within reports whether now is less than d after the set was read.
func (k *knownKeys) within(d time.Duration, now time.Time) bool {
	return k != nil && elapsed(k.at, now) < d
}

// elapsed returns how long ago at is. A clock that was set back makes it long ago.
func elapsed(at, now time.Time) time.Duration {
	if d := now.Sub(at); d >= 0 {
		return d
	}
	return maxStale
}

// find returns a key, and reads the set first where it is not fresh or lacks the key.
func (s *set) find(ctx context.Context, alg token.Algorithm, kid string) (token.VerificationKey, error) {
	if alg == token.HS256 {
		return token.VerificationKey{}, token.ErrUnknownKey // its keys are never public
	}
	known := s.known.Load()
	key, ok := known.find(alg, kid)
	if ok && known.within(known.age, s.now()) {
		return key, nil
	}
	err := s.refresh(ctx, ok)
	known = s.known.Load()
	switch key, ok = known.find(alg, kid); {
	case ok && known.within(maxStale, s.now()):
		return key, nil
	case err != nil, !known.within(maxStale, s.now()):
		return token.VerificationKey{}, fault.Wrap(err, fault.Unavailable, "%s can't be read now", s.what).Retry(retryEvery)
	}
	return token.VerificationKey{}, token.ErrUnknownKey
}

// refresh reads the set, unless that was done a moment ago. Requests that come meanwhile
// wait for the same answer. The error is that of the last reading.
func (s *set) refresh(ctx context.Context, hasKey bool) error {
	done := s.flight.DoChan("", func() (any, error) {
		if wait, err := s.recent(hasKey); wait {
			return nil, err
		}
		err := s.load(context.WithoutCancel(ctx))
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lastErr = err
		return nil, err
	})
	select {
	case res := <-done:
		return res.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// recent reports whether the set was read too short a time ago to be read again, and what
// came of that; if not, it counts as read now.
func (s *set) recent(hasKey bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, known := s.now(), s.known.Load()
	least := unknownEvery
	if hasKey || !known.within(maxStale, now) || !known.within(known.age, now) {
		least = retryEvery // it is stale, or there is none
	}
	if !s.tried.IsZero() && elapsed(s.tried, now) < least {
		return true, s.lastErr
	}
	s.tried = now
	return false, nil
}

// load reads the set once. On an error the keys stay what they were.
func (s *set) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	doc, err := s.read(ctx)
	if err != nil {
		return err
	}
	next, err := parseSet(doc.body)
	if err != nil {
		return err
	}
	next.at, next.age = s.now(), doc.age
	s.known.Store(next)
	return nil
}

// parseSet reads the JWK Set of another issuer. Keys that can't be used are left out: a
// set may hold keys of other types and for other uses, and a weak one spoils only itself.
// A private key, and two keys that one token could mean, spoil the set.
func parseSet(body []byte) (*knownKeys, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading a JWK Set: %w", err)
	}
	var members []map[string]any
	if err := json.Unmarshal(o["keys"], &members); err != nil || members == nil {
		return nil, errors.New("reading a JWK Set: keys isn't a list of objects")
	}
	k := &knownKeys{byID: map[keyID]token.VerificationKey{}, sole: map[token.Algorithm]*token.VerificationKey{}}
	for i, m := range members {
		if isPrivate(m) {
			return nil, fmt.Errorf("reading a JWK Set: key %d is a private key", i)
		}
		keys, err := token.ParseForeignJWK(m)
		if err != nil {
			continue
		}
		for _, key := range keys {
			if err := k.add(key); err != nil {
				return nil, fmt.Errorf("reading a JWK Set: key %d: %w", i, err)
			}
		}
	}
	if len(k.sole) == 0 {
		return nil, errors.New("reading a JWK Set: it has no key that can be used")
	}
	return k, nil
}

// isPrivate reports whether a JWK has the private member of its type: whoever can read the
// set could sign.
func isPrivate(m map[string]any) bool { return m["d"] != nil || m["k"] != nil }

func (k *knownKeys) add(key token.VerificationKey) error {
	if _, several := k.sole[key.Algorithm]; several {
		k.sole[key.Algorithm] = nil
	} else {
		k.sole[key.Algorithm] = &key
	}
	if key.KID == "" {
		return nil
	}
	id := keyID{key.Algorithm, key.KID}
	if _, taken := k.byID[id]; taken {
		return errors.New("a second key with this id")
	}
	k.byID[id] = key
	return nil
}

// fileAge is for how long a set that was read from a file is fresh.
const fileAge = time.Minute

// SetFile returns the keys of a JWK Set in a file. It is read now, and again when it is
// older than a minute, so that a key can be changed while the server runs; errors name the
// setting.
func SetFile(ctx context.Context, setting, path string, now func() time.Time) (Keys, error) {
	s := &set{what: setting, now: now, read: func(context.Context) (document, error) {
		body, err := readFile(path)
		return document{body: body, age: fileAge}, err
	}}
	if err := s.refresh(ctx, false); err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return s, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = errTooLarge
	}
	return body, err
}
