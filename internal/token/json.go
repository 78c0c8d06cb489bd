package token

import (
	"errors"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The bounds of what is read. A token of ours has about 15 members, two levels deep.
const (
	maxDepth   = 8
	maxMembers = 64 // in one header or payload, at all depths together
	maxInSet   = 4 << 10
	maxDate    = 1 << 53
)

var (
	errUTF8      = errors.New("invalid UTF-8")
	errSyntax    = errors.New("not JSON")
	errTrailing  = errors.New("something after the JSON object")
	errDuplicate = errors.New("two members of one name")
	errDeep      = errors.New("nested too deeply")
	errMany      = errors.New("too many members")
	errEscape    = errors.New("a bad escape in a string")
	errControl   = errors.New("a control character in a string")
	errInteger   = errors.New("a number that is no non-negative integer")
	errText      = errors.New("not a string where one is needed")
)

// scanner reads one JSON text in one pass. It takes RFC 8259 at its strictest: no
// object has two members of one name, names compared as what they spell; a string
// is Unicode text without lone surrogates; depth and number of members are bounded.
type scanner struct {
	s       string // valid UTF-8
	i       int
	depth   int // how deep it stands
	members int // how many more may come
}

// CheckObject reports an error unless text is one JSON object that has one reading:
// valid UTF-8, no two members of one name at any depth, no lone surrogates,
// nothing after it, at most 8 levels deep and 4096 members large.
func CheckObject(text []byte) error {
	p := &scanner{s: string(text), members: maxInSet}
	return p.whole(func(p *scanner, _ string) error { return p.skip() })
}

// readObject reads s as one JSON object and hands each member's name to member,
// which must consume the value.
func readObject(s string, member func(p *scanner, name string) error) error {
	p := &scanner{s: s, members: maxMembers}
	return p.whole(member)
}

func (p *scanner) whole(member func(p *scanner, name string) error) error {
	if !utf8.ValidString(p.s) {
		return errUTF8
	}
	if err := p.object(member); err != nil {
		return err
	}
	if p.peek() != 0 || p.i < len(p.s) {
		return errTrailing
	}
	return nil
}

// peek gives the next byte that isn't white space, without consuming it; 0 at the
// end.
func (p *scanner) peek() byte {
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (p *scanner) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.i++
	return true
}

func (p *scanner) object(member func(p *scanner, name string) error) error {
	if !p.take('{') {
		return errSyntax
	}
	var buf [16]string
	names := buf[:0]
	return p.items('}', func() error {
		name, err := p.text()
		if err != nil {
			return err
		}
		if slices.Contains(names, name) {
			return errDuplicate
		}
		if p.members--; p.members < 0 {
			return errMany
		}
		names = append(names, name)
		if !p.take(':') {
			return errSyntax
		}
		return member(p, name)
	})
}

func (p *scanner) array(item func() error) error {
	if !p.take('[') {
		return errSyntax
	}
	return p.items(']', item)
}

// items reads what stands between commas up to the closing bracket.
func (p *scanner) items(end byte, item func() error) error {
	if p.depth++; p.depth > maxDepth {
		return errDeep
	}
	defer func() { p.depth-- }()
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

// text reads a string and gives what it spells, which is a part of the input
// unless there was an escape in it.
func (p *scanner) text() (string, error) {
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

func (p *scanner) escapedText(start int) (string, error) {
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
			r, ok := p.escape()
			if !ok {
				return "", errEscape
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return "", errSyntax
}

// escape reads what follows a backslash. A surrogate counts only as the first of
// a pair.
func (p *scanner) escape() (rune, bool) {
	if p.i == len(p.s) {
		return 0, false
	}
	c := p.s[p.i]
	p.i++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		return p.unicode()
	}
	return 0, false
}

func (p *scanner) unicode() (rune, bool) {
	r, ok := p.hex4()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	if p.i+2 > len(p.s) || p.s[p.i:p.i+2] != `\u` {
		return 0, false
	}
	p.i += 2
	low, ok := p.hex4()
	pair := utf16.DecodeRune(r, low)
	return pair, ok && pair != utf8.RuneError
}

func (p *scanner) hex4() (rune, bool) {
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

// integer reads a whole number from 0 to most, in digits alone: no sign, no
// fraction, no exponent, no leading zero.
func (p *scanner) integer(most int64) (int64, error) {
	p.peek()
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
func (p *scanner) number() bool {
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
func (p *scanner) char(a, b byte) bool {
	if p.i == len(p.s) || (p.s[p.i] != a && p.s[p.i] != b) {
		return false
	}
	p.i++
	return true
}

func (p *scanner) digits() (n int) {
	for ; p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9'; p.i++ {
		n++
	}
	return n
}

// skip consumes a value of any sort, as strictly as one that is wanted.
func (p *scanner) skip() error {
	switch c := p.peek(); c {
	case '"':
		_, err := p.text()
		return err
	case '{':
		return p.object(func(p *scanner, _ string) error { return p.skip() })
	case '[':
		return p.array(p.skip)
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

func (p *scanner) literal(word string) error {
	if len(p.s)-p.i < len(word) || p.s[p.i:p.i+len(word)] != word {
		return errSyntax
	}
	p.i += len(word)
	return nil
}
