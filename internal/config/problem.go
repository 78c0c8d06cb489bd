package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that an operator has to correct.
type Problem struct {
	Where   string // "bearerd.yaml:12", "BEARERD_ISSUER", "--listen"; empty for a default
	Key     string // the key's path, "access_token.ttl"; empty for the whole
	Message string
	Hint    string // what to do about it; may be empty
}

// String returns the problem on one line, and the hint on another.
func (p Problem) String() string {
	var b strings.Builder
	for _, part := range []string{p.Where, p.Key} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("\n  hint: " + p.Hint)
	}
	return b.String()
}

// ProblemsError is the error of [Load] and [ParseAccess]: all that they found,
// in the order of the sources and their lines.
type ProblemsError []Problem

// Error returns a line for each problem, with its hint beneath.
func (e ProblemsError) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Position is where an element of a file begins.
type Position struct {
	File string
	Line int
}

// String returns "access.yaml:12", and nothing for the zero value.
func (p Position) String() string {
	if p == (Position{}) {
		return ""
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}
