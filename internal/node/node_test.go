package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

var operator = caller.Operator()

// used returns when and from where the store knows that a token was used.
func used(t *testing.T, f *nodetest.Fixture, issued *issuance.Issued) (at time.Time, by string) {
	t.Helper()
	row, _, err := f.Store.TokenByID(t.Context(), issued.ID)
	nodetest.Must(t, err)
	return row.LastUsedAt, row.LastUsedBy
}

// Verifying writes nothing. Last uses are written by and by, and those that are left
// when the node ends.
func TestLastUsesAreWrittenWhenTheNodeEnds(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	issued := f.APIToken(t, f.Person(t, "ada"), credentials.NewCredential{})
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	from := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.7"})
	nodetest.Must(t, nodetest.Second(f.Verify(from, issued.Value.Reveal(), verification.Requirements{})))
	if at, _ := used(t, f, issued); !at.IsZero() {
		t.Errorf("written at once: %s", at)
	}
	end()
	running.Wait()
	if at, by := used(t, f, issued); !at.Equal(f.Time().Truncate(time.Microsecond)) || by != "192.0.2.7" {
		t.Errorf("used at %s by %q, want %s", at, by, f.Time())
	}
}

// touchless is a store that takes no last uses.
type touchless struct{ contract.Store }

var errFull = errors.New("the disk is full")

func (touchless) Touch(context.Context, []records.Use) error { return errFull }

func TestLastUsesThatCantBeWrittenAreLostAndReported(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	f := nodetest.New(t, nodetest.Options{
		Still: true, Store: func(s contract.Store) contract.Store { return touchless{s} }, Logger: slog.New(slog.NewTextHandler(&lines, nil)),
	})
	issued := f.APIToken(t, f.Person(t, "ada"), credentials.NewCredential{})
	f.WantAlive(t, "the token", issued)
	if err := f.FlushUses(t.Context()); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	nodetest.Must(t, f.FlushUses(t.Context())) // nothing is left
	f.Advance(time.Minute)
	f.WantAlive(t, "the token", issued)
	ctx, end := context.WithCancel(t.Context())
	end()
	nodetest.Must(t, f.Run(ctx))
	if !strings.Contains(lines.String(), "writing last uses") {
		t.Errorf("logged:\n%s", &lines)
	}
}

// What a revoked key signed is refused as soon as the log says so, before the ring is
// read, and the ring is read soon.
func TestKeysAreReadWhenTheLogSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.NewStill(t, nodetest.Options{Dir: dir})
	ada := here.Person(t, "ada")
	old := here.Signer(t)
	issued := here.MadeAccess(t, ada)
	there.WantAlive(t, "before", issued)
	nodetest.Must(t, nodetest.Second(here.RetireKey(t.Context(), operator.Waiting(revocation.WaitNone), old)))
	nodetest.Must(t, there.Follower.CatchUp(t.Context()))
	if key, known := there.Ring.Find(old); !known || !key.Revoked {
		t.Errorf("the revoked key: %t, %+v", known, key)
	}
	there.WantDead(t, "by the revoked key", issued)
	if _, err := there.Ring.Signing(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("signing before the next key was read: %v", err)
	}
	there.KeepHouse(t)
	nodetest.Eventually(t, func() error {
		key, err := there.Ring.Signing()
		if err == nil && key.KID == old {
			err = errors.New("the revoked key signs")
		}
		return err
	})
	here.WantAlive(t, "by the next key", there.MadeAccess(t, there.SignedIn(t, "ada")))

	// A new key is no revocation, and read as soon.
	next := here.Signer(t)
	nodetest.Must(t, here.RotateKeys(t.Context(), operator, true))
	nodetest.Must(t, there.Follower.CatchUp(t.Context()))
	if key, known := there.Ring.Find(next); !known || key.Revoked {
		t.Errorf("the key before the new one: %t, %+v", known, key)
	}
	nodetest.Eventually(t, func() error {
		if got := there.Signer(t); got != here.Signer(t) {
			return fmt.Errorf("the key %s signs still", got)
		}
		return nil
	})
}

// An API token that was regenerated with an overlap ends when its successor is used.
func TestTheOldValueEndsWhenTheNewOneIsUsed(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	old := f.APIToken(t, ada, credentials.NewCredential{})
	renewed, err := f.Regenerate(t.Context(), ada, old.ID, 3600)
	nodetest.Must(t, err)
	f.KeepHouse(t)
	f.WantAlive(t, "the old value in the overlap", old)
	f.WantAlive(t, "the new value", renewed)
	nodetest.Eventually(t, func() error {
		if _, err := f.Judge(t, old); err == nil {
			return errors.New("the old value is good still")
		}
		return nil
	})
	f.WantDead(t, "the old value", old)
	f.WantAlive(t, "the new value", renewed)
}

