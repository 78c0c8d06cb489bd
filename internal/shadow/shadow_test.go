package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/shadow"
)

// broken is a store that can't be written to until it is mended.
type broken struct {
	contract.Shadows
	err  error
	good int // writes that still succeed before err
}

func (b *broken) AddShadows(ctx context.Context, all []upkeep.Shadow) error {
	if b.good--; b.err != nil && b.good < 0 {
		return b.err
	}
	return b.Shadows.AddShadows(ctx, all)
}

func list(t *testing.T, l *shadow.Log) []upkeep.Shadow {
	t.Helper()
	page, err := l.List(t.Context(), caller.Operator(), "", 0)
	nodetest.Must(t, err)
	return page.Items
}

// What can't be written stays, what two nodes see adds up, and the latest examples are kept.
func TestWhatIsSeenAddsUp(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	store := &broken{Shadows: f.Store}
	one, err := shadow.New(shadow.Config{Store: store, Now: f.Time})
	nodetest.Must(t, err)
	two, err := shadow.New(shadow.Config{Store: f.Store, Now: f.Time})
	nodetest.Must(t, err)
	see := func(l *shadow.Log, n int) {
		f.Advance(time.Second)
		l.Refuse(shadow.Refusal{Route: "/api/", Reason: "revoked", TokenID: "id", Method: "GET", Path: fmt.Sprintf("/api/%d?secret", n), Status: []int{200, 401, 403, 0}[n%4]})
	}
	store.err = errors.New("no answer")
	for n := range 4 {
		see(one, n)
	}
	if err := one.Write(t.Context()); err == nil {
		t.Error("a write that failed is reported as done")
	}
	see(one, 4)
	see(two, 5)
	nodetest.Must(t, two.Write(t.Context()))
	store.err = nil
	all := list(t, one)
	if len(all) != 1 || all[0].Count != 6 || all[0].Agreed != 3 || all[0].Disagreed != 2 || len(all[0].Examples) != upkeep.MaxShadowSamples {
		t.Fatalf("%+v", all)
	}
	if e := all[0].Examples; e[0].Path != "/api/5" || e[1].Path != "/api/4" || e[4].Path != "/api/1" {
		t.Errorf("the examples are %+v", e)
	}
	// Another process of the same database knows it too.
	if again := list(t, two); len(again) != 1 || again[0].Count != 6 {
		t.Errorf("%+v", again)
	}
}

// Memory is bounded, whatever is sent: beyond the bound tokens are no longer told apart.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	l, err := shadow.New(shadow.Config{Store: f.Store, Now: f.Time})
	nodetest.Must(t, err)
	for n := range 3000 {
		l.Refuse(shadow.Refusal{Route: "/", Reason: "expired", TokenID: fmt.Sprint(n), Method: strings.Repeat("X", 1000), Path: "/" + strings.Repeat("a/", 1000)})
	}
	total, rows, after := int64(0), 0, ""
	for {
		page, err := l.List(t.Context(), caller.Operator(), after, 500)
		nodetest.Must(t, err)
		for _, one := range page.Items {
			total, rows = total+one.Count, rows+1
			if len(one.Examples[0].Method) > 16 || len(one.Examples[0].Path) > 210 {
				t.Fatalf("an example takes %d bytes", len(one.Examples[0].Path))
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if total != 3000 || rows > 1001 {
		t.Errorf("%d requests in %d rows", total, rows)
	}
}

// What was written before the store failed is not added again.
func TestWhatWasWrittenIsNotCountedTwice(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	store := &broken{Shadows: f.Store, err: errors.New("no answer"), good: 1}
	l, err := shadow.New(shadow.Config{Store: store, Now: f.Time})
	nodetest.Must(t, err)
	for n := range 900 { // of two transactions
		l.Refuse(shadow.Refusal{Route: "/", Reason: "expired", TokenID: fmt.Sprint(n), Method: "GET", Path: "/"})
	}
	if err := l.Write(t.Context()); err == nil {
		t.Error("a write that failed within is reported as done")
	}
	store.err = nil
	total, after := int64(0), ""
	for {
		page, err := l.List(t.Context(), caller.Operator(), after, 500)
		nodetest.Must(t, err)
		for _, one := range page.Items {
			total += one.Count
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if total != 900 {
		t.Errorf("%d requests are counted, want 900", total)
	}
}

func TestOnlyAdministratorsReadIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	l, err := shadow.New(shadow.Config{Store: f.Store, Now: f.Time})
	nodetest.Must(t, err)
	if _, err := l.List(t.Context(), f.Person(t, "ada"), "", 0); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a user reads it: %v", err)
	}
	if _, err := l.List(t.Context(), f.Person(t, "root", nodetest.Admin()), "", 0); err != nil {
		t.Errorf("an administrator can't: %v", err)
	}
}

// A node writes what it has gathered when it stops.
func TestTheLastIsWrittenAtTheEnd(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	l, err := shadow.New(shadow.Config{Store: f.Store, Now: f.Time})
	nodetest.Must(t, err)
	l.Refuse(shadow.Refusal{Route: "/", Reason: "no token", Method: "GET", Path: "/"})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	nodetest.Must(t, l.Run(ctx))
	page, err := f.Store.ShadowList(t.Context(), "", 0)
	if err != nil || len(page.Items) != 1 {
		t.Errorf("%+v, %v", page.Items, err)
	}
}
