package token

import (
	"slices"
	"strings"
)

// SameAudience reports whether two audiences are equal. One slash at the end of a URL is
// ignored: libraries that parse http://host turn it into http://host/.
func SameAudience(a, b string) bool {
	return a == b || isURL(a) && isURL(b) && strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/")
}

// HasAudience reports whether a list of audiences has one that is equal to the given one.
func HasAudience(list []string, audience string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return SameAudience(one, audience) })
}

// isURL reports whether an audience is a URL whose path may end in a slash. A query is
// part of the name, and its last slash as well.
func isURL(s string) bool { return strings.Contains(s, "://") && !strings.ContainsAny(s, "?#") }
