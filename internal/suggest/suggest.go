// Package suggest finds the name that a mistyped one was probably meant to be, and lists
// the names that exist.
package suggest

import (
	"fmt"
	"slices"
	"strings"
)

// mostListed is how many names an error lists: more than that nobody reads.
const mostListed = 8

// Closest returns the name that is most like the typed one, and "" where none is like it.
// Case doesn't count. A name is like another where one begins with the other, where it is
// the last part of a URN, or where a few letters were left out, added, changed or swapped: one for three letters typed.
func Closest(typed string, names []string) string {
	folded := strings.ToLower(typed)
	best, closest := len([]rune(folded))/3+1, ""
	for _, name := range names {
		other := strings.ToLower(name)
		d := distance([]rune(folded), []rune(other))
		if len(folded) > 2 && len(other) > 2 && (strings.HasPrefix(other, folded) || strings.HasPrefix(folded, other)) {
			d = min(d, 1)
		}
		if len(folded) > 2 && strings.HasSuffix(other, ":"+folded) { // of a URN
			d = min(d, 1)
		}
		if d < best {
			best, closest = d, name
		}
	}
	return closest
}

// Instead returns a sentence for somebody who asked for a thing that doesn't exist: the
// name that was probably meant, or else the names that exist. things is the plural of
// what they are; more is set when there are others too.
func Instead(things, typed string, names []string, more bool) string {
	if closest := Closest(typed, names); closest != "" {
		return fmt.Sprintf("did you mean %q?", closest)
	}
	switch {
	case len(names) == 0:
		return "there are no " + things
	case len(names) > mostListed:
		names, more = names[:mostListed], true
	}
	text := "known " + things + ": " + strings.Join(names, ", ")
	if more {
		text += " and others"
	}
	return text
}

// distance returns how many letters have to be added, removed, changed or swapped with
// their neighbour to make b of a.
func distance(a, b []rune) int {
	if len(a) > len(b)+8 || len(b) > len(a)+8 {
		return len(a) + len(b)
	}
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = slices.Min([]int{row[j] + 1, last[j+1] + 1, last[j] + cost})
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
