package records

import (
	"context"
	"time"
)

// HourCount is how often something happened in one hour.
type HourCount struct {
	Hour  time.Time // its beginning
	Name  string
	Count int64
}

// Traffic keeps what nodes counted, hour by hour.
type Traffic interface {
	// SetCounts stores what a node has counted so far in some hours, in place of what it
	// stored of the same hour and name before.
	SetCounts(ctx context.Context, node string, counts []HourCount) error
	// Counts returns the sums over all nodes of the hours that begin at since or later and
	// before until, by hour and name.
	Counts(ctx context.Context, since, until time.Time) ([]HourCount, error)
	// PurgeCounts deletes the counts of hours that began before an instant.
	PurgeCounts(ctx context.Context, before time.Time) error
}

// Figures are how many users there are, and how many API tokens and API keys.
type Figures struct {
	Users        int64
	Live         int64 // tokens that are neither revoked nor expired
	Expiring     int64 // of these, those that expire within a week
	NeverUsed    int64 // of these, those that were never used
	NeverExpires int64 // of these, those that never expire
	RevokedToday int64 // tokens that were revoked since midnight UTC
}

// Plus returns the sums.
func (f Figures) Plus(o Figures) Figures {
	f.Users += o.Users
	f.Live += o.Live
	f.Expiring += o.Expiring
	f.NeverUsed += o.NeverUsed
	f.NeverExpires += o.NeverExpires
	f.RevokedToday += o.RevokedToday
	return f
}

// CensusPart asks for figures of a part of the rows.
type CensusPart struct {
	After Cursor
	Limit int       // rows that are read
	Now   time.Time // by which tokens have expired
}

// Cursor is a place in all tokens or users; the zero value is before the first.
type Cursor struct {
	At int64
	ID string
}

// CountedFigures are figures of an instant.
type CountedFigures struct {
	Figures

	Began time.Time     // when the counting began; zero: it was never finished
	Took  time.Duration // how long it took
}

// CensusClaim asks for the right to count, unless a count has begun since: since Finished
// if it was finished, since Unfinished if it wasn't.
type CensusClaim struct{ Now, Finished, Unfinished time.Time }

// Census counts users and tokens, a part at a time.
type Census interface {
	// CountUsers counts some users, and returns where the next part begins; zero after the
	// last.
	CountUsers(ctx context.Context, p CensusPart) (Figures, Cursor, error)
	// CountTokens counts some tokens, likewise.
	CountTokens(ctx context.Context, p CensusPart) (Figures, Cursor, error)
	// ClaimCensus reports whether the caller must count; if so, it records that a count
	// begins now.
	ClaimCensus(ctx context.Context, claim CensusClaim) (bool, error)
	// SetFigures stores the figures that were counted last.
	SetFigures(ctx context.Context, f CountedFigures) error
	// Figures returns them.
	Figures(ctx context.Context) (CountedFigures, error)
}
