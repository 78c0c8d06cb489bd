package config

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/bearerd/bearerd/internal/suggest"
)

// decoder fills Go values from YAML by their `yaml` tags, and collects what is
// wrong instead of stopping at it.
type decoder struct {
	source   string            // the file, or the variable or flag when there is one
	isFile   bool              // whether lines mean something
	origin   map[string]string // where each key was set, by its path
	problems []Problem
}

// document decodes YAML text into v, which is the value at the key.
func (d *decoder) document(key, text string, v reflect.Value) {
	loader, err := yaml.NewLoader(strings.NewReader(text))
	if err != nil {
		d.syntax(key, err)
		return
	}
	var doc, second yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		return // nothing but comments
	case err != nil:
		d.syntax(key, err)
		return
	}
	if err := loader.Load(&second); !errors.Is(err, io.EOF) {
		d.fail(&doc, key, "something follows the first YAML document", "")
		return
	}
	if root := doc.Content[0]; root.Tag != "!!null" {
		d.value(key, root, v)
	}
}

// syntax reports the error of the YAML parser.
func (d *decoder) syntax(key string, err error) {
	where := d.source
	message := "no well-formed YAML"
	if load, ok := errors.AsType[*yaml.LoadError](err); ok {
		if d.isFile && load.Mark.Line > 0 {
			where += ":" + strconv.Itoa(load.Mark.Line)
		}
		message += ": " + load.Message
	}
	d.problems = append(d.problems, Problem{Where: where, Key: key, Message: message})
}

func (d *decoder) where(n *yaml.Node) string {
	if !d.isFile || n == nil {
		return d.source
	}
	return Position{File: d.source, Line: n.Line}.String()
}

func (d *decoder) fail(n *yaml.Node, key, message, hint string) {
	d.problems = append(d.problems, Problem{Where: d.where(n), Key: key, Message: message, Hint: hint})
}

// value decodes n into v, which is the value at the key.
func (d *decoder) value(key string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		d.fail(n, key, "anchors, aliases and tags are not taken here", "write the value out")
		return
	}
	d.origin[key] = d.where(n)
	switch {
	case v.Type() == reflect.TypeFor[JSONText]():
		text, err := readJSON(n)
		if err != nil {
			d.fail(n, key, "must be a JSON object, or a mapping "+err.Error(), "")
		}
		v.SetString(string(text))
	case isScalar(v.Type()):
		d.scalar(key, n, v)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(key, n, v.Elem())
	case v.Kind() == reflect.Slice:
		d.list(key, n, v)
	default:
		d.mapping(key, n, v)
	}
}

func (d *decoder) scalar(key string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, key, "must be "+kindName(v.Type())+", not a list or a mapping", "")
		return
	}
	if n.Tag == "!!null" {
		d.fail(n, key, "has no value", `leave the line out for the default, or write "" for an empty text`)
		return
	}
	if into, ok := reflect.TypeAssert[*ClaimValue](v.Addr()); ok && !strings.ContainsFunc(n.Value, unicode.IsControl) {
		var err error
		if *into, err = claimValue(n); err != nil {
			d.fail(n, key, "must be "+err.Error(), "")
		}
		return
	}
	d.text(key, n, n.Value, v)
}

// text sets v, a scalar, from its text.
func (d *decoder) text(key string, n *yaml.Node, text string, v reflect.Value) {
	if err := setScalar(v, text); err != nil {
		d.fail(n, key, "must be "+kindName(v.Type())+err.Error(), meantValue(v.Type(), text))
	}
}

// daysForm and sizeForm are forms of other programs for durations and sizes.
var (
	daysForm = regexp.MustCompile(`^([1-9][0-9]{0,4})([dw])$`)
	sizeForm = regexp.MustCompile(`^([1-9][0-9]{0,8}) ?([KMGkmg])[bB]?$`)
)

// meantValue returns a hint about what was probably meant by a text that is no value of a type.
func meantValue(t reflect.Type, text string) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		if m := daysForm.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			if m[2] == "w" {
				n *= 7
			}
			return fmt.Sprintf("write %dh", 24*n)
		}
	case t == reflect.TypeFor[Size]():
		if m := sizeForm.FindStringSubmatch(text); m != nil {
			return "write " + m[1] + strings.ToUpper(m[2]) + "iB"
		}
	case t.Kind() == reflect.Bool:
		switch strings.ToLower(text) {
		case "yes", "on", "1", "y":
			return "write true"
		case "no", "off", "0", "n":
			return "write false"
		}
	}
	return ""
}

func (d *decoder) list(key string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, key, "must be a list", "write [a, b], or [a] for a list of one")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", key, i), item, list.Index(i))
	}
	v.Set(list)
}

// mapping decodes into a struct, or into a map with string keys.
func (d *decoder) mapping(key string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, key, "must be a mapping of keys to values", "")
		return
	}
	if v.Kind() == reflect.Map {
		v.Set(reflect.MakeMap(v.Type()))
	} else if at := v.FieldByName("At"); at.IsValid() {
		at.Set(reflect.ValueOf(Position{File: d.source, Line: n.Line}))
	}
	first := map[string]int{}
	for pair := range slices.Chunk(n.Content, 2) {
		name := pair[0]
		if name.Kind != yaml.ScalarNode {
			d.fail(name, key, "a key must be a plain name", "")
			continue
		}
		if line, twice := first[name.Value]; twice {
			d.fail(name, join(key, name.Value), fmt.Sprintf("is repeated, first on line %d", line), "")
			continue
		}
		first[name.Value] = name.Line
		d.member(key, pair, v)
	}
}

