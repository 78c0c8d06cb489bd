// Package traffic is what one node did lately, in steps of time, as pages and the
// management API show it.
package traffic

import "time"

// Step is what one node did from one time until another. The names are those of the
// metrics: kinds of tokens, codes of faults, checks, outcomes of logins. What never
// happened is left out.
type Step struct {
	From, Until   time.Time
	Issued        map[string]int64 // tokens, by kind
	IssueRefused  map[string]int64 // by the code of the fault
	Verified      map[string]int64 // tokens accepted, by kind
	VerifyRefused map[string]int64 // by the check that failed
	Logins        map[string]int64 // passwords checked, by outcome
	Revoked       int64            // entries written to the revocation log

	// How many revocations were waited for until they held on every node, how long
	// that took together, and what the slowest stayed below; 0 when there were none.
	Acknowledged   int64
	AcknowledgedIn time.Duration
	SlowestBelow   time.Duration
}

// Log is a record of steps.
type Log interface {
	// Traffic returns steps of a length until now, oldest first; the last one goes on.
	// The error is fault.Invalid for steps that were not kept.
	Traffic(now time.Time, step time.Duration, steps int) ([]Step, error)
}
