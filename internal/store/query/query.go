// Package query helps to write statements and to read what they return: rows, single things,
// pages of a list with their cursors, and what is deleted in small steps.
package query

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/engine"
)

// List reads every row of a query on a connection.
func List[T any](ctx context.Context, c engine.Conn, scan func(engine.Scanner) (T, error), text string, args ...any) ([]T, error) {
	var items []T
	err := c.Each(ctx, text, args, func(row engine.Scanner) error {
		item, err := scan(row)
		items = append(items, item)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// All reads every row of a single query, which is a snapshot by itself.
func All[T any](ctx context.Context, db engine.DB, scan func(engine.Scanner) (T, error), text string, args ...any) (items []T, err error) {
	err = db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		items, err = List(ctx, c, scan, text, args...)
		return err
	})
	return items, err
}

// Exists reports whether a query has a row.
func Exists(ctx context.Context, c engine.Conn, text string, args ...any) (found bool, err error) {
	err = c.Each(ctx, text, args, func(engine.Scanner) error {
		found = true
		return nil
	})
	return found, err
}

// Named returns fault.Invalid when a query finds no thing of a name. It checks nothing when the
// name is "".
func Named(ctx context.Context, c engine.Conn, what, text, name string) error {
	if name == "" {
		return nil
	}
	found, err := Exists(ctx, c, text, name)
	if err == nil && !found {
		return fault.New(fault.Invalid, "the %s doesn't exist", what).In(what)
	}
	return err
}

// OrNotFound turns the error of a missing row into fault.NotFound.
func OrNotFound(err error, message string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "%s", message)
	}
	return err
}

// UnlessConflict runs a statement that changes no row in case of a conflict, such as an
// insert of a row that exists: the error is then fault.Conflict.
func UnlessConflict(ctx context.Context, c engine.Conn, conflict, text string, args ...any) error {
	return MustChange(ctx, c, fault.New(fault.Conflict, "%s", conflict), text, args...)
}

// Change runs an update or delete of one thing. The error is fault.NotFound when it is missing.
func Change(ctx context.Context, c engine.Conn, missing, text string, args ...any) error {
	return MustChange(ctx, c, fault.New(fault.NotFound, "%s", missing), text, args...)
}

// MustChange runs a statement, and returns the error none if it changes no row.
func MustChange(ctx context.Context, c engine.Conn, none error, text string, args ...any) error {
	n, err := c.Exec(ctx, text, args...)
	if err == nil && n == 0 {
		return none
	}
	return err
}

// Taken says of a fault.Conflict which field it is about, and returns every other error as it
// is.
func Taken(field string, err error) error {
	if fault.Is(err, fault.Conflict) {
		return fault.In(field, err)
	}
	return err
}

// keysAt is how many keys one statement looks up.
const keysAt = 100

// CheckNames returns fault.Invalid for more names than are looked up at a time.
func CheckNames(n int) error {
	if n > records.MaxNames {
		return fault.New(fault.Invalid, "at most %d names are looked up at a time", records.MaxNames)
	}
	return nil
}

// LookUp reads the rows that have one of at most records.MaxNames keys. The text ends with
// the column of the key.
func LookUp[K interface{ ~string | ~int64 }, T any](ctx context.Context, db engine.DB, text string, keys []K, scan func(engine.Scanner) (T, error)) ([]T, error) {
	if err := CheckNames(len(keys)); err != nil {
		return nil, err
	}
	text += " IN (" + Numbered(keysAt) + ")"
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	var found []T
	for some := range slices.Chunk(keys, keysAt) {
		args := make([]any, keysAt) // one length, one statement to prepare
		for i := range args {
			args[i] = some[min(i, len(some)-1)]
		}
		rows, err := All(ctx, db, scan, text, args...)
		if err != nil {
			return nil, err
		}
		found = append(found, rows...)
	}
	return found, nil
}

// Numbered returns the parameters $1 to $n, with commas between.
func Numbered(n int) string {
	var text strings.Builder
	for i := range n {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString("$" + strconv.Itoa(i+1))
	}
	return text.String()
}

// Literal returns text for a LIKE in which no character has a meaning of its own.
func Literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}
