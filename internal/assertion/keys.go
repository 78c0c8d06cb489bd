package assertion

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/secretfile"
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

// Shared returns the keys of an issuer whose secret may be replaced. The caller has
// checked the secret.
func Shared(shared *secretfile.Secret) Keys { return replaceable{shared} }

// replaceable is a secret that may be replaced.
type replaceable struct{ shared *secretfile.Secret }

func (s replaceable) find(ctx context.Context, alg token.Algorithm, kid string) (token.VerificationKey, error) {
	return secret{key: token.VerificationKey{Algorithm: token.HS256, Key: s.shared.Bytes()}}.find(ctx, alg, kid)
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

// set is a JWK Set that is read when it is needed.
type set struct{ keys *remote.Value[*knownKeys] }

// keyID names a key within a set.
type keyID struct {
	alg token.Algorithm
	kid string
}

// knownKeys is a set that was read.
type knownKeys struct {
	byID map[keyID]token.VerificationKey
	sole map[token.Algorithm]*token.VerificationKey // nil: several keys of that algorithm
}

// find returns the key for alg and kid; without kid, the only key of that algorithm.
func (k *knownKeys) find(alg token.Algorithm, kid string) (token.VerificationKey, bool) {
	if kid == "" {
		if key := k.sole[alg]; key != nil {
			return *key, true
		}
		return token.VerificationKey{}, false
	}
	key, ok := k.byID[keyID{alg, kid}]
	return key, ok
}

// find returns a key, and reads the set first where it is not fresh or lacks the key.
func (s set) find(ctx context.Context, alg token.Algorithm, kid string) (token.VerificationKey, error) {
	if alg == token.HS256 {
		return token.VerificationKey{}, token.ErrUnknownKey // its keys are never public
	}
	known, err := s.keys.Get(ctx, func(k *knownKeys) bool {
		_, ok := k.find(alg, kid)
		return ok
	})
	if err != nil {
		return token.VerificationKey{}, err
	}
	if key, ok := known.find(alg, kid); ok {
		return key, nil
	}
	return token.VerificationKey{}, token.ErrUnknownKey
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

// CheckSet returns what is wrong with a JWK Set whose keys are to check signatures, as Set would
// read it.
func CheckSet(body []byte) error {
	_, err := parseSet(body)
	return err
}

// Set returns the keys of a JWK Set that is at hand.
func Set(body []byte) (Keys, error) {
	k, err := parseSet(body)
	if err != nil {
		return nil, err
	}
	return fixed{k}, nil
}

// fixed is a JWK Set that doesn't change.
type fixed struct{ keys *knownKeys }

func (f fixed) find(_ context.Context, alg token.Algorithm, kid string) (token.VerificationKey, error) {
	key, ok := f.keys.find(alg, kid)
	if !ok || alg == token.HS256 {
		return token.VerificationKey{}, token.ErrUnknownKey
	}
	return key, nil
}

// isPrivate reports whether a JWK has the private member of its type. Everybody who
// reads the set could then sign with it.
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
	keys := remote.NewValue(remote.Config[*knownKeys]{What: setting, Now: now, Read: func(context.Context) (*knownKeys, time.Duration, error) {
		body, err := readFile(path)
		if err != nil {
			return nil, 0, err
		}
		k, err := parseSet(body)
		return k, fileAge, err
	}})
	if err := keys.Load(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return set{keys}, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(io.LimitReader(f, remote.MaxDocument+1))
	if err == nil && len(body) > remote.MaxDocument {
		err = remote.ErrTooLarge
	}
	return body, err
}

// SetConfig configures SetURL. All fields must be set.
type SetConfig struct {
	Name    string // of the issuer, for messages
	Address string
	Client  *http.Client // from remote.NewClient
	Now     func() time.Time
}

// SetURL returns the keys of a JWK Set at an address. It is fetched when a key is needed
// and kept as remote.Value says: again when its Cache-Control says so, and once a minute at
// most for a key that it doesn't have.
func SetURL(cfg SetConfig) (Keys, error) {
	if err := remote.CheckAddress(cfg.Address); err != nil {
		return nil, fmt.Errorf("the address of the JWK Set %w", err)
	}
	return SetFrom(cfg.Name, cfg.Now, func(ctx context.Context) ([]byte, http.Header, error) {
		return remote.Get(ctx, cfg.Client, cfg.Address, nil)
	}), nil
}

// SetFrom is SetURL for a set that is fetched in another way; name is the issuer's, for messages.
func SetFrom(name string, now func() time.Time, fetch func(context.Context) ([]byte, http.Header, error)) Keys {
	return set{remote.NewValue(remote.Config[*knownKeys]{What: "the keys of " + name, Now: now, Read: func(ctx context.Context) (*knownKeys, time.Duration, error) {
		body, header, err := fetch(ctx)
		if err != nil {
			return nil, 0, err
		}
		k, err := parseSet(body)
		return k, remote.KeySets.Freshness(header), err
	}})}
}
