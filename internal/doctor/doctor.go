// Package doctor looks at an installation that runs: its database, its clock, its server,
// and the way to it through whatever stands in front. Each check says what it found and,
// where something is wrong, what to do about it. It changes nothing.
//
// What stands in front is seen from both ends. The doctor asks at the issuer's URL, as any
// client does, and the server says how the request looked when it arrived (package echo).
package doctor

import "fmt"

// State is the outcome of a check.
type State string

// The outcomes. A warning is about what works and should not stay.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failed  State = "failed"
	Skipped State = "skipped" // it rests on what failed before
)

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"check"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
	Advice string `json:"advice,omitempty"` // what to do about it
}

// Report collects checks.
type Report []Check

// OK adds a check that found nothing wrong.
func (r *Report) OK(name, format string, args ...any) {
	*r = append(*r, Check{Name: name, State: OK, Detail: fmt.Sprintf(format, args...)})
}

// Warn adds a check that found what should not stay as it is.
func (r *Report) Warn(name, detail, advice string) {
	*r = append(*r, Check{Name: name, State: Warning, Detail: detail, Advice: advice})
}

// Fail adds a check that found something wrong.
func (r *Report) Fail(name, detail, advice string) {
	*r = append(*r, Check{Name: name, State: Failed, Detail: detail, Advice: advice})
}

// Skip adds a check that could not be made.
func (r *Report) Skip(name, format string, args ...any) {
	*r = append(*r, Check{Name: name, State: Skipped, Detail: fmt.Sprintf(format, args...)})
}

// Count returns how many checks had an outcome.
func (r Report) Count(s State) (n int) {
	for _, c := range r {
		if c.State == s {
			n++
		}
	}
	return n
}
