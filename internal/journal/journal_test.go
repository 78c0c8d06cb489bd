package journal_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// meter notes what a journal counts.
type meter struct {
	mu       sync.Mutex
	entries  int
	last     journal.Revocation
	acks     int
	outcomes []string
}

func (m *meter) Revoked(r journal.Revocation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries += r.Entries
	m.last = r
}

func (m *meter) Acknowledged(time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acks++
}

func (m *meter) Waited(outcome string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outcomes = append(m.outcomes, outcome)
}

// disk is a store whose commits and list of nodes a test can break.
type disk struct {
	journal.Store
	commitErr, nodesErr error
	committed           func() // called when a commit is done
}

func (d *disk) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	if d.commitErr != nil {
		return 0, d.commitErr
	}
	seq, err := d.Store.Commit(ctx, b)
	if d.committed != nil {
		d.committed()
	}
	return seq, err
}

func (d *disk) Nodes(ctx context.Context, origin string) ([]revocation.Confirmation, error) {
	if d.nodesErr != nil {
		return nil, d.nodesErr
	}
	return d.Store.Nodes(ctx, origin)
}

// kit is a journal on a real node's store, with what a test changes about it.
type kit struct {
	*nodetest.Fixture
	*journal.Journal
	disk  *disk
	meter *meter
}

const staleness = 300 * time.Millisecond

func newKit(t *testing.T, change ...func(*journal.Config)) *kit {
	t.Helper()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Staleness = staleness }})
	return on(t, f, change...)
}

