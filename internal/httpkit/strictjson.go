package httpkit

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
)

// maxDepth bounds how deep objects and lists may nest.
const maxDepth = 16

// checkJSON refuses what encoding/json lets pass: repeated members, members
// that the type does not have by exactly that name, text that is not Unicode,
// deep nesting, and anything behind the first value. It refuses wrong types too:
// encoding/json puts names of Go's into the path that it tells of.
func checkJSON(body []byte, t reflect.Type) error {
	if !utf8.Valid(body) {
		return fault.New(fault.Invalid, "the body is not valid UTF-8")
	}
	c := &jsonChecker{dec: json.NewDecoder(bytes.NewReader(body))}
	c.dec.UseNumber()
	if bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
		return fault.New(fault.Invalid, "the body must not be null")
	}
	if err := c.value(t, 0); err != nil {
		return err
	}
	if _, err := c.dec.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "the body holds more than one JSON value")
	}
	return nil
}

// jsonChecker walks a JSON text beside the type that it is meant for.
type jsonChecker struct {
	dec  *json.Decoder
	path []string
}

// value checks the next value; t is nil where any value may stand.
func (c *jsonChecker) value(t reflect.Type, depth int) error {
	token, err := c.token()
	if err != nil {
		return err
	}
	if want := plain(t); !fits(token, want) {
		return fault.New(fault.Invalid, "%s must be %s", c.where(), jsonKind(want))
	}
	if text, ok := token.(string); ok {
		return c.text(text)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return fault.New(fault.Invalid, "the body nests deeper than %d levels", maxDepth)
	}
	if delim == '[' {
		return c.list(elementType(t), depth)
	}
	return c.object(t, depth)
}

// fits reports whether a value that begins with token is one that a type takes; nil
// takes any, and null is as good as absent.
func fits(token json.Token, t reflect.Type) bool {
	if token == nil || t == nil || t.Kind() == reflect.Interface {
		return true
	}
	switch v := token.(type) {
	case string:
		return t.Kind() == reflect.String
	case bool:
		return t.Kind() == reflect.Bool
	case json.Number:
		return json.Unmarshal([]byte(v), reflect.New(t).Interface()) == nil
	case json.Delim:
		list := t.Kind() == reflect.Slice || t.Kind() == reflect.Array
		object := t.Kind() == reflect.Struct || t.Kind() == reflect.Map
		return v == '[' && list || v == '{' && object
	}
	return true
}

func (c *jsonChecker) object(t reflect.Type, depth int) error {
	shape := shapeOf(t)
	seen := map[string]bool{}
	for c.dec.More() {
		token, err := c.token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return notJSON()
		}
		c.path = append(c.path, name)
		if err := c.member(name, shape, seen); err != nil {
			return err
		}
		if err := c.value(shape.member(name), depth+1); err != nil {
			return err
		}
		c.path = c.path[:len(c.path)-1]
	}
	_, err := c.token()
	return err
}

// member checks the name of a member.
func (c *jsonChecker) member(name string, shape objectShape, seen map[string]bool) error {
	if err := c.text(name); err != nil {
		return err
	}
	if seen[name] {
		return fault.New(fault.Invalid, "%s is repeated", c.where())
	}
	seen[name] = true
	if !shape.has(name) {
		return fault.New(fault.Invalid, "%s is unknown", c.where())
	}
	return nil
}

func (c *jsonChecker) list(element reflect.Type, depth int) error {
	for i := 0; c.dec.More(); i++ {
		c.path = append(c.path, strconv.Itoa(i))
		if err := c.value(element, depth+1); err != nil {
			return err
		}
		c.path = c.path[:len(c.path)-1]
	}
	_, err := c.token()
	return err
}

// text refuses NUL, which no database takes, and U+FFFD, which the decoder puts
// where an escape is half a surrogate pair.
func (c *jsonChecker) text(s string) error {
	if strings.ContainsRune(s, 0) || strings.ContainsRune(s, unicode.ReplacementChar) {
		return fault.New(fault.Invalid, "%s holds a character that is not allowed", c.where())
	}
	return nil
}

func (c *jsonChecker) token() (json.Token, error) {
	token, err := c.dec.Token()
	if err != nil {
		return nil, notJSON()
	}
	return token, nil
}

func (c *jsonChecker) where() string { return memberName(strings.Join(c.path, ".")) }

func notJSON() error { return fault.New(fault.Invalid, "the body is not well-formed JSON") }

// objectShape says which members an object may have, and of what type. The
// zero value is any object at all.
type objectShape struct {
	fields  map[string]reflect.Type // of a struct, by their JSON names
	element reflect.Type            // of a map
}

func (s objectShape) has(name string) bool {
	_, ok := s.fields[name]
	return ok || s.fields == nil
}

func (s objectShape) member(name string) reflect.Type {
	if s.fields == nil {
		return s.element
	}
	return s.fields[name]
}

func shapeOf(t reflect.Type) objectShape {
	t = plain(t)
	switch {
	case t == nil:
		return objectShape{}
	case t.Kind() == reflect.Map:
		return objectShape{element: t.Elem()}
	case t.Kind() == reflect.Struct:
		fields := map[string]reflect.Type{}
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || f.Anonymous || name == "-" {
				continue
			}
			if name == "" {
				name = f.Name
			}
			fields[name] = f.Type
		}
		return objectShape{fields: fields}
	default:
		return objectShape{}
	}
}

func elementType(t reflect.Type) reflect.Type {
	t = plain(t)
	if t == nil || t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
		return nil
	}
	return t.Elem()
}

// plain looks through pointers. It gives nil for a type that decodes itself:
// what it takes is its own affair.
func plain(t reflect.Type) reflect.Type {
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
