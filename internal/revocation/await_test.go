package revocation_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/revocation"
)

// wait puts Await to a log's list, as of a commit that has just returned.
func (b *bench) wait(ctx context.Context, target revocation.Seq) (revocation.Acknowledgement, error) {
	return revocation.Await(ctx, revocation.AwaitConfig{
		Target: target, Started: b.clock(), Clock: b.clock, Nodes: b.log.list, Drop: b.log.drop,
	})
}

func (l *memoryLog) confirmed(t *testing.T, node string, seq revocation.Seq, lease time.Duration) {
	t.Helper()
	if err := l.Confirm(t.Context(), revocation.Confirmation{Node: node, Seq: seq, Lease: lease}); err != nil {
		t.Fatal(err)
	}
}

func TestAwaitCountsWhatTheNodesSay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		list []revocation.Confirmation
		want revocation.Acknowledgement
		took time.Duration
	}{
		{"no node", nil, revocation.Acknowledgement{}, 0},
		{
			"all confirmed",
			[]revocation.Confirmation{{Node: "a", Seq: 5, Lease: staleness}, {Node: "b", Seq: 9, Lease: staleness}},
			revocation.Acknowledgement{Nodes: 2, Confirmed: 2},
			0,
		},
		{
			"one that left",
			[]revocation.Confirmation{{Node: "a", Seq: 5, Lease: staleness}, {Node: "b", Seq: 4}},
			revocation.Acknowledgement{Nodes: 1, Confirmed: 1},
			0,
		},
		{
			"one that died",
			[]revocation.Confirmation{{Node: "a", Seq: 5, Lease: staleness}, {Node: "b", Seq: 4, Lease: time.Second}},
			revocation.Acknowledgement{Nodes: 2, Confirmed: 1, Expired: 1},
			time.Second + time.Millisecond,
		},
		{
			"several leases",
			[]revocation.Confirmation{{Node: "a", Seq: 4, Lease: 3 * time.Second}, {Node: "b", Lease: time.Second}},
			revocation.Acknowledgement{Nodes: 2, Expired: 2},
			3*time.Second + 3*time.Millisecond,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				for _, c := range test.list {
					b.log.confirmed(t, c.Node, c.Seq, c.Lease)
				}
				began := time.Now()
				got, err := b.wait(t.Context(), 5)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("acknowledged (-want +got):\n%s", diff)
				}
				if d := time.Since(began); d != test.took {
					t.Errorf("it took %v, want %v", d, test.took)
				}
			})
		})
	}
}

func TestAwaitReturnsSoonAfterTheLastConfirmation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirmed(t, "a", 1, staleness)
		b.log.confirmed(t, "b", 1, staleness)
		go func() {
			time.Sleep(700 * time.Millisecond)
			b.log.confirmed(t, "a", 2, staleness)
			b.log.confirmed(t, "b", 2, staleness)
		}()
		began := time.Now()
		got, err := b.wait(t.Context(), 2)
		if want := (revocation.Acknowledgement{Nodes: 2, Confirmed: 2}); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
		if d := time.Since(began); d < 700*time.Millisecond || d > 750*time.Millisecond {
			t.Errorf("it took %v", d)
		}
	})
}

func TestAwaitWaitsForADeadNodeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirmed(t, "dead", 1, staleness)
		got, err := b.wait(t.Context(), 2)
		if want := (revocation.Acknowledgement{Nodes: 1, Expired: 1}); err != nil || got != want {
			t.Errorf("the first time: %+v, %v", got, err)
		}
		began := time.Now()
		got, err = b.wait(t.Context(), 3)
		if err != nil || got != (revocation.Acknowledgement{}) || time.Since(began) != 0 {
			t.Errorf("the second time: %+v, %v after %v", got, err, time.Since(began))
		}
	})
}

// A node that confirmed meanwhile holds a lease, and must stay on the list.
func TestAwaitDropsOnlyWhatHasNotConfirmedSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirmed(t, "dead", 1, staleness)
		b.log.confirmed(t, "alive", 7, staleness)
		b.log.confirmed(t, "late", 1, staleness)
		var dropped []string
		_, err := revocation.Await(t.Context(), revocation.AwaitConfig{
			Target: 7, Started: b.clock(), Clock: b.clock, Nodes: b.log.list,
			Drop: func(ctx context.Context, said revocation.Confirmation) error {
				dropped = append(dropped, said.Node)
				b.log.confirmed(t, "late", 1, staleness)
				return b.log.drop(ctx, said)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(dropped)
		if diff := cmp.Diff([]string{"dead", "late"}, dropped); diff != "" {
			t.Errorf("dropped (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"alive", "late"}, slices.Sorted(maps.Keys(b.log.nodes))); diff != "" {
			t.Errorf("left on the list (-want +got):\n%s", diff)
		}
	})
}

func TestAwaitCountsSuspensionOfItsOwnMachine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirmed(t, "dead", 1, time.Hour)
		go func() {
			time.Sleep(time.Second)
			b.suspended.Add(int64(time.Hour))
		}()
		began := time.Now()
		if _, err := b.wait(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("it waited %v, the lease having run out in the suspension", d)
		}
	})
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirmed(t, "a", 2, staleness)
		b.log.confirmed(t, "b", 1, staleness)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := b.wait(ctx, 2)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("returned %v", err)
		}
		if want := (revocation.Acknowledgement{Nodes: 2, Confirmed: 1}); got != want {
			t.Errorf("known by then: %+v", got)
		}
		if len(b.log.nodes) != 2 {
			t.Error("a node was dropped before its lease had run out")
		}
	})
}

func TestAwaitNeedsTheListOnce(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(context.Context) error{"refused": away, "hanging": hang} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.log.confirmed(t, "a", 1, staleness)
				reads := 0
				cfg := revocation.AwaitConfig{
					Target: 2, Started: b.clock(), Clock: b.clock,
					Nodes: func(ctx context.Context) ([]revocation.Confirmation, error) {
						if reads++; reads > 1 {
							return nil, trouble(ctx)
						}
						return b.log.list(ctx)
					},
				}
				began := time.Now()
				got, err := revocation.Await(t.Context(), cfg)
				if want := (revocation.Acknowledgement{Nodes: 1, Expired: 1}); err != nil || got != want {
					t.Errorf("%+v, %v", got, err)
				}
				if d := time.Since(began); d != staleness+staleness/1000 {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

// Without a list nobody knows whose lease to wait for: no time makes it a success.
func TestAwaitWithoutAListIsNoSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := revocation.Await(ctx, revocation.AwaitConfig{
			Target: 1, Clock: b.clock,
			Nodes: func(context.Context) ([]revocation.Confirmation, error) { return nil, errStore },
		})
		if !errors.Is(err, errStore) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("returned %v", err)
		}
	})
}
