package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records/op"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	parts "github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
)

// node is an authority whose clocks stand still until the test moves them, whose
// log the test can cut off, and whose signing keys the test brings along.
type node struct {
	*parts.Node
	now   func() time.Time
	store *store.Store
	log   *cuttableLog
	clock atomic.Int64 // the boot-time clock
}

type nodeOptions struct {
	issuer, audience string
	now              time.Time
	keys             []token.SigningKey // none: one is made
	secret           []byte             // of HS256
}

// cuttableLog is a log that can't be reached while it is cut.
type cuttableLog struct {
	revocation.Log
	cut atomic.Bool
}

var errCut = errors.New("the log can't be reached")

func (l *cuttableLog) Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error) {
	if l.cut.Load() {
		return revocation.Page{}, errCut
	}
	return l.Log.Entries(ctx, after, limit)
}

func newNode(t testing.TB, o nodeOptions) *node {
	t.Helper()
	dir, n := t.TempDir(), &node{}
	n.clock.Store(int64(time.Hour))
	now := func() time.Time { return o.now }
	clock := func() time.Duration { return time.Duration(n.clock.Load()) }
	var err error
	n.store, err = store.Open(t.Context(), filepath.Join(dir, "bearerd.db"), store.Options{Now: now})
	must(t, err)
	t.Cleanup(func() { _ = n.store.Close() })
	n.log = &cuttableLog{Log: n.store}
	n.now = now
	follower, err := revocation.NewFollower(revocation.Config{
		Log: n.log, Ledger: revocation.NewLedger(clock, now), Node: "node", Staleness: 2 * time.Second,
	})
	must(t, err)
	settings := nodetest.DefaultSettings()
	settings.Policy.Issuer, settings.Policy.DefaultAudience = o.issuer, o.audience
	forms, err := token.NewForms(token.PrefixAPIToken)
	must(t, err)
	n.Node, err = parts.New(parts.Config{
		Store: n.store, Ring: openRing(t, n.store, o, now), Follower: follower,
		Hasher: passhash.New(passhash.Config{}), Forms: forms, Settings: settings,
		Clocks: parts.Clocks{Now: now, Boot: clock}, Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	must(t, follower.CatchUp(t.Context()))
	return n
}

func (n *node) gate() *gateway.Gate {
	return &gateway.Gate{Verifier: n.Verifier, Now: n.now, Challenge: challenge}
}

func openRing(t testing.TB, s *store.Store, o nodeOptions, now func() time.Time) *keyring.Ring {
	t.Helper()
	cfg := keyring.Config{Algorithm: token.EdDSA, LongestToken: 720 * time.Hour, Now: now, Store: s}
	if o.secret != nil {
		cfg = keyring.Config{Algorithm: token.HS256, Secret: o.secret, Now: now}
	} else {
		var err error
		cfg.Master, err = keyring.MakeMaster(filepath.Join(t.TempDir(), "master.key"))
		must(t, err)
		must(t, s.ChangeSigningKeys(t.Context(), func([]keyring.Key) ([]keyring.Key, error) {
			return sealed(t, cfg.Master, o)
		}))
	}
	ring, err := keyring.Open(t.Context(), cfg)
	must(t, err)
	return ring
}

// sealed returns the keys as they are stored: one is active, and the others verify.
func sealed(t testing.TB, m keyring.Master, o nodeOptions) ([]keyring.Key, error) {
	t.Helper()
	var keys []keyring.Key
	for i, k := range o.keys {
		box, err := m.Seal(k)
		must(t, err)
		key := keyring.Key{
			KID: k.KID, Algorithm: k.Algorithm, State: keyring.Active, Sealed: box,
			CreatedAt: o.now.Add(-time.Hour), ActiveAt: o.now.Add(-time.Hour),
		}
		if i > 0 {
			key.State, key.RetiredAt, key.GoneAt = keyring.Retired, o.now.Add(-time.Minute), o.now.Add(time.Hour)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addClient(t testing.TB, n *node, id string) {
	t.Helper()
	_, err := n.store.Commit(t.Context(), op.Batch{Ops: []op.Op{op.CreateClient{Client: identity.Client{ID: id}}}})
	must(t, err)
}