// member decodes one pair of a mapping into v.
func (d *decoder) member(key string, pair []*yaml.Node, v reflect.Value) {
	name := pair[0].Value
	if v.Kind() == reflect.Map {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(join(key, name), pair[1], element)
		v.SetMapIndex(reflect.ValueOf(name), element)
		return
	}
	for field, value := range v.Fields() {
		if field.Tag.Get("yaml") == name && name != "-" {
			d.value(join(key, name), pair[1], value)
			return
		}
	}
	var keys []string
	for field := range v.Type().Fields() {
		if name := field.Tag.Get("yaml"); name != "-" {
			keys = append(keys, name)
		}
	}
	hint := "the keys here are " + strings.Join(keys, ", ")
	if closest := suggest.Closest(name, keys); closest != "" && len(keys) > mostKeys {
		hint = fmt.Sprintf("did you mean %q?", closest)
	}
	d.fail(pair[0], "", fmt.Sprintf("unknown key %q", join(key, name)), hint)
}

// mostKeys is how many keys are listed beside one that is like a misspelt key.
const mostKeys = 8

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// isScalar reports whether a type is written as one text.
func isScalar(t reflect.Type) bool {
	switch t.Kind() { //nolint:exhaustive // every other kind is none
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		return true
	default:
		return t == reflect.TypeFor[netip.Prefix]() || t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[PasswordHash]() ||
			t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[ClaimValue]()
	}
}

func kindName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 90s, 30m or 720h"
	case t == reflect.TypeFor[Size]():
		return "a size such as 512KiB, 32MiB or 1GiB"
	case t == reflect.TypeFor[netip.Prefix]():
		return "an address or a network such as 10.0.0.0/8"
	case t == reflect.TypeFor[time.Time]():
		return "a time such as 2026-05-04T12:00:00Z"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t == reflect.TypeFor[Wait]():
		return "true, false or all"
	case t.Kind() == reflect.String || t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[PasswordHash]() || t == reflect.TypeFor[ClaimValue]():
		return "a text"
	default:
		return "an integer"
	}
}

// setScalar sets v from text. Its error continues a sentence about what v must be, and
// never contains the text of a [Secret].
func setScalar(v reflect.Value, text string) error {
	var err error
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		var d time.Duration
		d, err = time.ParseDuration(text)
		v.SetInt(int64(d))
	case v.Type() == reflect.TypeFor[Size]():
		var s Size
		s, err = parseSize(text)
		v.SetInt(int64(s))
	case v.Type() == reflect.TypeFor[netip.Prefix]():
		var p netip.Prefix
		p, err = parseNetwork(text)
		v.Set(reflect.ValueOf(p))
	case v.Type() == reflect.TypeFor[time.Time]():
		var at time.Time
		at, err = parseTime(text)
		v.Set(reflect.ValueOf(at))
	case v.Type() == reflect.TypeFor[Wait]():
		var w Wait
		err = w.UnmarshalText([]byte(text))
		v.SetString(string(w))
	case v.Kind() == reflect.Bool:
		v.SetBool(text == "true")
		if text != "true" && text != "false" {
			err = strconv.ErrSyntax
		}
	case strings.ContainsFunc(text, unicode.IsControl):
		return errors.New(" without control characters")
	case v.Type() == reflect.TypeFor[Secret]():
		if text == "" {
			return errors.New(" that is not empty")
		}
		v.Set(reflect.ValueOf(NewSecret(text)))
	case v.Type() == reflect.TypeFor[PasswordHash]():
		v.Set(reflect.ValueOf(PasswordHash{NewSecret(text)}))
	case v.Kind() == reflect.String:
		v.SetString(text)
	default:
		var i int64
		i, err = strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(i)
	}
	if err != nil {
		return fmt.Errorf(", not %q", text)
	}
	return nil
}

// parseTime reads a time of RFC 3339, and one with a space for the T, as PyYAML writes it.
func parseTime(text string) (time.Time, error) {
	if at, err := time.Parse("2006-01-02 15:04:05Z07:00", text); err == nil {
		return at, nil
	}
	return time.Parse(time.RFC3339, text)
}

// parseNetwork reads an address or a CIDR. An address is the network of itself.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("parsing a network: %w", err)
	}
	return network.Masked(), nil
}

// Size is a number of bytes, written as a whole number with a unit: 512KiB, 32MiB,
// 1GiB.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func parseSize(text string) (Size, error) {
	for _, unit := range sizeUnits {
		digits, found := strings.CutSuffix(text, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.bytes || strconv.FormatInt(n, 10) != digits {
			break
		}
		return Size(n * unit.bytes), nil
	}
	return 0, fmt.Errorf("no size: %w", strconv.ErrSyntax)
}

// String writes the size in the largest unit that is exact.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if n := int64(s); n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
