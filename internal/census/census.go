// Package census counts users and tokens for the overview page. One node counts, a part
// at a time: when somebody opens the page, if counting is quick; otherwise in the
// background, less often the longer it takes. Reading the figures takes a bounded time
// however many there are.
package census

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/upkeep"
)

const (
	// every is how old the figures on the page may be, if counting is quick.
	every = time.Minute
	quick = 250 * time.Millisecond
	// rarely is the longest time between two counts.
	rarely = time.Hour
	// share is how many times longer than a count the time between two counts is.
	share = 50
	// abandoned is after how long another node counts when the one that began has not
	// finished, or twice as long as it took the last time: it may have crashed.
	abandoned = 10 * time.Minute
	// part is how many rows are read at a time.
	part = 2000
)

// Config configures a census. All fields must be set.
type Config struct {
	Store contract.Census
	Now   func() time.Time
}

// Census counts.
type Census struct{ cfg Config }

// New returns a census.
func New(cfg Config) (*Census, error) {
	if cfg.Store == nil || cfg.Now == nil {
		return nil, errors.New("census: store and clock must be set")
	}
	return &Census{cfg: cfg}, nil
}

// Figures returns what was counted last. Where counting is quick it is done now, unless it
// was done a minute ago.
func (c *Census) Figures(ctx context.Context) (upkeep.CountedFigures, error) {
	last, err := c.cfg.Store.Figures(ctx)
	if err != nil || last.Began.IsZero() || last.Took > quick || c.cfg.Now().Sub(last.Began) < every {
		return last, err
	}
	if err := c.count(ctx, last, every); err != nil {
		return last, err
	}
	return c.cfg.Store.Figures(ctx)
}

// Count counts if the figures are old enough, and no other node does: every hour, and less
// often where that would take more than a fiftieth of the time. If counting isn't quick,
// so that nobody can wait for it, it is done as often as that allows.
func (c *Census) Count(ctx context.Context) error {
	last, err := c.cfg.Store.Figures(ctx)
	if err != nil {
		return err
	}
	age := rarely
	if last.Took > quick {
		age = every
	}
	return c.count(ctx, last, age)
}

// count counts if the figures are at least that old.
func (c *Census) count(ctx context.Context, last upkeep.CountedFigures, age time.Duration) error {
	now := c.cfg.Now()
	claimed, err := c.cfg.Store.ClaimCensus(ctx, upkeep.CensusClaim{
		Now: now, Finished: now.Add(-max(age, share*last.Took)), Unfinished: now.Add(-max(abandoned, 2*last.Took)),
	})
	if err != nil || !claimed {
		return err
	}
	sum, err := c.sum(ctx, now)
	if err != nil {
		return err
	}
	return c.cfg.Store.SetFigures(ctx, upkeep.CountedFigures{Figures: sum, Began: now, Took: max(c.cfg.Now().Sub(now), 0)})
}

// sum reads every row.
func (c *Census) sum(ctx context.Context, now time.Time) (sum upkeep.Figures, err error) {
	for _, count := range []func(context.Context, upkeep.CensusPart) (upkeep.Figures, upkeep.Cursor, error){
		c.cfg.Store.CountUsers, c.cfg.Store.CountTokens,
	} {
		p := upkeep.CensusPart{Limit: part, Now: now}
		for {
			some, next, err := count(ctx, p)
			if err != nil {
				return sum, err
			}
			sum = sum.Plus(some)
			if next == (upkeep.Cursor{}) {
				break
			}
			p.After = next
		}
	}
	return sum, nil
}