func on(t *testing.T, f *nodetest.Fixture, change ...func(*journal.Config)) *kit {
	t.Helper()
	k := &kit{Fixture: f, disk: &disk{Store: f.Store}, meter: &meter{}}
	c := journal.Config{
		Store: k.disk, Follower: f.Follower, Meter: k.meter, Wait: revocation.WaitNodes, Staleness: staleness,
		LongestToken: longest, LastExpiry: func() time.Time { return time.Time{} }, Now: f.Time, Clock: f.Ledger.Clock,
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	k.Journal, err = journal.New(c)
	nodetest.Must(t, err)
	return k
}

// kill is a batch that revokes a token of no concern.
func (k *kit) kill() op.Batch {
	return op.Batch{Log: []revocation.Entry{k.CutOff(revocation.Token, uuid.NewString())}}
}

// The log and the audit log record one moment for one act, whatever was
// put into the batch, and the events are fit to be printed.
func TestCommitDatesAndCleansABatch(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.Freeze()
	at := k.Time().Truncate(time.Microsecond) // as it is stored
	wrong := at.Add(-time.Hour)
	id := uuid.NewString()
	seq, err := k.Commit(t.Context(), op.Batch{
		Log: []revocation.Entry{{What: revocation.Token, ID: id, At: wrong}},
		Audit: []audit.Event{{
			At: wrong, Actor: "ada", Action: audit.TokenRevoke, Outcome: audit.OK, TokenID: id,
			Reason: "a\nline, \x1b[31mred\x1b[0m and \xff", Target: strings.Repeat("x", 1<<16),
		}},
	})
	nodetest.Must(t, err)
	e, found, err := k.Store.LogEntry(t.Context(), revocation.Token, id)
	if err != nil || !found || e.Seq != seq || !e.At.Equal(at) {
		t.Errorf("in the log: %+v, %t, %v; want it at %s as %d", e, found, err, at, seq)
	}
	events := k.Events(t, audit.Filter{Action: audit.TokenRevoke})
	if len(events) != 1 {
		t.Fatalf("events: %+v", events)
	}
	if got := events[0]; !got.At.Equal(at) || strings.ContainsAny(got.Reason, "\n\x1b") || !utf8.ValidString(got.Reason) || len(got.Target) > 4096 {
		t.Errorf("in the audit log: at %s, reason %q, a target of %d bytes", got.At, got.Reason, len(got.Target))
	}
}

func TestAnEventSaysWhereARequestCameFrom(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.Freeze()
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.7", RequestID: "r-1"})
	want := audit.Event{
		At: k.Time(), Actor: "ada", Action: audit.TokenIssue, Outcome: audit.OK, Address: "192.0.2.7", RequestID: "r-1",
	}
	if diff := cmp.Diff(want, k.Event(ctx, "ada", audit.TokenIssue)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A refusal is recorded with what the caller is told, and no more; one that can't be
// recorded is no refusal but a failure.
func TestRefuseRecordsTheReasonAndReturnsIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := errors.New("password hunter2 at db.internal")
	for recorded, reason := range map[string]error{
		"an administrator is needed": fault.New(fault.Forbidden, "an administrator is needed"),
		"internal error":             secret,
	} {
		before := len(k.Events(t, audit.Filter{Limit: audit.MaxLimit}))
		if err := k.Refuse(t.Context(), k.Event(t.Context(), "ada", audit.UserCreate), reason); !errors.Is(err, reason) {
			t.Errorf("%q is returned as %v", recorded, err)
		}
		events := k.Events(t, audit.Filter{Limit: audit.MaxLimit})
		if len(events) != before+1 || events[0].Outcome != audit.Refused || events[0].Reason != recorded || events[0].Actor != "ada" {
			t.Errorf("recorded: %+v, want %q", events[:len(events)-before], recorded)
		}
	}
	k.disk.commitErr = fault.New(fault.Unavailable, "the disk is full")
	err := k.Refuse(t.Context(), k.Event(t.Context(), "ada", audit.UserCreate), fault.New(fault.Forbidden, "no"))
	nodetest.WantFault(t, "one that isn't recorded", err, fault.Unavailable, "disk is full")
}

// An acknowledgement waits as it is asked to: for nothing, or until every node has
// confirmed or its lease has expired.
func TestAcknowledgementsWaitAsAsked(t *testing.T) {
	t.Parallel()
	acts := map[string]func(k *kit, w revocation.Wait) (revocation.Receipt, error){
		"revoke": func(k *kit, w revocation.Wait) (revocation.Receipt, error) { return k.Revoke(t.Context(), k.kill(), w) },
		"settled": func(k *kit, w revocation.Wait) (revocation.Receipt, error) {
			return k.Settled(t.Context(), k.Reading(), w)
		},
	}
	for name, act := range acts {
		for _, c := range []struct {
			wait, configured revocation.Wait
			waits            bool
		}{
			{revocation.WaitNone, revocation.WaitNodes, false},
			{revocation.WaitNodes, revocation.WaitNone, true},
			{revocation.WaitDefault, revocation.WaitNone, false},
			{revocation.WaitDefault, revocation.WaitNodes, true},
		} {
			k := newKit(t, func(j *journal.Config) { j.Wait = c.configured })
			before := k.Ledger.Applied()
			r, err := act(k, c.wait)
			nodetest.Must(t, err)
			if !r.Revoked || r.Seq != k.Ledger.Applied() || (r.Nodes != nil) != c.waits {
				t.Errorf("%s, wait %d of %d: %+v %+v", name, c.wait, c.configured, r, r.Nodes)
			}
			if c.waits && (*r.Nodes != revocation.Acknowledgement{Nodes: 1, Confirmed: 1} || !slices.Equal(k.meter.outcomes, []string{journal.WaitConfirmed}) || k.meter.acks != 1) {
				t.Errorf("%s: %+v, counted as %q", name, r.Nodes, k.meter.outcomes)
			}
			if !c.waits && len(k.meter.outcomes) != 0 {
				t.Errorf("%s waits for nothing and counts %q", name, k.meter.outcomes)
			}
			if committed := k.Ledger.Applied() - before; (committed == 1) != (name == "revoke") || int64(k.meter.entries) != committed {
				t.Errorf("%s commits %d entries and counts %d", name, committed, k.meter.entries)
			}
		}
	}
}

// A node that does not confirm is waited for until its lease has expired, and then
// dropped, so that the next revocation does not wait for it.
func TestASilentNodeIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	settings := func(s *node.Settings) { s.Staleness = staleness }
	o := nodetest.Options{Dir: t.TempDir(), Settings: settings}
	k := on(t, nodetest.New(t, o))
	nodetest.NewStill(t, o) // confirms nothing more
	for i, want := range []revocation.Acknowledgement{{Nodes: 2, Confirmed: 1, Expired: 1}, {Nodes: 1, Confirmed: 1}} {
		began := k.Ledger.Clock()
		r, err := k.Revoke(t.Context(), k.kill(), revocation.WaitNodes)
		took := k.Ledger.Clock() - began
		if err != nil || r.Nodes == nil || *r.Nodes != want {
			t.Errorf("revocation %d: %+v, %v; want %+v", i+1, r.Nodes, err, want)
		}
		if i == 0 && took < staleness {
			t.Errorf("acknowledged %s after the commit, within the lease of the silent node", took)
		}
	}
	if want := []string{journal.WaitExpired, journal.WaitConfirmed}; !slices.Equal(k.meter.outcomes, want) {
		t.Errorf("counted as %q, want %q", k.meter.outcomes, want)
	}
}

// Where nodes share a store, one that was silent for longer than its lease before the
// revocation is not waited for at all.
func TestADeadNodeIsNotWaitedForByAWatcher(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Staleness = staleness }})
	dead := revocation.Confirmation{Node: "dead", Seq: 0, Lease: time.Minute}
	nodetest.Must(t, f.Store.Confirm(t.Context(), dead))
	clock := new(time.Duration)
	watcher := revocation.NewNodeWatcher(f.Follower.List(f.Store.Nodes), func() time.Duration { return *clock })
	k := on(t, f, func(c *journal.Config) { c.Watcher, c.Clock = watcher, func() time.Duration { return *clock } })
	nodetest.Must(t, nodetest.Second(watcher.Read(t.Context())))
	*clock += 2 * time.Minute
	r, err := k.Revoke(t.Context(), k.kill(), revocation.WaitNodes)
	if err != nil || r.Nodes == nil || r.Nodes.Confirmed != 1 || r.Nodes.Expired != 1 {
		t.Errorf("%+v, %v", r.Nodes, err)
	}
}

