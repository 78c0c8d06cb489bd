package journal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/storetest"
)

var errWrong = fault.New(fault.BadCredentials, "wrong username or password")

// refuse refuses something to an actor, "" for a stranger, at an address.
func refuse(t *testing.T, f *nodetest.Fixture, e audit.Event, reason error) {
	t.Helper()
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: e.Address, RequestID: e.RequestID})
	if err := f.Journal.Refuse(ctx, e, reason); !errors.Is(err, reason) {
		t.Fatalf("%v, want the reason", err)
	}
}

func stranger(address, target string) audit.Event {
	return audit.Event{Action: audit.Login, Target: target, Address: address, RequestID: "r"}
}

func flush(t *testing.T, f *nodetest.Fixture) {
	t.Helper()
	nodetest.Must(t, f.Journal.FlushRefusals(t.Context(), false))
}

// counts returns the counts of the rows that say that something was refused, oldest first.
func counts(t *testing.T, f *nodetest.Fixture) (all []int64) {
	t.Helper()
	for _, e := range f.Events(t, audit.Filter{Limit: audit.MaxLimit}) {
		if e.Outcome == audit.Refused {
			all = append(all, e.Count)
		}
	}
	slices.Reverse(all)
	return all
}

func want(t *testing.T, f *nodetest.Fixture, what string, rows ...int64) {
	t.Helper()
	if got := counts(t, f); !slices.Equal(got, rows) {
		t.Errorf("%s: rows that count %v, want %v", what, got, rows)
	}
}

func TestARefusalThatComesAloneIsWrittenBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	refuse(t, f, stranger("192.0.2.1", "ada"), errWrong)
	events := f.Events(t, audit.Filter{Action: audit.Login})
	if len(events) != 1 || events[0].Count != 1 || events[0].Target != "ada" || events[0].RequestID != "r" ||
		events[0].Reason != "wrong username or password" || events[0].Outcome != audit.Refused {
		t.Errorf("%+v", events)
	}
}

// However many refusals come from one address, the log has one row a minute of them.
func TestRefusalsAreCountedByTheMinute(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	began := f.Time()
	again := func(n int) {
		t.Helper()
		for range n {
			refuse(t, f, stranger("192.0.2.1", "ada"), errWrong)
		}
	}
	again(5000)
	f.Advance(59 * time.Second)
	flush(t, f)
	want(t, f, "within the minute", 1)
	f.Advance(time.Second)
	flush(t, f)
	want(t, f, "after it", 5000)
	again(3000)
	want(t, f, "in the next", 5000)
	f.Advance(time.Minute)
	flush(t, f)
	want(t, f, "after the next", 5000, 3000)
	again(1)
	f.Advance(time.Minute)
	flush(t, f)
	want(t, f, "one alone while it goes on", 5000, 3000, 1)
	f.Advance(time.Minute)
	flush(t, f)
	again(1)
	want(t, f, "one after a minute of quiet is written at once", 5000, 3000, 1, 1)
	events := f.Events(t, audit.Filter{Action: audit.Login})
	for i, e := range slices.Backward(events) { // each says when its minute began
		at := []time.Duration{4 * time.Minute, 2 * time.Minute, time.Minute, 0}[i]
		if got := e.At.Sub(began.Truncate(time.Microsecond)); got != at {
			t.Errorf("row %d is of %v after the first, want %v", i, got, at)
		}
	}
}

// Different refusals are counted separately: by address, action and reason for unknown
// callers; by actor, action and reason for known callers, from any address.
func TestRefusalsThatAreNotAlikeHaveTheirOwnRows(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	known := func(actor, action, address string) audit.Event {
		return audit.Event{Actor: actor, Action: action, Address: address}
	}
	other := fault.New(fault.Forbidden, "an administrator is needed")
	for range 3 {
		refuse(t, f, stranger("192.0.2.1", "ada"), errWrong)
		refuse(t, f, stranger("192.0.2.2", "ada"), errWrong)
		refuse(t, f, stranger("192.0.2.2", "ada"), other)
		refuse(t, f, stranger("2001:db8::1", "ada"), errWrong)
		refuse(t, f, stranger("2001:db8::2", "ada"), errWrong) // the same network
		refuse(t, f, known("eve", audit.UserCreate, "192.0.2.1"), other)
		refuse(t, f, known("eve", audit.UserCreate, "192.0.2.9"), other)
		refuse(t, f, known("eve", audit.UserRemove, "192.0.2.1"), other)
		refuse(t, f, known("bob", audit.UserCreate, "192.0.2.1"), other)
	}
	nodetest.Must(t, f.Journal.FlushRefusals(t.Context(), true))
	want(t, f, "each", 3, 3, 3, 6, 6, 3, 3)
}

