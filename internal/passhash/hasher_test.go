package passhash_test

import (
	"context"
	"errors"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/passhash"
)

var newHash = regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)

func TestHashGivesAnArgon2idHashThatVerifies(t *testing.T) {
	t.Parallel()
	h := passhash.New(passhash.Config{})
	for _, password := range []string{
		"test#password", " ", letmein, "a\x00b", "密碼🔑", strings.Repeat("x", 1024),
	} {
		hash, err := h.Hash(t.Context(), password)
		if err != nil {
			t.Fatalf("Hash(%q): %v", password, err)
		}
		if !newHash.MatchString(hash.Reveal()) {
			t.Errorf("Hash(%q) has another form", password)
		}
		if _, err := passhash.Parse(hash.Reveal()); err != nil {
			t.Errorf("ParseHash: %v", err)
		}
		got, err := h.Verify(t.Context(), hash, password)
		if err != nil || got != (passhash.Match{OK: true}) {
			t.Errorf("Verify(%q) = %+v, %v; want a fresh match", password, got, err)
		}
		got, err = h.Verify(t.Context(), hash, "Z"+password[1:])
		if err != nil || got.OK {
			t.Errorf("Verify of another password = %+v, %v", got, err)
		}
	}
}

func TestHashesOfOnePasswordDiffer(t *testing.T) {
	t.Parallel()
	h := passhash.New(passhash.Config{})
	a, errA := h.Hash(t.Context(), letmein)
	b, errB := h.Hash(t.Context(), letmein)
	if errA != nil || errB != nil || a == b {
		t.Errorf("two hashes are equal: %t (%v, %v)", a == b, errA, errB)
	}
}

func TestPasswordsOutOfBoundsAreRefused(t *testing.T) {
	t.Parallel()
	h := passhash.New(passhash.Config{})
	hash, err := h.Hash(t.Context(), letmein)
	if err != nil {
		t.Fatal(err)
	}
	for name, password := range map[string]string{
		"empty":         "",
		"too long":      strings.Repeat("x", 1025),
		"invalid UTF-8": "l\xe8tmein",
	} {
		if _, err := h.Hash(t.Context(), password); !fault.Is(err, fault.Invalid) {
			t.Errorf("Hash of one %s: %v; want Invalid", name, err)
		}
		if err := passhash.CheckBounds(password); !fault.Is(err, fault.Invalid) {
			t.Errorf("ValidatePassword of one %s: %v; want Invalid", name, err)
		}
		if got, err := h.Verify(t.Context(), hash, password); err != nil || got.OK {
			t.Errorf("Verify of one %s = %+v, %v", name, got, err)
		}
	}
}

func TestNoHashMatchesNothing(t *testing.T) {
	t.Parallel()
	h := passhash.New(passhash.Config{})
	for _, password := range []string{"", "password", " ", "\x00", letmein, digits} {
		got, err := h.Verify(t.Context(), "", password)
		if err != nil || got != (passhash.Match{}) {
			t.Errorf("Verify(%q) = %+v, %v", password, got, err)
		}
	}
}

// An unknown user, a wrong password, and a wrong password against a hash that
// costs nothing to check all take one hash of ours, and so the same time. It is
// counted in memory, which is exact on a busy machine: this test runs alone.
func TestAWrongPasswordCostsOneHashOfOurs(t *testing.T) {
	h := passhash.New(passhash.Config{Slots: 1})
	own, err := h.Hash(t.Context(), letmein)
	if err != nil {
		t.Fatal(err)
	}
	for name, hash := range map[string]passhash.Hash{
		"a known user":   own,
		"unknown user":   "",
		"Plone's SSHA":   "{SSHA}gCe35vmbeu5SV0M/FlK9n7jpnVnw8fLz9PX2",
		"cheap bcrypt":   "$2b$04$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS",
		"cheap argon2id": "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := h.Verify(t.Context(), hash, "wrong")
		runtime.ReadMemStats(&after)
		if err != nil || got.OK {
			t.Fatalf("%s: Verify = %+v, %v", name, got, err)
		}
		if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib < 19 || mib > 21 {
			t.Errorf("%s took %d MiB; a hash takes 19", name, mib)
		}
	}
}

func TestHashingHonoursTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := passhash.New(passhash.Config{})
	if _, err := h.Hash(ctx, letmein); !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Hash: %v; want Unavailable because it was cancelled", err)
	}
	if got, err := h.Verify(ctx, "", letmein); got.OK || !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 {
		t.Errorf("Verify = %+v, %v; want Unavailable with a time", got, err)
	}
	if n := h.Waiting(); n != 0 {
		t.Errorf("%d are waiting", n)
	}
}

func BenchmarkHash(b *testing.B) {
	h := passhash.New(passhash.Config{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Hash(b.Context(), letmein); err != nil {
			b.Fatal(err)
		}
	}
}