func TestStatusSaysWhetherANodeIsReady(t *testing.T) {
	t.Parallel()
	n := nodetest.NewStill(t, nodetest.Options{})
	if s := n.Status(); s.Unready() != "" || !s.Ready || !s.Fresh || s.TokenCacheBytes != 0 {
		t.Errorf("a node that has just asked: %q, %+v", s.Unready(), s)
	}
	n.WantAlive(t, "a token", n.MadeAccess(t, n.Person(t, "ada")))
	if s := n.Status(); s.TokenCacheBytes == 0 || s.TokenCacheBytes != n.CacheBytes() {
		t.Errorf("%d bytes of facts, want %d", s.TokenCacheBytes, n.CacheBytes())
	}
	n.Pass(time.Minute)
	if why := n.Status().Unready(); why != "no news of the revocation log" {
		t.Errorf("without a lease: %q", why)
	}
	if why := (node.Status{Status: revocation.Status{Unwritten: true}}).Unready(); why != "the database takes no writes; the log says why" {
		t.Errorf("a node that can't confirm: %q", why)
	}
	if why := (node.Status{Status: revocation.Status{Unwritten: true, Fresh: true, Ready: true}}).Unready(); why != "" {
		t.Errorf("one that holds a lease all the same: %q", why)
	}
	if why := (node.Status{}).Unready(); why != "reading the revocation log" {
		t.Errorf("before the first lease: %q", why)
	}
	if count, err := n.Nodes(t.Context()); count != 1 || err != nil {
		t.Errorf("%d nodes, %v", count, err)
	}
	nodetest.Must(t, n.WatchNodes(t.Context())) // there is no watcher
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	forms, err := token.NewForms(token.PrefixAPIToken)
	nodetest.Must(t, err)
	good := node.Config{
		Store: f.Store, Follower: f.Follower, Ring: f.Ring, Hasher: f.Hasher, Forms: forms, Settings: f.Settings,
		Clocks: node.Clocks{Now: f.Time, Boot: f.Ledger.Clock}, Log: slog.New(slog.DiscardHandler),
	}
	nodetest.Must(t, nodetest.Second(node.New(good)))
	for name, spoil := range map[string]func(*node.Config){
		"store":             func(c *node.Config) { c.Store = nil },
		"follower":          func(c *node.Config) { c.Follower = nil },
		"ring":              func(c *node.Config) { c.Ring = nil },
		"hasher":            func(c *node.Config) { c.Hasher = nil },
		"wall clock":        func(c *node.Config) { c.Clocks.Now = nil },
		"boot clock":        func(c *node.Config) { c.Clocks.Boot = nil },
		"log":               func(c *node.Config) { c.Log = nil },
		"issuer":            func(c *node.Config) { c.Settings.Policy.Issuer = "" },
		"audience":          func(c *node.Config) { c.Settings.Policy.DefaultAudience = "" },
		"staleness":         func(c *node.Config) { c.Settings.Staleness = 0 },
		"wait":              func(c *node.Config) { c.Settings.Wait = revocation.WaitDefault },
		"room for one fact": func(c *node.Config) { c.Settings.CacheBytes = 1 },
	} {
		c := good
		spoil(&c)
		if _, err := node.New(c); err == nil {
			t.Errorf("made without its %s", name)
		}
	}
}

// A node whose clock is far behind starts after the purge of what revoked a token, which
// is unexpired by that clock.
func TestANodeWhoseClockIsBehindAcceptsNothingThatWasPurged(t *testing.T) {
	t.Parallel()
	o := nodetest.Options{Dir: t.TempDir()}
	f := nodetest.New(t, o)
	f.User(t, "ada", "")
	issued, err := f.IssueFor(t.Context(), operator, "ada", &issuance.Request{Kind: token.KindAccess})
	nodetest.Must(t, err)
	f.WantAlive(t, "the token", issued)
	nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), operator, issued.ID)))
	e, found, err := f.Store.LogEntry(t.Context(), revocation.Token, issued.ID)
	if err != nil || !found {
		t.Fatalf("the entry: %t, %v", found, err)
	}
	f.Advance(e.Until.Sub(f.Time()))
	f.User(t, "bob", "")
	f.RevokeAllOfUser(t, "bob") // by which the log says what time it is
	nodetest.Must(t, f.Store.Purge(t.Context(), f.Time()))
	if p, err := f.Store.Entries(t.Context(), 0, 1); err != nil || p.Purged < e.Seq {
		t.Fatalf("the entry isn't purged: %+v, %v", p, err)
	}
	behind := nodetest.New(t, o)
	_, err = behind.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{AnyAudience: true})
	nodetest.WantFault(t, "the token", err, fault.InvalidToken, "expired")
}
