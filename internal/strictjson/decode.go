package strictjson

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxDecodeDepth is how deep the objects and lists of a text for [Decode] may nest.
const maxDecodeDepth = 16

// What can be wrong with a text for [Decode] as a whole. Each completes a sentence that
// begins with "the body".
var (
	ErrSyntax   = errors.New("is not well-formed JSON")
	ErrUTF8     = errors.New("is not valid UTF-8")
	ErrNull     = errors.New("must not be null")
	ErrTrailing = errors.New("holds more than one JSON value")
	ErrDepth    = fmt.Errorf("nests deeper than %d levels", maxDecodeDepth)
)

// What can be wrong with one member, likewise.
var (
	errRepeated  = errors.New("is repeated")
	errUnknown   = errors.New("is unknown")
	errCharacter = errors.New("holds a character that is not allowed")
)

// MemberError is what is wrong with one member of a text for [Decode], or with its
// value.
type MemberError struct {
	Path    string // names and indices with dots between them, such as "bindings.0.path"; empty: the whole text
	problem error
	name    string // of the member, where the path is not known yet
}

// Problem returns what is wrong, to complete a sentence that begins with the member's
// name: "is repeated", "must be a string".
func (e *MemberError) Problem() string { return e.problem.Error() }

// Error returns the path and the problem.
func (e *MemberError) Error() string {
	if e.Path == "" {
		return e.Problem()
	}
	return strconv.Quote(e.Path) + " " + e.Problem()
}

// Unwrap returns the problem.
func (e *MemberError) Unwrap() error { return e.problem }

// Decode is json.Unmarshal for text that strangers send. It refuses what
// encoding/json accepts: repeated members, members that dst does not have by exactly
// that name, text that is not Unicode or holds NUL, nesting deeper than 16 levels, and
// anything after the first value. A null member counts as absent. The error
// is a *MemberError or one of the errors of this package where the text is refused,
// and else what a type of dst with its own UnmarshalJSON returned. The caller bounds the
// size of the text.
func Decode(text []byte, dst any) error {
	if err := check(string(text), reflect.TypeOf(dst)); err != nil {
		return err
	}
	return json.Unmarshal(text, dst) //nolint:wrapcheck // the error of dst's own methods
}

// check walks a text beside the type that it is meant for. It checks types too:
// encoding/json names fields of Go in its errors.
func check(text string, t reflect.Type) error {
	if strings.Trim(text, " \t\r\n") == "null" {
		return ErrNull
	}
	c := &checker{Scanner: Scanner{s: text, depth: maxDecodeDepth, members: math.MaxInt}}
	err := c.whole(func() error { return c.value(t) })
	_, member := errors.AsType[*MemberError](err)
	switch {
	case err == nil, member:
		return err
	case errors.Is(err, errUTF8):
		return ErrUTF8
	case errors.Is(err, errTrailing):
		return ErrTrailing
	case errors.Is(err, errDeep):
		return ErrDepth
	}
	return ErrSyntax
}

// checker is a scanner that knows the path of the value that it reads.
type checker struct {
	Scanner

	path []string
}

func (c *checker) wrong(problem error) error {
	return &MemberError{Path: strings.Join(c.path, "."), problem: problem}
}

// value checks the next value; t is nil where any value may stand.
func (c *checker) value(t reflect.Type) error {
	want := underlying(t)
	switch c.Peek() {
	case '"':
		// NUL is refused, because databases don't store it, and U+FFFD, because it means
		// that bytes were lost.
		s, err := c.Text()
		switch {
		case errors.Is(err, errSurrogate):
			return c.wrong(errCharacter)
		case err != nil:
			return err
		case !takes(want, reflect.String):
			return c.wrongKind(want)
		case !storable(s):
			return c.wrong(errCharacter)
		}
		return nil
	case '{':
		if !takes(want, reflect.Struct, reflect.Map) {
			return c.wrongKind(want)
		}
		return c.object(membersOf(want))
	case '[':
		if !takes(want, reflect.Slice, reflect.Array) {
			return c.wrongKind(want)
		}
		var element reflect.Type
		if want != nil && want.Kind() != reflect.Interface {
			element = want.Elem()
		}
		i := 0
		return c.Array(func() error {
			c.path = append(c.path, strconv.Itoa(i))
			if err := c.value(element); err != nil {
				return err
			}
			c.path = c.path[:len(c.path)-1]
			i++
			return nil
		})
	}
	start := c.i
	if err := c.plain(); err != nil {
		return err
	}
	if !takesPlain(want, c.s[start:c.i]) {
		return c.wrongKind(want)
	}
	return nil
}

// takes reports whether a type accepts values of one of the kinds; nil accepts all.
func takes(t reflect.Type, kinds ...reflect.Kind) bool {
	return t == nil || t.Kind() == reflect.Interface || slices.Contains(kinds, t.Kind())
}

// takesPlain reports whether a type accepts a number, true, false or null. Null counts as
// absent.
func takesPlain(t reflect.Type, word string) bool {
	switch word {
	case "null":
		return true
	case "true", "false":
		return takes(t, reflect.Bool)
	}
	return takes(t) || json.Unmarshal([]byte(word), reflect.New(t).Interface()) == nil
}

func (c *checker) wrongKind(t reflect.Type) error {
	return c.wrong(errors.New("must be " + kindName(t)))
}

func storable(s string) bool {
	return !strings.ContainsRune(s, 0) && !strings.ContainsRune(s, unicode.ReplacementChar)
}

func (c *checker) object(members func(name string) (reflect.Type, bool)) error {
	err := c.Object(func(name string) error {
		c.path = append(c.path, name)
		member, known := members(name)
		switch {
		case !storable(name):
			return c.wrong(errCharacter)
		case !known:
			return c.wrong(errUnknown)
		}
		if err := c.value(member); err != nil {
			return err
		}
		c.path = c.path[:len(c.path)-1]
		return nil
	})
	if m, ok := errors.AsType[*MemberError](err); ok && errors.Is(m.problem, errDuplicate) {
		c.path = append(c.path, m.name)
		return c.wrong(errRepeated)
	}
	if errors.Is(err, errSurrogate) {
		return c.wrong(errCharacter)
	}
	return err
}

// kindName returns what a Go type accepts, in JSON's words.
func kindName(t reflect.Type) string {
	switch t.Kind() { //nolint:exhaustive // the rest of Go's kinds take an object or nothing
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "an integer"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "an integer, 0 or more"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	default:
		return "an object"
	}
}

// membersOf returns the members that an object for a type may have, with their types;
// nil: any.
func membersOf(t reflect.Type) func(name string) (reflect.Type, bool) {
	switch {
	case t != nil && t.Kind() == reflect.Map:
		return func(string) (reflect.Type, bool) { return t.Elem(), true }
	case t == nil || t.Kind() != reflect.Struct:
		return func(string) (reflect.Type, bool) { return nil, true }
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && !f.Anonymous && name != "-" {
			fields[cmp.Or(name, f.Name)] = f.Type
		}
	}
	return func(name string) (reflect.Type, bool) {
		member, ok := fields[name]
		return member, ok
	}
}

// underlying looks through pointers. It returns nil for a type that decodes itself,
// which may accept any value.
func underlying(t reflect.Type) reflect.Type {
	for t != nil {
		for _, decoder := range []reflect.Type{reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()} {
			if t.Implements(decoder) || reflect.PointerTo(t).Implements(decoder) {
				return nil
			}
		}
		if t.Kind() != reflect.Pointer {
			break
		}
		t = t.Elem()
	}
	return t
}
