package upkeep

import (
	"time"
)

// HourCount is how often something happened in one hour.
type HourCount struct {
	Hour  time.Time // its beginning
	Name  string
	Count int64
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