// What is stored and not known to hold everywhere is not acknowledged, and said to be
// stored: asking again is safe.
func TestWhatIsNotKnownToHoldIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	t.Run("the nodes are not known", func(t *testing.T) {
		t.Parallel()
		k := newKit(t)
		k.disk.nodesErr = fault.New(fault.Unavailable, "connection refused")
		before := k.Ledger.Applied()
		_, err := k.Revoke(t.Context(), k.kill(), revocation.WaitNodes)
		nodetest.WantFault(t, "revoking", err, fault.Unavailable, "it is stored")
		if k.Ledger.Applied() != before+1 || fault.RetryAfter(err) <= 0 || !slices.Equal(k.meter.outcomes, []string{journal.WaitFailed}) || k.meter.acks != 0 {
			t.Errorf("applied up to %d, again after %s, counted as %q", k.Ledger.Applied(), fault.RetryAfter(err), k.meter.outcomes)
		}
		k.disk.nodesErr = nil
		nodetest.Must(t, nodetest.Second(k.Settled(t.Context(), k.Reading(), revocation.WaitNodes)))
	})
	t.Run("this node can't read the log", func(t *testing.T) {
		t.Parallel()
		n := nodetest.NewStill(t, nodetest.Options{Settings: func(s *node.Settings) { s.Staleness = staleness }})
		k := on(t, n.Fixture)
		n.Log.Reads.Store(true)
		for _, wait := range []revocation.Wait{revocation.WaitNone, revocation.WaitNodes} {
			_, err := k.Revoke(t.Context(), k.kill(), wait)
			nodetest.WantFault(t, "revoking", err, fault.Unavailable, "it is stored")
			_, err = k.Settled(t.Context(), k.Reading(), wait)
			nodetest.WantFault(t, "what is revoked already", err, fault.Unavailable, "try again")
		}
		n.Log.Reads.Store(false)
		nodetest.Must(t, k.CatchUp(t.Context()))
		if got := k.Ledger.Applied(); got < 2 {
			t.Errorf("what was stored is not in the log, which ends at %d", got)
		}
	})
	t.Run("the log was replaced", func(t *testing.T) {
		t.Parallel()
		n := nodetest.NewStill(t, nodetest.Options{Settings: func(s *node.Settings) { s.Staleness = staleness }})
		k := on(t, n.Fixture)
		n.Log.Server.Store(new("the first"))
		nodetest.Must(t, k.CatchUp(t.Context()))
		read := k.Reading()
		nodetest.Must(t, nodetest.Second(k.Settled(t.Context(), read, revocation.WaitNone)))
		n.Log.Server.Store(new("its successor"))
		for what, act := range map[string]func() (revocation.Receipt, error){
			"settled": func() (revocation.Receipt, error) { return k.Settled(t.Context(), read, revocation.WaitNone) },
			"the rest": func() (revocation.Receipt, error) {
				return k.RevokeRest(t.Context(), k.kill(), read, revocation.WaitNone)
			},
		} {
			_, err := act()
			nodetest.WantFault(t, what, err, fault.Unavailable, "try again")
		}
		nodetest.Must(t, nodetest.Second(k.Settled(t.Context(), k.Reading(), revocation.WaitNone)))
	})
	t.Run("it isn't stored", func(t *testing.T) {
		t.Parallel()
		k := newKit(t)
		k.disk.commitErr = fault.New(fault.Conflict, "somebody was faster")
		_, err := k.Revoke(t.Context(), k.kill(), revocation.WaitNodes)
		nodetest.WantFault(t, "revoking", err, fault.Conflict, "somebody was faster")
		if k.meter.entries != 0 || len(k.meter.outcomes) != 0 {
			t.Errorf("counts %d entries and %q", k.meter.entries, k.meter.outcomes)
		}
	})
}

