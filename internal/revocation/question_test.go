package revocation_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/revocation"
)

func TestRefusedPages(t *testing.T) {
	t.Parallel()
	entry := func(seq revocation.Seq) revocation.Entry {
		return revocation.Entry{Seq: seq, What: revocation.Token, ID: fmt.Sprint(seq)}
	}
	tests := map[string]revocation.Page{
		"a gap after what is known":       {Head: 5, Entries: []revocation.Entry{entry(4), entry(5)}},
		"a gap inside":                    {Head: 5, Entries: []revocation.Entry{entry(3), entry(5)}},
		"a gap beyond the purge":          {Head: 5, Purged: 3, Entries: []revocation.Entry{entry(5)}},
		"a repeat":                        {Head: 5, Entries: []revocation.Entry{entry(3), entry(3), entry(4), entry(5)}},
		"disorder":                        {Head: 5, Purged: 5, Entries: []revocation.Entry{entry(4), entry(3), entry(5)}},
		"what is known already":           {Head: 5, Entries: []revocation.Entry{entry(2), entry(3), entry(4), entry(5)}},
		"an entry beyond the head":        {Head: 3, Entries: []revocation.Entry{entry(3), entry(4)}},
		"nothing although the head moved": {Head: 5},
		"nothing beyond the purge":        {Head: 5, Purged: 4},
		"a purge beyond the head":         {Head: 2, Purged: 3},
		"an entry of an unknown kind":     {Head: 3, Entries: []revocation.Entry{{Seq: 3, What: "tenant", ID: "t"}}},
		"an entry that names nothing":     {Head: 3, Entries: []revocation.Entry{{Seq: 3, What: revocation.Token}}},
	}
	for name, page := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.log.revoke("1")
				b.log.revoke("2")
				b.catchUp(t)
				b.log.take()
				b.log.forge = func(p *revocation.Page) { *p = page }
				time.Sleep(time.Second)
				b.OnApply(func(revocation.Change) { t.Error("it reached a hook") })
				if err := b.CatchUp(t.Context()); err == nil || b.Status().Err == nil {
					t.Fatalf("accepted: error %v, last error %v", err, b.Status().Err)
				}
				if b.Applied() != 2 || b.killed("3") || b.killed("4") || b.killed("5") {
					t.Errorf("applied %d of it", b.Applied())
				}
				if diff := cmp.Diff([]string{"ask 2"}, b.log.take()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				time.Sleep(time.Second)
				if b.Fresh() {
					t.Error("it renewed the lease")
				}
			})
		})
	}
}

func TestPurgedEntriesMayBeMissing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		known  int
		purged []revocation.Seq
		missed bool
	}{
		{"none missed", 4, []revocation.Seq{1, 3}, false},
		{"before the page", 2, []revocation.Seq{3}, true},
		{"inside the page", 2, []revocation.Seq{4}, true},
		{"at the end", 2, []revocation.Seq{5, 6}, true},
		{"everything", 2, []revocation.Seq{1, 2, 3, 4, 5, 6}, true},
		{"everything, by a new node", 0, []revocation.Seq{1, 2, 3, 4, 5, 6}, true},
		{"nothing at all", 0, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				for i := range test.known {
					b.log.revoke(fmt.Sprint(i + 1))
				}
				if test.known > 0 {
					b.catchUp(t)
				}
				missed := false
				b.OnApply(func(c revocation.Change) { missed = missed || c.Missed })
				for i := test.known; i < 6; i++ {
					b.log.revoke(fmt.Sprint(i + 1))
				}
				for _, seq := range test.purged {
					b.log.purge(seq)
				}
				b.catchUp(t)
				if b.Applied() != 6 || !b.Fresh() || missed != test.missed {
					t.Errorf("applied %d, fresh %v, missed %v", b.Applied(), b.Fresh(), missed)
				}
				for _, e := range b.log.entries {
					if !b.killed(e.ID) {
						t.Errorf("entry %d doesn't count", e.Seq)
					}
				}
			})
		})
	}
}

// A database that was restored without raising its sequence assigns numbers
// again. The node accepts nothing until the log is as far as it knew, and then reads
// all of it, because entries that it takes for known are others now, and joins
// the list again, which was restored as well.
func TestLogThatWentBackEndsTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for _, id := range []string{"a", "b", "c"} {
			b.log.revoke(id)
		}
		b.catchUp(t)
		missed := 0
		b.OnApply(func(c revocation.Change) {
			if c.Missed {
				missed++
			}
		})
		b.log.entries, b.log.head, b.log.nodes = b.log.entries[:1], 1, nil
		for _, id := range []string{"", "d"} {
			if id != "" {
				b.log.revoke(id)
			}
			if err := b.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "went back") {
				t.Errorf("the head being %d: %v", b.log.head, err)
			}
			if b.Fresh() || b.Applied() != 3 || missed != 0 {
				t.Errorf("the head being %d: fresh %v, applied %d, %d flushes", b.log.head, b.Fresh(), b.Applied(), missed)
			}
		}
		b.log.revoke("e")
		b.log.take()
		b.catchUp(t)
		if !b.Fresh() || b.Applied() != 3 || missed != 1 {
			t.Errorf("afterwards: fresh %v, applied %d, %d flushes", b.Fresh(), b.Applied(), missed)
		}
		want := []string{"ask 0", "confirm 3", "ask 3"}
		if diff := cmp.Diff(want, b.log.take()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			if !b.killed(id) {
				t.Errorf("%s is not killed", id)
			}
		}
	})
}
