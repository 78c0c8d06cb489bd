// Package foreign recognises the values of imported tokens of another system by their
// shape, without a look-up.
//
// The shapes are regular expressions of a language that is small enough to decide whether
// two of them overlap: visible ASCII characters and classes of them, groups,
// alternatives, and repetitions with an upper bound. Each matches the whole value, so
// that the set of values is finite. All shapes are compiled into one deterministic
// automaton, together with the forms of bearerd's own tokens. A state of it that accepts
// for two of them is reached by a value that both match: the shapes overlap, and the
// shortest such value is known. A value is then recognised by one step a character,
// whatever the patterns are.
package foreign

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Bounds of shapes.
const (
	MinLength = 20  // of the shortest value of a shape: shorter ones can be guessed
	MaxLength = 512 // of the longest
	maxShapes = 32
	maxSource = 256 // characters of a pattern
)

// Shape is the shape of one system's tokens: a pattern for all of the value, or
// a prefix that is followed by characters of a token (RFC 9110 §11.2, token68).
type Shape struct {
	Name    string
	Pattern string
	Prefix  string
}

// Own is a form of bearerd's own tokens, which no shape may match.
type Own struct {
	Name    string // as a message calls it: "an API token of bearerd's"
	Pattern string // of all of the value; it may be unbounded
}

// jwt is what every JWT looks like: its header is a JSON object, which begins with {".
var jwt = Own{Name: "a JWT", Pattern: `ey[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`}

// ShapeError is the error of one shape.
type ShapeError struct {
	Index  int    // in the list
	Member string // name, pattern or prefix
	Reason string
}

// Error names the shape by its place in the list.
func (e *ShapeError) Error() string {
	return fmt.Sprintf("foreign_tokens[%d].%s: %s", e.Index, e.Member, e.Reason)
}

// Shapes recognises values. The zero value and nil recognise none. It is safe for use by
// many goroutines.
type Shapes struct {
	shapes []Shape
	auto   automaton
}

var shapeName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)

// New compiles shapes. The error is a *ShapeError for a shape that is not in the
// language, that overlaps an earlier one, or that matches a value of a form of bearerd's
// own tokens or of a JWT.
func New(shapes []Shape, own ...Own) (*Shapes, error) {
	if len(shapes) == 0 {
		return &Shapes{}, nil
	}
	if len(shapes) > maxShapes {
		return nil, fmt.Errorf("foreign_tokens: at most %d shapes, not %d", maxShapes, len(shapes))
	}
	b := newBuilder()
	names := map[string]bool{}
	for i, s := range shapes {
		fail := func(member, format string, args ...any) error {
			return &ShapeError{Index: i, Member: member, Reason: fmt.Sprintf(format, args...)}
		}
		switch {
		case !shapeName.MatchString(s.Name):
			return nil, fail("name", "must be 1 to 32 letters, digits, _, . or -, not %q", s.Name)
		case names[s.Name]:
			return nil, fail("name", "%s is listed twice", s.Name)
		case (s.Pattern == "") == (s.Prefix == ""):
			return nil, fail("pattern", "a shape has a pattern or a prefix, one of both")
		}
		names[s.Name] = true
		if err := b.addShape(s, i); err != nil {
			return nil, fail(s.member(), "%s", err)
		}
	}
	own = append(own, jwt)
	for i, o := range own {
		if err := b.addPattern(o.Pattern, len(shapes)+i, true); err != nil {
			return nil, fmt.Errorf("the form of %s: %w", o.Name, err)
		}
	}
	auto, both, err := b.determinize(len(shapes))
	switch {
	case errors.Is(err, errTooComplex):
		return nil, &ShapeError{Index: 0, Member: shapes[0].member(), Reason: err.Error()}
	case err != nil:
		return nil, err
	case both.second >= len(shapes):
		return nil, &ShapeError{Index: both.first, Member: shapes[both.first].member(), Reason: fmt.Sprintf(
			"must not match what %s looks like, such as %s", own[both.second-len(shapes)].Name, both.value)}
	case both.second > 0:
		return nil, &ShapeError{Index: both.second, Member: shapes[both.second].member(), Reason: fmt.Sprintf(
			"overlaps the shape %s: both match %s", shapes[both.first].Name, both.value)}
	}
	return &Shapes{shapes: shapes, auto: auto}, nil
}

func (s Shape) member() string {
	if s.Prefix != "" {
		return "prefix"
	}
	return "pattern"
}

// Find returns the shape that a value has. It takes one step a character, and neither
// allocates nor looks anything up.
func (s *Shapes) Find(raw string) (Shape, bool) {
	if s == nil || len(s.shapes) == 0 || len(raw) < MinLength || len(raw) > MaxLength {
		return Shape{}, false
	}
	if i, ok := s.auto.match(raw); ok {
		return s.shapes[i], true
	}
	return Shape{}, false
}

// Foreign reports whether a value has one of the shapes, and with which prefix its shape
// begins: "" where it has none.
func (s *Shapes) Foreign(raw string) (prefix string, ok bool) {
	shape, ok := s.Find(raw)
	return shape.Prefix, ok
}

// Len returns how many shapes there are.
func (s *Shapes) Len() int {
	if s == nil {
		return 0
	}
	return len(s.shapes)
}

// token68 are the characters that may follow a prefix.
const token68 = `[A-Za-z0-9._~+/=-]` //nolint:gosec // an alphabet, no credential

// addShape adds what a shape accepts.
func (b *builder) addShape(s Shape, label int) error {
	if s.Prefix == "" {
		return b.addPattern(s.Pattern, label, false)
	}
	if len(s.Prefix) < 2 || len(s.Prefix) > 16 || strings.ContainsFunc(s.Prefix, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("must be 2 to 16 visible ASCII characters, not %q", s.Prefix)
	}
	rest := fmt.Sprintf("%s{%d,%d}", token68, MinLength-len(s.Prefix), MaxLength-len(s.Prefix))
	return b.addPattern(regexp.QuoteMeta(s.Prefix)+rest, label, false)
}
