package authority

import "time"

// Traffic is what one node did from one time until another. The names are those of
// the metrics: kinds of tokens, codes of faults, checks, outcomes of logins. What
// never happened is left out.
type Traffic struct {
	From, Until   time.Time
	Issued        map[string]int64 // tokens, by kind
	IssueRefused  map[string]int64 // by the code of the fault
	Verified      map[string]int64 // tokens found good, by kind
	VerifyRefused map[string]int64 // by the check that failed
	Logins        map[string]int64 // passwords tried, by outcome
	Revoked       int64            // entries written to the revocation log

	// How many revocations were waited for until they held on every node, how long
	// that took together, and what the slowest stayed below; 0 when there were none.
	Acknowledged   int64
	AcknowledgedIn time.Duration
	SlowestBelow   time.Duration
}

// TrafficLog tells what this node did lately.
type TrafficLog interface {
	// Traffic gives steps of a length until now, oldest first; the last one goes on.
	// The error is fault.Invalid for steps that were not kept.
	Traffic(now time.Time, step time.Duration, steps int) ([]Traffic, error)
}
