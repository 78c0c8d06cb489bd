package clustertest

import (
	"fmt"
	"strings"
	"time"
)

// Story explains a violation: the operations on the same token, and the faults, shortly
// before and after.
func (h *History) Story(v Violation) string {
	const before, after = 3 * time.Second, time.Second
	from, to := v.Op.Start-before, v.Op.End+after
	var text strings.Builder
	for _, f := range h.Faults() {
		if f.From < to && (f.To == forEver || f.To > from) {
			fmt.Fprintf(&text, "  broken [%v, %v] node %d: %s\n", f.From, f.To, f.Node, f.Kind)
		}
	}
	for _, o := range h.Ops() {
		if o.Start < to && (o.End > from || o.Kind == Issue) && o.about(v.Op) {
			fmt.Fprintf(&text, "  %s\n", o)
		}
	}
	return text.String()
}

// String returns the operation in one line, without secrets.
func (o Op) String() string {
	name := strings.TrimSpace(o.Subject + " " + o.Key)
	if o.Token != nil {
		name = o.Token.Name
	}
	if o.Collection != 0 {
		name += fmt.Sprintf(" in %d", o.Collection)
	}
	if o.Kind.voids() {
		name += fmt.Sprintf(" (wait: %t)", o.Wait)
		if o.All {
			name += " (all)"
		}
	}
	return fmt.Sprintf("[%v, %v] node %d: %s of %s: %s %s", o.Start, o.End, o.Node, o.Kind, name, o.Outcome, o.Reason)
}

// about reports whether an operation concerns the same token or subject as another.
func (o Op) about(other Op) bool {
	subject := other.Subject
	if other.Token != nil {
		subject = other.Token.Subject
		for _, t := range other.Token.lineage() {
			if o.Token == t || o.Key != "" && o.Key == t.KID {
				return true
			}
		}
	}
	return o.Kind == Rotate || o.Kind == Retire || subject != "" && o.Subject == subject && o.Kind != Issue
}
