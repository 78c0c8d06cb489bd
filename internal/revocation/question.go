package revocation

import (
	"context"
	"fmt"
	"time"
)

// ask puts one question and applies its answer. The lease may count from started,
// which is read before the question leaves.
func (f *Follower) ask(ctx context.Context) (started time.Duration, complete bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(f.cfg.Staleness, minPatience))
	defer cancel()
	f.questions.Add(1)
	started = f.cfg.Clock()
	after := f.place.read
	page, err := f.cfg.Log.Entries(ctx, after, pageLimit)
	if err != nil {
		return 0, false, fmt.Errorf("reading the revocation log after %d: %w", after, err)
	}
	if known := f.Applied(); page.Head < known {
		f.distrust()
		return 0, false, fmt.Errorf("the revocation log went back from %d to %d: was the store restored without raising the sequence?", known, page.Head)
	}
	if err := page.check(after); err != nil {
		return 0, false, fmt.Errorf("refusing a page of the revocation log after %d: %w", after, err)
	}
	f.head.Store(page.Head)
	f.apply(page)
	return started, page.Complete(after), nil
}

// distrust ends the lease at once, because sequences that were given out before
// may now be given out again, and a cut-off with one of those would not reach the
// tokens that carry a later one. When the log is as far as this node knew, all of
// it is read anew, and the node joins the list anew, which was restored as well.
func (f *Follower) distrust() {
	f.leaseEnd.Store(0)
	f.known.Store(nil)
	f.place.listed = false
	f.place.doubt = true
	f.place.read = 0
	f.wakeWatchers()
}

// check refuses a page that isn't the log's next one: entries are consecutive,
// except where some have been purged, and none lies outside of (after, Head].
func (p Page) check(after Seq) error {
	if p.Purged > p.Head || p.Head < after {
		return fmt.Errorf("head %d, purged up to %d", p.Head, p.Purged)
	}
	last := after
	for i := range p.Entries {
		e := &p.Entries[i]
		if e.Seq <= last || e.Seq > p.Head {
			return fmt.Errorf("entry %d follows %d, the head being %d", e.Seq, last, p.Head)
		}
		if missing := e.Seq - 1; missing > last && missing > p.Purged {
			return fmt.Errorf("entry %d is missing and not purged (up to %d)", max(last, p.Purged)+1, p.Purged)
		}
		if !e.What.Known() || e.ID == "" {
			return fmt.Errorf("entry %d names nothing that this version knows (what: %q)", e.Seq, e.What)
		}
		last = e.Seq
	}
	if len(p.Entries) == 0 && p.last(after) != p.Head {
		return fmt.Errorf("no entry, but the head is %d", p.Head)
	}
	return nil
}

// apply feeds the set, then the hooks, then those who ask how far it is.
func (f *Follower) apply(p Page) {
	missed := f.place.read < p.Purged || f.place.doubt
	f.place.doubt = false
	after := f.place.read
	f.place.read, f.place.purged = p.last(after), p.Purged
	f.cfg.Set.Apply(p.Entries)
	if missed || len(p.Entries) > 0 {
		for _, hook := range f.hooks {
			hook(Change{Entries: p.Entries, After: after, Missed: missed})
		}
	}
	f.applied.Store(max(f.applied.Load(), f.place.read))
}
