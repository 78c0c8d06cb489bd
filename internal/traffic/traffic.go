// Package traffic counts what nodes did, in steps of time, for pages and the management
// API: one node recently, from its own memory, and all nodes for 90 days, from the
// database.
package traffic

import (
	"context"
	"time"
)

// Step is what was done from one time until another. The names are those of the
// metrics: kinds of tokens, codes of faults, checks, outcomes of logins. What never
// happened is left out.
type Step struct {
	From, Until   time.Time
	Issued        map[string]int64 // tokens, by kind
	IssueRefused  map[string]int64 // by the code of the fault
	Verified      map[string]int64 // tokens accepted, by kind
	VerifyRefused map[string]int64 // by the check that failed
	Logins        map[string]int64 // passwords checked, by outcome
	Revoked       map[string]int64 // revocations, by what they revoked

	// How many revocations were waited for until they held on every node, how long that
	// took together, and a bound that the slowest stayed below; 0 when there were none.
	Acknowledged   int64
	AcknowledgedIn time.Duration
	SlowestBelow   time.Duration

	bounded int64 // of Acknowledged, those with a known bound
}

// Revocations is how many there were of all sorts.
func (s Step) Revocations() (n int64) {
	for _, one := range s.Revoked {
		n += one
	}
	return n
}

// History is a record of what all nodes did.
type History interface {
	// Hours returns steps of whole hours until now, oldest first; the last one goes on. The
	// error is fault.Invalid for steps that were not kept.
	Hours(ctx context.Context, step time.Duration, steps int) ([]Step, error)
}

// Log is a record of what one node did recently.
type Log interface {
	// Traffic returns steps of a length until now, oldest first; the last one goes on.
	// The error is fault.Invalid for steps that were not kept.
	Traffic(now time.Time, step time.Duration, steps int) ([]Step, error)
}
