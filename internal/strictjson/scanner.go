// Package strictjson reads unambiguous JSON. RFC 8259 leaves open, and
// encoding/json decides silently, which of two members of one name counts, whether
// "KEY" is "key", and what half of a surrogate pair means. Two programs that read the
// same token or request differently are a way for an attacker to gain access. All of that
// is refused here, and depth and size are bounded.
//
// [ReadObject] reads one object member by member, [Parse] an object whose members
// are decoded afterwards, and [Decode] a text into a Go value.
package strictjson

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The bounds of an object that is read by [ReadObject] or [Parse].
const (
	maxDepth   = 8
	maxMembers = 4 << 10 // of a document, at all depths together
)

var (
	errUTF8      = errors.New("invalid UTF-8")
	errSyntax    = errors.New("not JSON")
	errTrailing  = errors.New("something after the JSON object")
	errDuplicate = errors.New("two members of one name")
	errDeep      = errors.New("nested too deeply")
	errMany      = errors.New("too many members")
	errEscape    = errors.New("a bad escape in a string")
	errSurrogate = fmt.Errorf("%w", errEscape) // half of a surrogate pair
	errControl   = errors.New("a control character in a string")
	errInteger   = errors.New("a number that is no non-negative integer")
	errText      = errors.New("not a string where one is needed")
)

// Scanner reads one JSON text in one pass. It reads RFC 8259 as strictly as possible: no
// object has two members of one name, compared after decoding; a string is Unicode text
// without lone surrogates; depth and number of members are bounded. Make one with
// [ReadObject].
type Scanner struct {
	s       string // valid UTF-8
	i       int
	depth   int // how many levels more there may be
	members int // how many members more there may be
}

// ReadObject reads text as one JSON object of at most that many members at all
// depths together and at most 8 levels, and calls member with the name of each, which
// must consume its value.
func ReadObject(text string, members int, member func(s *Scanner, name string) error) error {
	p := &Scanner{s: text, depth: maxDepth, members: members}
	return p.whole(func() error { return p.Object(func(name string) error { return member(p, name) }) })
}

// whole reads the text as one value and nothing else.
func (p *Scanner) whole(value func() error) error {
	if !utf8.ValidString(p.s) {
		return errUTF8
	}
	if err := value(); err != nil {
		return err
	}
	if p.Peek() != 0 || p.i < len(p.s) {
		return errTrailing
	}
	return nil
}

// Peek returns the next byte that isn't white space, without consuming it; 0 at the
// end.
func (p *Scanner) Peek() byte {
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (p *Scanner) take(c byte) bool {
	if p.Peek() != c {
		return false
	}
	p.i++
	return true
}

// Object reads an object and calls member with the name of each of its members, which
// must consume its value.
func (p *Scanner) Object(member func(name string) error) error {
	if !p.take('{') {
		return errSyntax
	}
	var names nameSet
	return p.items('}', func() error {
		name, err := p.Text()
		if err != nil {
			return err
		}
		if p.members--; p.members < 0 {
			return errMany
		}
		if !names.add(name) {
			return &MemberError{name: name, problem: errDuplicate}
		}
		if !p.take(':') {
			return errSyntax
		}
		return member(name)
	})
}

// Array reads a list and calls item for each of its values, which it must consume.
func (p *Scanner) Array(item func() error) error {
	if !p.take('[') {
		return errSyntax
	}
	return p.items(']', item)
}

// items reads the items between commas up to the closing bracket.
func (p *Scanner) items(end byte, item func() error) error {
	if p.depth--; p.depth < 0 {
		return errDeep
	}
	defer func() { p.depth++ }()
	if p.take(end) {
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if p.take(end) {
			return nil
		}
		if !p.take(',') {
			return errSyntax
		}
	}
}

// Text reads a string and returns its decoded text, which is a part of the input unless
// there was an escape in it.
func (p *Scanner) Text() (string, error) {
	if !p.take('"') {
		return "", errText
	}
	start := p.i
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return p.s[start : p.i-1], nil
		case c == '\\':
			return p.escapedText(start)
		case c < ' ':
			return "", errControl
		}
	}
	return "", errSyntax
}

