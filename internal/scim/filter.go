package scim

import (
	"encoding/json"
	"strings"
	"unicode"
)

// maxExpression bounds a filter and a path, in bytes.
const maxExpression = 2048

// path names an attribute, or part of one (RFC 7644 §3.10): attr, attr.sub,
// attr[where eq "value"], attr[where eq "value"].sub. Names are in lower case.
type path struct {
	attr, sub    string
	filtered     bool
	where, value string // of the filter
	extension    bool   // it is an attribute of an extension; these aren't stored
}

// comparison is one attribute that must have a value.
type comparison struct {
	path
	equals string
}

// parsePath reads the path of an operation.
func parsePath(s string) (path, error) {
	x := expression{rest: s, kind: invalidPath}
	p, err := x.path()
	if err == nil {
		err = x.end()
	}
	return p, err
}

// parseFilter reads a filter: comparisons by `eq`, joined by `and`.
func parseFilter(s string) ([]comparison, error) {
	x := expression{rest: s, kind: invalidFilter}
	var all []comparison
	for {
		p, err := x.path()
		if err != nil {
			return nil, err
		}
		c := comparison{path: p}
		x.space()
		switch done := x.rest == "" || x.peekWord("and"); {
		case p.filtered && p.sub == "" && done:
			// members[value eq "…"]
			c.sub, c.equals = p.where, p.value
			c.filtered, c.where, c.value = false, "", ""
		default:
			if c.equals, err = x.equals(); err != nil {
				return nil, err
			}
			x.space()
		}
		all = append(all, c)
		if x.rest == "" {
			return all, nil
		}
		if !x.word("and") || !x.space() {
			return nil, x.wrong("comparisons with eq must be joined by and")
		}
	}
}

// expression is the unread rest of a path or a filter.
type expression struct {
	rest string
	kind scimType // of what is wrong with it
}

func (x *expression) wrong(format string, args ...any) error { return wrong(x.kind, format, args...) }

func (x *expression) end() error {
	if x.rest != "" {
		return x.wrong("there is something after the path")
	}
	return nil
}

// space skips spaces, and reports whether there were any.
func (x *expression) space() bool {
	trimmed := strings.TrimLeft(x.rest, " ")
	skipped := len(trimmed) < len(x.rest)
	x.rest = trimmed
	return skipped
}

func (x *expression) peekWord(word string) bool {
	return len(x.rest) >= len(word) && strings.EqualFold(x.rest[:len(word)], word) &&
		(len(x.rest) == len(word) || x.rest[len(word)] == ' ')
}

func (x *expression) word(word string) bool {
	found := x.peekWord(word)
	if found {
		x.rest = x.rest[len(word):]
	}
	return found
}

func (x *expression) take(c string) bool {
	rest, found := strings.CutPrefix(x.rest, c)
	x.rest = rest
	return found
}

// path reads a path, with the schema that it may begin with.
func (x *expression) path() (p path, err error) {
	if len(x.rest) > maxExpression {
		return p, x.wrong("longer than %d bytes", maxExpression)
	}
	if len(x.rest) >= 4 && strings.EqualFold(x.rest[:4], "urn:") {
		if p.extension = !x.coreSchema(); p.extension {
			x.skipURN()
			return p, nil
		}
	}
	if p.attr, err = x.name(); err != nil {
		return p, err
	}
	if x.take("[") {
		p.filtered = true
		x.space()
		if p.where, err = x.name(); err != nil {
			return p, err
		}
		x.space()
		if p.value, err = x.equals(); err != nil {
			return p, err
		}
		x.space()
		if !x.take("]") {
			return p, x.wrong("a filter in brackets must be one comparison with eq")
		}
	}
	if x.take(".") {
		p.sub, err = x.name()
	}
	return p, err
}

// coreSchema skips the URI of a schema whose attributes are known.
func (x *expression) coreSchema() bool {
	for _, uri := range []string{uriUser, uriGroup} {
		if n := len(uri) + 1; len(x.rest) >= n && strings.EqualFold(x.rest[:n], uri+":") {
			x.rest = x.rest[n:]
			return true
		}
	}
	return false
}

// skipURN skips an attribute of an extension.
func (x *expression) skipURN() {
	end := strings.IndexByte(x.rest, ' ')
	if x.kind == invalidPath || end < 0 {
		end = len(x.rest)
	}
	x.rest = x.rest[end:]
}

// name reads the name of an attribute (RFC 7643 §2.1), and returns it in lower case.
func (x *expression) name() (string, error) {
	end := strings.IndexFunc(x.rest, func(c rune) bool {
		return c >= unicode.MaxASCII || c != '$' && c != '-' && c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c)
	})
	if end < 0 {
		end = len(x.rest)
	}
	if end == 0 {
		return "", x.wrong("an attribute is missing")
	}
	name := strings.ToLower(x.rest[:end])
	x.rest = x.rest[end:]
	return name, nil
}

// equals reads `eq` and a value: a string of JSON, or true or false.
func (x *expression) equals() (string, error) {
	if !x.word("eq") || !x.space() {
		return "", x.wrong("eq is the only known operator")
	}
	for _, word := range []string{"true", "false"} {
		if rest, ok := strings.CutPrefix(x.rest, word); ok {
			x.rest = rest
			return word, nil
		}
	}
	if !strings.HasPrefix(x.rest, `"`) {
		return "", x.wrong("eq needs a string in quotes")
	}
	end := 1
	for end < len(x.rest) && x.rest[end] != '"' {
		if x.rest[end] == '\\' {
			end++
		}
		end++
	}
	var value string
	if end >= len(x.rest) || json.Unmarshal([]byte(x.rest[:end+1]), &value) != nil || !storable(value) {
		return "", x.wrong("a string is not well formed")
	}
	x.rest = x.rest[end+1:]
	return value, nil
}