// A client that goes away once the batch is stored changes nothing of the wait: what
// it asked for is as far as it would have come.
func TestAClientThatGoesAwayEndsNoWait(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	ctx, cancel := context.WithCancel(t.Context())
	k.disk.committed = cancel
	r, err := k.Revoke(ctx, k.kill(), revocation.WaitNodes)
	if err != nil || r.Nodes == nil || r.Nodes.Confirmed != 1 {
		t.Errorf("%+v, %v", r.Nodes, err)
	}
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	good := journal.Config{
		Store: f.Store, Follower: f.Follower, Wait: revocation.WaitNone, Staleness: time.Second, LongestToken: time.Hour,
		LastExpiry: f.Ring.LastExpiry, Now: f.Time, Clock: f.Ledger.Clock,
	}
	nodetest.Must(t, nodetest.Second(journal.New(good)))
	for name, spoil := range map[string]func(*journal.Config){
		"store":         func(c *journal.Config) { c.Store = nil },
		"follower":      func(c *journal.Config) { c.Follower = nil },
		"wall clock":    func(c *journal.Config) { c.Now = nil },
		"boot clock":    func(c *journal.Config) { c.Clock = nil },
		"last expiry":   func(c *journal.Config) { c.LastExpiry = nil },
		"wait":          func(c *journal.Config) { c.Wait = revocation.WaitDefault },
		"staleness":     func(c *journal.Config) { c.Staleness = 0 },
		"longest token": func(c *journal.Config) { c.LongestToken = 0 },
	} {
		c := good
		spoil(&c)
		if _, err := journal.New(c); err == nil {
			t.Errorf("made without its %s", name)
		}
	}
}
