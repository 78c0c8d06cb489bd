package postgres

import (
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
)

// columns are the rows that are passed to a procedure, which takes each column as an array.
type columns struct{ rows [][]any }

func (c *columns) add(values ...any) { c.rows = append(c.rows, values) }

// of returns the columns as the functions read them. No column is nil, which would
// be NULL.
func (c *columns) of(read ...func(rows [][]any, column int) any) []any {
	all := make([]any, len(read))
	for i, f := range read {
		all[i] = f(c.rows, i)
	}
	return all
}

func texts(rows [][]any, column int) any { return columnOf[string](rows, column) }

func integers(rows [][]any, column int) any { return columnOf[int64](rows, column) }

func columnOf[T any](rows [][]any, column int) []T {
	values := make([]T, len(rows))
	for i, row := range rows {
		values[i], _ = row[column].(T)
	}
	return values
}

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
