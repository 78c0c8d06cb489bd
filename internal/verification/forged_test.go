package verification_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// files returns the digests of a database's files, which no reader changes.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"bearerd.db", "bearerd.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		nodetest.Must(t, err)
		out[name] = fmt.Sprintf("%d bytes, %x", len(b), sha256.Sum256(b))
	}
	return out
}

// quiet returns a node whose lease lasts for the whole test and that asks nothing by itself.
func quiet(tb testing.TB, dir string) *nodetest.Fixture {
	tb.Helper()
	return nodetest.New(tb, nodetest.Options{
		File: true,
		Dir:  dir, Still: true, Settings: func(s *node.Settings) { s.Staleness, s.Wait = time.Hour, revocation.WaitNone },
	})
}

// opaque returns a token of the right form, checksum and all, that was never issued.
func opaque(prefix string, i int) string {
	body := fmt.Sprintf("%030d", i)
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum, tail := crc32.ChecksumIEEE([]byte(body)), [6]byte{}
	for j := range tail {
		tail[5-j], sum = digits[sum%62], sum/62
	}
	return prefix + body + string(tail[:])
}

// A forgery writes nothing, and costs a look-up only where its form is right.
func TestForgedTokensLeaveNoTraceAndCostNoQuery(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := quiet(t, dir)
	ada := f.Person(t, "ada")
	good := f.APIToken(t, ada, credentials.NewCredential{})
	genuine := f.MadeAccess(t, ada).Value.Reveal()
	session := f.SessionOf(t, "ada").Value.Reveal()
	nodetest.Must(t, f.FlushUses(t.Context()))
	_, stranger, err := ed25519.GenerateKey(nil)
	nodetest.Must(t, err)
	signing, err := f.Ring.Signing()
	nodetest.Must(t, err)
	invented := func(i int, key token.SigningKey) string {
		raw, err := token.Sign(key, token.TypeAccess, token.Claims{
			Issuer: nodetest.Issuer, Subject: uuid.NewString(), Audience: []string{nodetest.Issuer}, ClientID: "x",
			Username: fmt.Sprintf("user-%d", i), ID: uuid.NewString(), IssuedAt: f.Time(), Expiry: f.Time().Add(time.Hour),
		})
		nodetest.Must(t, err)
		return raw
	}
	sample := invented(0, token.SigningKey{KID: signing.KID, Algorithm: token.EdDSA, Key: stranger})
	swap := func(s string, i int) string { // another character at a place that moves
		b := []byte(s)
		at := i % len(b)
		if b[at]++; b[at] == '.' || b[at] > 'y' {
			b[at] = 'A'
		}
		return string(b)
	}
	for _, forgery := range []struct {
		name    string
		n       int
		raw     func(i int) string
		queries int64 // at most, for each
	}{
		{"junk", 20_000, func(i int) string { return strings.Repeat("x", i%100) + fmt.Sprint(i) }, 0},
		{"junk after the right prefix", 20_000, func(i int) string { return "bda_" + fmt.Sprint(i) }, 0},
		{"a wrong checksum", 20_000, func(i int) string { return opaque("bda_", i)[:39] + "0" + fmt.Sprint(i%10) }, 0},
		{"a wrong checksum of the right length", 20_000, func(i int) string { return opaque("bds_", i)[:34] + fmt.Sprintf("%06d", i) }, 0},
		{"a character of a real one", 36, func(i int) string { return good.Value.Reveal()[:4] + swap(good.Value.Reveal()[4:], i) }, 0},
		{"three parts of junk", 10_000, func(i int) string { return fmt.Sprintf("%d.%d.%d", i, i, i) }, 0},
		{"a bad signature", 4_000, func(i int) string { return genuine[:len(genuine)-8] + fmt.Sprintf("%07dA", i) }, 0},
		{"a changed payload", 2_000, func(i int) string { return swap(genuine, len(genuine)/3+i%200) }, 0},
		{"invented users by a stranger's key", 2_000, func(i int) string {
			return sample[:len(sample)-8] + fmt.Sprintf("%07dQ", i)
		}, 0},
		{"invented users, each signed", 500, func(i int) string {
			return invented(i, token.SigningKey{KID: signing.KID, Algorithm: token.EdDSA, Key: stranger})
		}, 0},
		{"the right form, never issued", 2_000, func(i int) string { return opaque("bda_", i) }, 1},
	} {
		before, asked := files(t, dir), f.Store.Queries()
		for i := range forgery.n {
			if _, err := f.Verify(t.Context(), forgery.raw(i), verification.Requirements{Kinds: nodetest.EveryKind(), AnyAudience: true}); !fault.Is(err, fault.InvalidToken) {
				t.Fatalf("%s, %q: %v", forgery.name, forgery.raw(i), err)
			} else if fault.Message(err) != token.ReasonMalformed {
				t.Fatalf("%s is refused as %q", forgery.name, fault.Message(err))
			}
		}
		if n := f.Store.Queries() - asked; n > forgery.queries*int64(forgery.n) {
			t.Errorf("%s: %d queries for %d tokens", forgery.name, n, forgery.n)
		}
		if diff := cmp.Diff(before, files(t, dir)); diff != "" {
			t.Errorf("%s changed the database:\n%s", forgery.name, diff)
		}
	}
	before, asked := files(t, dir), f.Store.Queries()
	unknown := token.SigningKey{KID: "unknown", Algorithm: token.EdDSA, Key: stranger}
	for i := range 1000 {
		unknown.KID = fmt.Sprintf("unknown-%d", i)
		_, err := f.Verify(t.Context(), invented(i, unknown), verification.Requirements{})
		nodetest.WantFault(t, "an unknown key", err, fault.InvalidToken, token.ReasonMalformed)
	}
	if n := f.Store.Queries() - asked; n > 20 {
		t.Errorf("%d queries for 1000 unknown keys within a moment", n)
	}
	// Neither do good tokens leave a trace by being verified, whatever is asked of them.
	for range 100 {
		f.WantAlive(t, "an API token", good)
		nodetest.Must(t, nodetest.Second(f.Verify(t.Context(), genuine, verification.Requirements{})))
		nodetest.Must(t, nodetest.Second(f.Session(t.Context(), session)))
		_, err := f.Verify(t.Context(), genuine, verification.Requirements{Collection: new(int64(9))})
		nodetest.WantFault(t, "a collection that isn't there", err, fault.InsufficientScope, "")
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("verifying changed the database:\n%s", diff)
	}
}
