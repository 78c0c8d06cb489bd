package census_test

import (
	"context"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/census"
	"github.com/bearerd/bearerd/internal/records/upkeep"
)

// rows is a store with as many users and tokens as a test wants; reading a part takes time.
type rows struct {
	now           time.Time
	users, tokens int64
	takes         time.Duration
	parts         int
	begun, done   time.Time
	figures       upkeep.CountedFigures
}

func (r *rows) part(p upkeep.CensusPart, all int64, of func(int64) upkeep.Figures) (upkeep.Figures, upkeep.Cursor, error) {
	r.now = r.now.Add(r.takes)
	r.parts++
	n := min(all-p.After.At, int64(p.Limit))
	if n < int64(p.Limit) {
		return of(n), upkeep.Cursor{}, nil
	}
	return of(n), upkeep.Cursor{At: p.After.At + n, ID: "x"}, nil
}

func (r *rows) CountUsers(_ context.Context, p upkeep.CensusPart) (upkeep.Figures, upkeep.Cursor, error) {
	return r.part(p, r.users, func(n int64) upkeep.Figures { return upkeep.Figures{Users: n} })
}

func (r *rows) CountTokens(_ context.Context, p upkeep.CensusPart) (upkeep.Figures, upkeep.Cursor, error) {
	return r.part(p, r.tokens, func(n int64) upkeep.Figures { return upkeep.Figures{Live: n, NeverUsed: n} })
}

func (r *rows) ClaimCensus(_ context.Context, c upkeep.CensusClaim) (bool, error) {
	finished := r.begun.Equal(r.done)
	if finished && r.begun.After(c.Finished) || !finished && r.begun.After(c.Unfinished) {
		return false, nil
	}
	r.begun = c.Now
	return true, nil
}

func (r *rows) SetFigures(_ context.Context, f upkeep.CountedFigures) error {
	r.figures, r.done = f, f.Began
	return nil
}

func (r *rows) Figures(context.Context) (upkeep.CountedFigures, error) { return r.figures, nil }

// Counting reads every row in small parts, and is done the less often the longer it takes.
// What the page reads is one row.
func TestCountingTakesASmallShareOfTheTime(t *testing.T) {
	t.Parallel()
	r := &rows{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), users: 4000, tokens: 10_000_001, takes: 2 * time.Millisecond}
	c, err := census.New(census.Config{Store: r, Now: func() time.Time { return r.now }})
	if err != nil {
		t.Fatal(err)
	}
	count := func(want bool) {
		t.Helper()
		r.parts = 0
		if err := c.Count(t.Context()); err != nil || (r.parts > 0) != want {
			t.Errorf("counts: %t, %v; want %t", r.parts > 0, err, want)
		}
	}
	count(true)
	f, err := c.Figures(t.Context())
	if err != nil || f.Users != 4000 || f.Live != 10_000_001 || f.Took != 5004*2*time.Millisecond {
		t.Errorf("%+v, %v", f, err)
	}
	r.now = f.Began.Add(50*f.Took - time.Second)
	count(false)
	r.now = f.Began.Add(50 * f.Took)
	count(true)
	look := func(want bool) {
		t.Helper()
		r.parts = 0
		if f, err := c.Figures(t.Context()); err != nil || (r.parts > 0) != want || f != r.figures {
			t.Errorf("somebody looks, and it is counted: %t, %v; want %t", r.parts > 0, err, want)
		}
	}
	r.now = r.now.Add(time.Hour)
	look(false)
	r.users, r.tokens = 1, 1
	count(true)
	r.now = r.figures.Began.Add(59 * time.Second)
	look(false)
	r.now = r.figures.Began.Add(time.Minute)
	count(false) // nobody looks
	look(true)
	r.now = r.figures.Began.Add(time.Hour)
	count(true)
}