// A row that stands for attempts at several accounts names some of them.
func TestRowOfRefusalsNamesItsTargets(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	for n := range 20 {
		refuse(t, f, stranger("192.0.2.1", fmt.Sprintf("user%02d", n/2)), errWrong)
	}
	nodetest.Must(t, f.Journal.FlushRefusals(t.Context(), true))
	e := f.Events(t, audit.Filter{Action: audit.Login})[0]
	if e.Count != 20 || e.Target != "user00" || e.Reason != `wrong username or password; also for "user01", "user02", "user03", "user04", "user05" and others` {
		t.Errorf("%+v", e)
	}
}

// Neither addresses nor reasons that an attacker makes up fill the log or the memory.
func TestRefusalsAreBoundedHoweverTheyDiffer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir, File: true})
	f.Freeze()
	for n := range 3000 {
		refuse(t, f, stranger(fmt.Sprintf("198.51.%d.%d", n/250, n%250), "ada"), errWrong)
	}
	for n := range 500 {
		e := audit.Event{Actor: "eve", Action: audit.TokenIssue, Address: "192.0.2.1"}
		refuse(t, f, e, fault.New(fault.InvalidScope, "the scope x%d is not declared", n))
	}
	nodetest.Must(t, f.Journal.FlushRefusals(t.Context(), true))
	// 1,000 addresses and one row for the rest; 10 reasons and one row for the rest.
	if got := len(storetest.Dump(t, filepath.Join(dir, "bearerd.db"))["audit_events"]); got != 1012 {
		t.Errorf("%d rows, want 1,012", got)
	}
	newest := f.Events(t, audit.Filter{Actor: "eve"})
	if newest[0].Reason != "refused for other reasons" || newest[0].Count != 490 {
		t.Errorf("%+v", newest[0])
	}
	rest := f.Events(t, audit.Filter{Action: audit.Login})
	if rest[0].Count != 2000 || rest[0].Address != "" || rest[0].Target != "" || !strings.Contains(rest[0].Reason, "too many callers") {
		t.Errorf("%+v", rest[0])
	}
}

// fullStore is a store that takes no writes while a test says so.
type fullStore struct {
	contract.Store
	full atomic.Bool
}

func (s *fullStore) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	if s.full.Load() {
		return 0, fault.New(fault.Unavailable, "the disk is full")
	}
	return s.Store.Commit(ctx, b)
}

// While the store takes no writes the first refusal is answered with that, others are
// counted, and none is lost.
func TestRefusalsWaitForAStoreThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	full := &fullStore{}
	f := nodetest.New(t, nodetest.Options{Store: func(s contract.Store) contract.Store { full.Store = s; return full }})
	f.Freeze()
	refuse(t, f, stranger("192.0.2.1", "ada"), errWrong)
	refuse(t, f, stranger("192.0.2.1", "ada"), errWrong)
	full.full.Store(true)
	f.Advance(time.Minute)
	if err := f.Journal.FlushRefusals(t.Context(), false); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("flushed: %v", err)
	}
	refuse(t, f, stranger("192.0.2.1", "bob"), errWrong)
	err := f.Journal.Refuse(audit.WithOrigin(context.WithoutCancel(t.Context()), audit.Origin{Address: "192.0.2.2"}), stranger("192.0.2.2", "ada"), errWrong)
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("one that can't be recorded: %v", err)
	}
	full.full.Store(false)
	nodetest.Must(t, f.Journal.FlushRefusals(t.Context(), true))
	want(t, f, "when it can be written again", 3)
	e := f.Events(t, audit.Filter{Action: audit.Login})[0]
	if e.Target != "ada" || e.Reason != `wrong username or password; also for "bob"` {
		t.Errorf("%+v", e)
	}
}
