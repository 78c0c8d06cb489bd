package traffic_test

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/traffic"
)

// noon is a time that begins an hour.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// kit is a database that several processes count in, on one clock.
type kit struct {
	*store.Store

	now    time.Time
	broken bool
	lost   bool // what is written succeeds, and the writer isn't told
}

func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{now: noon}
	var err error
	k.Store, err = store.Open(t.Context(), filepath.Join(t.TempDir(), "bearerd.db"), store.Options{Now: func() time.Time { return k.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// SetCounts fails when the test wants it.
func (k *kit) SetCounts(ctx context.Context, node string, counts []upkeep.HourCount) error {
	if k.broken {
		return errors.New("the disk is full")
	}
	if err := k.Store.SetCounts(ctx, node, counts); err != nil {
		return err
	}
	if k.lost {
		return errors.New("the answer was lost")
	}
	return nil
}

// process is one run of a process.
type process struct {
	*traffic.Hours

	totals traffic.Totals
}

func (k *kit) start(t *testing.T, node string) *process {
	t.Helper()
	p := &process{totals: traffic.Totals{}}
	var err error
	p.Hours, err = traffic.NewHours(traffic.Config{
		Store: k, Node: node, Totals: func() traffic.Totals { return maps.Clone(p.totals) }, Now: func() time.Time { return k.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) write(t *testing.T) {
	t.Helper()
	if err := p.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// steps returns what a process reads, as the number of accepted API tokens in each step.
func (p *process) steps(t *testing.T, step time.Duration, n int) []int64 {
	t.Helper()
	steps, err := p.Hours.Hours(t.Context(), step, n)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]int64, len(steps))
	for i, s := range steps {
		list[i] = s.Verified["api-token"]
	}
	return list
}

const verified = "verified/api-token"

// What two nodes count is added up, in the hours in which it happened, and a restart
// forgets nothing that was written.
func TestTheCountsAreOfAllNodesAndSurviveRestarts(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a, b := k.start(t, "a"), k.start(t, "b")
	a.totals[verified] = 2
	a.write(t)
	a.totals[verified], b.totals[verified] = 5, 10
	a.write(t)
	b.write(t)
	k.now = noon.Add(time.Hour + time.Minute)
	a.totals[verified] = 6 // since it was last read, in the hour before
	a.write(t)
	a.totals[verified] = 8
	a.write(t)
	again := k.start(t, "c") // b has died and begins again
	again.totals[verified] = 100
	again.write(t)
	if diff := cmp.Diff([]int64{0, 16, 102}, again.steps(t, time.Hour, 3)); diff != "" {
		t.Errorf("by the hour (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{0, 118}, a.steps(t, 24*time.Hour, 2)); diff != "" {
		t.Errorf("by the day (-want +got):\n%s", diff)
	}
}

// A write that fails, or of which nobody knows whether it did, loses nothing and counts
// nothing twice.
func TestNothingIsLostOrCountedTwiceWhenWritingFails(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.start(t, "a")
	for i, fail := range []*bool{&k.broken, &k.lost, &k.broken} {
		a.totals[verified]++
		*fail = true
		if err := a.Write(t.Context()); err == nil {
			t.Error("a write that failed is none")
		}
		*fail = false
		k.now = noon.Add(time.Duration(i+1) * time.Hour)
	}
	a.totals[verified]++
	a.write(t)
	a.write(t)
	if diff := cmp.Diff([]int64{2, 1, 1, 0}, a.steps(t, time.Hour, 4)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCountsAreKept90Days(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.start(t, "a")
	a.totals[verified] = 1
	a.write(t)
	k.now = noon.Add(traffic.Kept)
	if err := a.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		list, err := k.Counts(t.Context(), noon, noon.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if count() == 0 {
		t.Error("the counts of 90 days ago are gone")
	}
	k.now = k.now.Add(time.Second)
	if err := a.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count() != 0 {
		t.Error("the counts of more than 90 days ago are there")
	}
	for _, bad := range []struct {
		step  time.Duration
		steps int
	}{{time.Minute, 1}, {90 * time.Minute, 1}, {time.Hour, 0}, {24 * time.Hour, 91}, {time.Hour, 1 << 40}} {
		if _, err := a.Hours.Hours(t.Context(), bad.step, bad.steps); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v × %d: %v", bad.step, bad.steps, err)
		}
	}
}

// Every group of counts is where it belongs, and the slowest acknowledgement is never said
// to be faster than it was.
func TestAStepHasEveryCount(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a, b := k.start(t, "a"), k.start(t, "b")
	for i, group := range []string{
		traffic.GroupIssued, traffic.GroupIssueRefused, traffic.GroupVerified, traffic.GroupVerifyRefused, traffic.GroupLogins, traffic.GroupRevoked,
	} {
		a.totals[traffic.Name(group, "x")] = int64(i + 1)
	}
	a.totals["of a later version/x"] = 7
	a.totals.Acknowledged(2, 30*time.Millisecond, map[time.Duration]int64{20 * time.Millisecond: 1, 50 * time.Millisecond: 1})
	b.totals.Acknowledged(1, 10*time.Millisecond, map[time.Duration]int64{10 * time.Millisecond: 1, 5 * time.Second: 0})
	a.write(t)
	b.write(t)
	got, err := a.Hours.Hours(t.Context(), time.Hour, 1)
	if err != nil {
		t.Fatal(err)
	}
	one := func(n int64) map[string]int64 { return map[string]int64{"x": n} }
	want := []traffic.Step{{
		From: noon, Until: noon.Add(time.Hour), Issued: one(1), IssueRefused: one(2), Verified: one(3), VerifyRefused: one(4), Logins: one(5), Revoked: one(6),
		Acknowledged: 3, AcknowledgedIn: 40 * time.Millisecond, SlowestBelow: 50 * time.Millisecond,
	}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(traffic.Step{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.totals.Acknowledged(2, 9*time.Second, map[time.Duration]int64{10 * time.Millisecond: 1})
	b.write(t)
	got, err = a.Hours.Hours(t.Context(), time.Hour, 1)
	if err != nil || got[0].SlowestBelow < 9*time.Second {
		t.Errorf("one that took longer than every bound is said to have taken less than %s (%v)", got[0].SlowestBelow, err)
	}
}
