package redact

import "strings"

// Bounds of a path as it is shown.
const (
	maxPath    = 200 // bytes
	maxSegment = 20  // of a segment with a digit; a longer one may be a token
	maxRun     = 16  // letters and digits in a row, likewise
)

// Path returns the path of a request in a form that may be kept: without query and
// fragment, with [Mark] in the place of every segment that may be a token, and cut to a
// bounded length. It masks too much rather than too little: a name of letters and digits
// that is as long as a token is masked too.
func Path(path string) string {
	if i := strings.IndexAny(path, "?#;"); i >= 0 {
		path = path[:i]
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if mayBeToken(s) {
			segments[i] = Mark
		}
	}
	path = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.Join(segments, "/"))
	if len(path) > maxPath {
		return path[:maxPath] + "…"
	}
	return path
}

// mayBeToken reports whether a segment is long for a name: many letters and digits in a
// row, or many characters with a digit among them, or an escape.
func mayBeToken(segment string) bool {
	run, digit := 0, false
	for i := range len(segment) {
		c := segment[i]
		digit = digit || '0' <= c && c <= '9' || c == '%' || c == '='
		if run++; !isBase62(c) {
			run = 0
		}
		if run >= maxRun {
			return true
		}
	}
	return digit && len(segment) >= maxSegment
}
