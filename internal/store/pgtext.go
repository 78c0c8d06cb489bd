package store

import (
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
)

// PostgreSQL keeps no text that isn't UTF-8 or has a NUL.
func storableText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

var errUnstorable = fault.New(fault.Invalid, "a text holds NUL, or is not UTF-8")

// storable reports whether all texts among the arguments can be stored.
func storable(args []any) bool {
	for _, arg := range args {
		if texts, ok := arg.([]string); ok {
			for _, s := range texts {
				if !storableText(s) {
					return false
				}
			}
			continue
		}
		if v := reflect.ValueOf(arg); arg != nil && v.Kind() == reflect.String && !storableText(v.String()) {
			return false
		}
	}
	return true
}
