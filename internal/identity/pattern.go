package identity

import (
	"regexp"
	"strings"
)

// GroupPatterns says which groups are meant, by their whole names: in a pattern * stands
// for any text and ? for one character, and every other character for itself. The zero
// value means none.
type GroupPatterns struct{ whole *regexp.Regexp }

// NewGroupPatterns returns what any of the patterns means.
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

// Match reports whether a group is meant.
func (p GroupPatterns) Match(group string) bool { return p.whole != nil && p.whole.MatchString(group) }
