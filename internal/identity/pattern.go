package identity

import (
	"regexp"
	"strings"
)

// GroupPatterns select groups by their whole names: in a pattern * matches any text, ?
// one character, and every other character itself. The zero value selects none.
type GroupPatterns struct{ whole *regexp.Regexp }

// NewGroupPatterns returns the patterns, of which any may match.
func NewGroupPatterns(patterns []string) GroupPatterns {
	if len(patterns) == 0 {
		return GroupPatterns{}
	}
	alternatives := make([]string, len(patterns))
	for i, pattern := range patterns {
		alternatives[i] = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
	}
	return GroupPatterns{regexp.MustCompile(`(?s)^(?:` + strings.Join(alternatives, "|") + `)$`)}
}

// Any reports whether there is a pattern.
func (p GroupPatterns) Any() bool { return p.whole != nil }

// Match reports whether a group is selected.
func (p GroupPatterns) Match(group string) bool { return p.whole != nil && p.whole.MatchString(group) }
