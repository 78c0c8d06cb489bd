package store

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
)

var parameter = regexp.MustCompile(`\$[0-9]+`)

// inline writes the arguments into a statement, for the simple protocol, which has no
// parameters. What it writes depends on standard_conforming_strings, which every
// session turns on.
func inline(text string, args []any) (string, error) {
	var failed error
	text = parameter.ReplaceAllStringFunc(text, func(p string) string {
		n, err := strconv.Atoi(p[1:])
		if err != nil || n < 1 || n > len(args) {
			failed = fmt.Errorf("the statement has no argument %s", p)
			return p
		}
		s, err := literal(args[n-1])
		if err != nil {
			failed = err
		}
		return s
	})
	return text, failed
}

func literal(arg any) (string, error) {
	if b, ok := arg.([]byte); ok {
		return `'\x` + hex.EncodeToString(b) + `'`, nil
	}
	if arg == nil {
		return "NULL", nil
	}
	v := reflect.ValueOf(arg)
	switch {
	case v.CanInt():
		return "(" + strconv.FormatInt(v.Int(), 10) + ")", nil
	case v.Kind() == reflect.String && storableText(v.String()):
		return "'" + strings.ReplaceAll(v.String(), "'", "''") + "'", nil
	}
	return "", fmt.Errorf("an argument of type %T can't be written into a statement", arg)
}

// PostgreSQL keeps no text that isn't UTF-8 or has a NUL.
func storableText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

var errUnstorable = fault.New(fault.Invalid, "a text holds NUL, or is not UTF-8")

// storable reports whether all texts among the arguments can be stored.
func storable(args []any) bool {
	for _, arg := range args {
		if v := reflect.ValueOf(arg); arg != nil && v.Kind() == reflect.String && !storableText(v.String()) {
			return false
		}
	}
	return true
}
