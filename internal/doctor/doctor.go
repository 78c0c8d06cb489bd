// Package doctor checks a running installation: its database, its clock, its server, and
// the way to it through the proxies in front. Each check reports what it found and, where
// something is wrong, what to do about it. It changes nothing.
//
// The way is checked from both ends: the doctor sends requests to the issuer's URL, as
// any client does, and the server reports how they looked when they arrived (package
// echo).
package doctor

import "fmt"

// State is the outcome of a check.
type State string

// The outcomes. A warning is about something that works but should be changed.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failed  State = "failed"
	Skipped State = "skipped" // it depends on a check that failed
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

// Warn adds a check that found something that should be changed.
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
