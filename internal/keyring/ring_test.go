package keyring_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/token"
)

func TestOpenMakesTheFirstKeyOnce(t *testing.T) {
	t.Parallel()
	for _, alg := range []token.Algorithm{token.EdDSA, token.ES256, token.RS256, token.PS256} {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			store, c := &memory{}, newClock()
			cfg := config(t, store, c)
			cfg.Algorithm = alg
			r := open(t, cfg)
			k := signing(t, r)
			if sum, err := k.Verification().Thumbprint(); err != nil || sum != k.KID || k.Algorithm != alg {
				t.Errorf("the key %s is no %s key of thumbprint %s: %v", k, alg, sum, err)
			}
			raw := issue(t, r, c.now())
			again := open(t, cfg) // a restart
			if got := signing(t, again); got.KID != k.KID || store.writes.Load() != 1 {
				t.Errorf("after a restart %s signs, was %s; %d writes", got, k, store.writes.Load())
			}
			do(t, verify(again, raw))
		})
	}
}

func TestKeysAreStoredSealed(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	text, err := json.Marshal(store.keys)
	if err != nil {
		t.Fatal(err)
	}
	private, ok := signing(t, r).Key.(interface{ Seed() []byte })
	if !ok {
		t.Fatal("no Ed25519 key")
	}
	if strings.Contains(string(store.keys[0].Sealed), string(private.Seed())) {
		t.Errorf("the private key is stored in the clear: %s", text)
	}
}

func TestJWKSetNamesEveryKeyInFull(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	c.pass(time.Hour)
	do(t, r.Rotate(t.Context(), false))
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(r.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 2 || set.Keys[0]["kid"] != signing(t, r).KID {
		t.Errorf("the set is %s; the active key comes first, then the next", r.JWKS())
	}
	for _, k := range set.Keys {
		x := k["x"]
		want := map[string]string{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": k["kid"], "x": x}
		if diff := cmp.Diff(want, k); diff != "" || len(x) != 43 || len(k["kid"]) != 43 {
			t.Errorf("a key of the set (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(len(set.Keys), len(r.Public())); diff != "" {
		t.Errorf("Public differs from the set: %s", diff)
	}
}

func TestRingKeepsToWhatItKnowsWhenTheStoreIsAway(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	raw := issue(t, r, c.now())
	store.fail(errors.New("away"))
	for name, err := range map[string]error{
		"Refresh": r.Refresh(t.Context()), "Tend": r.Tend(t.Context()), "Rotate": r.Rotate(t.Context(), true),
		"Retire": r.Retire(t.Context(), signing(t, r).KID), "RefreshUnknown": r.RefreshUnknown(t.Context(), "x"),
	} {
		if err == nil || !strings.Contains(err.Error(), "away") {
			t.Errorf("%s says %v", name, err)
		}
	}
	do(t, verify(r, raw))
	do(t, verify(r, issue(t, r, c.now())))
}

func TestOpenNamesTheMasterKeyThatDoesNotFit(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	open(t, cfg)
	path := filepath.Join(t.TempDir(), "wrong.key")
	wrong, err := keyring.MakeMaster(path)
	do(t, err)
	cfg.Master = wrong
	r, err := keyring.Open(t.Context(), cfg)
	if r != nil || err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "master_key_file") {
		t.Errorf("Open with another master key: %v", err)
	}
}

func TestSealedKeysCannotStandInForOneAnother(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(k, other *keyring.Key){
		"another key's":     func(k, other *keyring.Key) { k.Sealed = other.Sealed },
		"another algorithm": func(k, _ *keyring.Key) { k.Algorithm = token.ES256 },
		"one bit":           func(k, _ *keyring.Key) { k.Sealed = flip(k.Sealed, len(k.Sealed)-1) },
		"the nonce":         func(k, _ *keyring.Key) { k.Sealed = flip(k.Sealed, 3) },
		"the version":       func(k, _ *keyring.Key) { k.Sealed = flip(k.Sealed, 0) },
		"cut":               func(k, _ *keyring.Key) { k.Sealed = k.Sealed[:12] },
		"nothing":           func(k, _ *keyring.Key) { k.Sealed = nil },
	} {
		store, c := &memory{}, newClock()
		cfg := config(t, store, c)
		do(t, open(t, cfg).Rotate(t.Context(), false))
		spoil(&store.keys[0], &store.keys[1])
		if _, err := keyring.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), store.keys[0].KID) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealedKeyIsBoundToItsAlgorithm(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	cfg.Algorithm = token.RS256 // one sort of key for two algorithms
	open(t, cfg)
	store.keys[0].Algorithm = token.PS256
	if _, err := keyring.Open(t.Context(), cfg); err == nil {
		t.Error("an RS256 key was opened as one for PS256")
	}
}

func flip(b []byte, i int) []byte {
	out := slices.Clone(b)
	out[i] ^= 1
	return out
}

func TestOpenRefusesBadConfigurations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*keyring.Config)
		says  string
	}{
		"no algorithm":       {func(c *keyring.Config) { c.Algorithm = "" }, "signing.algorithm"},
		"alg none":           {func(c *keyring.Config) { c.Algorithm = "none" }, "signing.algorithm"},
		"no clock":           {func(c *keyring.Config) { c.Now = nil }, "Now"},
		"no store":           {func(c *keyring.Config) { c.Store = nil }, "Store"},
		"no master key":      {func(c *keyring.Config) { c.Master = keyring.Master{} }, "Master"},
		"tokens of no life":  {func(c *keyring.Config) { c.LongestToken = 0 }, "LongestToken"},
		"negative cache":     {func(c *keyring.Config) { c.CacheTime = -1 }, "CacheTime"},
		"negative lag":       {func(c *keyring.Config) { c.Lag = -1 }, "Lag"},
		"rotating too often": {func(c *keyring.Config) { c.RotateEvery = show }, "signing.rotate_every"},
		"negative rotation":  {func(c *keyring.Config) { c.RotateEvery = -1 }, "signing.rotate_every"},
		"a secret too many":  {func(c *keyring.Config) { c.Secret = []byte("x") }, "signing.secret_file"},
		"no secret":          {func(c *keyring.Config) { c.Algorithm = token.HS256 }, "signing.secret_file"},
	} {
		store := &memory{}
		cfg := config(t, store, newClock())
		c.spoil(&cfg)
		if r, err := keyring.Open(t.Context(), cfg); r != nil || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error about %s", name, err, c.says)
		}
		if len(store.keys) > 0 {
			t.Errorf("%s: a key was made", name)
		}
	}
}

// Keys that the store may have lost sign nothing until they are read again.
func TestDoubtedKeysSignNothingUntilTheyAreRead(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	kept := slices.Clone(store.keys)
	do(t, r.Rotate(t.Context(), true))
	lost := signing(t, r).KID
	store.keys = kept // the server that had the second key is gone
	r.Doubt()
	if k, err := r.Signing(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%s signs, %v", k.KID, err)
	}
	do(t, r.Refresh(t.Context()))
	if got := signing(t, r).KID; got == lost || got != kept[0].KID {
		t.Errorf("%s signs, the store has %s", got, kept[0].KID)
	}
	if _, found := r.Find(lost); found {
		t.Error("the key that was lost is still known")
	}
}