func (p *Scanner) escapedText(start int) (string, error) {
	out := []byte(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			return "", errControl
		case c != '\\':
			out = append(out, c)
		default:
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return "", errSyntax
}

// escape reads what follows a backslash. A surrogate counts only as the first of
// a pair.
func (p *Scanner) escape() (rune, error) {
	if p.i == len(p.s) {
		return 0, errEscape
	}
	c := p.s[p.i]
	p.i++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, ok := p.hex4()
		switch {
		case !ok:
			return 0, errEscape
		case !utf16.IsSurrogate(r):
			return r, nil
		case p.i+2 > len(p.s) || p.s[p.i:p.i+2] != `\u`:
			return 0, errSurrogate
		}
		p.i += 2
		low, ok := p.hex4()
		if !ok {
			return 0, errEscape
		}
		pair := utf16.DecodeRune(r, low)
		if pair == utf8.RuneError {
			return 0, errSurrogate
		}
		return pair, nil
	}
	return 0, errEscape
}

func (p *Scanner) hex4() (rune, bool) {
	if p.i+4 > len(p.s) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.s[p.i : p.i+4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.i += 4
	return r, true
}

// Integer reads a whole number from 0 to most, in digits alone: no sign, no
// fraction, no exponent, no leading zero.
func (p *Scanner) Integer(most int64) (int64, error) {
	p.Peek()
	start := p.i
	if !p.number() {
		return 0, errInteger
	}
	digits := p.s[start:p.i]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || digits[0] == '-' || n > most {
		return 0, errInteger
	}
	return n, nil
}

// number consumes a number by JSON's grammar, RFC 8259 §6.
func (p *Scanner) number() bool {
	p.char('-', '-')
	if !p.char('0', '0') && p.digits() == 0 {
		return false
	}
	if p.char('.', '.') && p.digits() == 0 {
		return false
	}
	if p.char('e', 'E') {
		p.char('+', '-')
		return p.digits() > 0
	}
	return true
}

// char consumes a byte that is one of the two.
func (p *Scanner) char(a, b byte) bool {
	if p.i == len(p.s) || (p.s[p.i] != a && p.s[p.i] != b) {
		return false
	}
	p.i++
	return true
}

func (p *Scanner) digits() (n int) {
	for ; p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9'; p.i++ {
		n++
	}
	return n
}

// Skip consumes a value of any sort, as strictly as one that is wanted.
func (p *Scanner) Skip() error {
	switch p.Peek() {
	case '"':
		_, err := p.Text()
		return err
	case '{':
		return p.Object(func(string) error { return p.Skip() })
	case '[':
		return p.Array(p.Skip)
	}
	return p.plain()
}

// plain consumes a number, true, false or null.
func (p *Scanner) plain() error {
	switch p.Peek() {
	case 't':
		return p.literal("true")
	case 'f':
		return p.literal("false")
	case 'n':
		return p.literal("null")
	}
	if !p.number() {
		return errSyntax
	}
	return nil
}

// nameSet are the names of the members of one object. A few are kept without an
// allocation.
type nameSet struct {
	few  [16]string
	n    int
	many map[string]struct{}
}

// add reports false for a name that is in the set already.
func (s *nameSet) add(name string) bool {
	if slices.Contains(s.few[:s.n], name) {
		return false
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return true
	}
	if _, ok := s.many[name]; ok {
		return false
	}
	if s.many == nil {
		s.many = map[string]struct{}{}
	}
	s.many[name] = struct{}{}
	return true
}

func (p *Scanner) literal(word string) error {
	if len(p.s)-p.i < len(word) || p.s[p.i:p.i+len(word)] != word {
		return errSyntax
	}
	p.i += len(word)
	return nil
}
