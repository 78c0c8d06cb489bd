package revocation

import (
	"context"
	"fmt"
	"time"
)

// ask puts one question and applies its answer. The lease may count from started: it is
// read before the question is put, so everything committed before it is in the answer.
func (f *Follower) ask(ctx context.Context) (started time.Duration, complete bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(f.cfg.Staleness, minAskTimeout))
	defer cancel()
	f.questions.Add(1)
	started = f.ledger.Clock()
	after := f.ledger.reached()
	page, err := f.cfg.Log.Entries(ctx, after, pageLimit)
	if err != nil {
		return 0, false, fmt.Errorf("reading the revocation log after %d: %w", after, err)
	}
	if known := f.Applied(); page.Head < known {
		// The lease ends at once. That is repeated at each answer until the log has
		// reached this sequence, because the entries in between have not been written
		// yet. Then all of the log is read again, and the node joins the list again,
		// which was restored as well.
		f.replace()
		f.known.Store(nil)
		f.membership.listed = false
		f.ledger.Distrust()
		return 0, false, fmt.Errorf("the revocation log went back from %d to %d: was the store restored without raising the sequence?", known, page.Head)
	}
	if err := page.check(after); err != nil {
		return 0, false, fmt.Errorf("refusing a page of the revocation log after %d: %w", after, err)
	}
	f.head.Store(page.Head)
	f.membership.origin = page.Origin
	if before := f.origin.Load(); before != nil && *before != page.Origin {
		f.replace()
	}
	f.origin.Store(&page.Origin)
	// First the gap, so that a clock that is behind takes no token for unexpired whose
	// entry was purged, and so that hooks are called with the gap and the entries after
	// it; then the entries; then Advance, which makes them count. Watchers are not
	// notified: the answer isn't complete before the last page.
	f.purged = page.Purged
	f.ledger.Purged(page.PurgedUntil)
	if after < page.Purged {
		f.ledger.skip()
	}
	f.ledger.Apply(page.Entries)
	f.ledger.advance(page.last(after))
	return started, page.Complete(after), nil
}

// check refuses a page that isn't the log's next one: entries are consecutive,
// except where some have been purged, and none lies outside of (after, Head]. An entry
// that is skipped without notice would be a token that is accepted for ever.
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
