// Package column has how values are stored in the columns of both databases, and how they are
// read: times in microseconds, booleans as 0 and 1, lists as JSON.
package column

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/networks"
)

// Micros is how a time is stored: 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Instant returns the time that Micros has stored.
func Instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Time reads what Micros has stored.
func Time(to *time.Time) sql.Scanner { return timeIn{to} }

type timeIn struct{ to *time.Time }

// Scan implements sql.Scanner.
func (t timeIn) Scan(value any) error {
	us, ok := value.(int64)
	if !ok {
		return fmt.Errorf("reading a time from a column of type %T", value)
	}
	*t.to = Instant(us)
	return nil
}

// Flag is how a boolean is stored: 1 or 0.
func Flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Bool reads what Flag has stored.
func Bool(to *bool) sql.Scanner { return boolIn{to} }

type boolIn struct{ to *bool }

// Scan implements sql.Scanner.
func (b boolIn) Scan(value any) error {
	n, ok := value.(int64)
	if !ok {
		return fmt.Errorf("reading a flag from a column of type %T", value)
	}
	*b.to = n != 0
	return nil
}

// Null returns a text as it is stored in a column where NULL stands for none.
func Null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// JSON writes a value to a column as JSON, and reads it from there.
type JSON interface {
	sql.Scanner
	driver.Valuer
}

// List writes and reads a list; an empty one is stored as [], and is nil when it is read.
func List[T any](items *[]T) JSON { return listIn[T]{items} }

type listIn[T any] struct{ items *[]T }

// Value implements driver.Valuer.
func (l listIn[T]) Value() (driver.Value, error) {
	if len(*l.items) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(*l.items)
	return string(b), err
}

// Scan implements sql.Scanner.
func (l listIn[T]) Scan(value any) error {
	text, err := TextOf(value)
	*l.items = nil
	if err != nil || text == "[]" {
		return err
	}
	if err := json.Unmarshal([]byte(text), l.items); err != nil {
		return fmt.Errorf("decoding a list: %w", err)
	}
	return nil
}

// Networks writes and reads networks; none are stored as []. What can't be read is an error,
// and never no limit.
func Networks(list *networks.List) JSON { return networksIn{list} }

type networksIn struct{ list *networks.List }

// Value implements driver.Valuer. A list that is empty and not nil is an error: stored as
// [] it would limit nothing.
func (l networksIn) Value() (driver.Value, error) {
	texts := l.list.Strings()
	if texts != nil && len(texts) == 0 {
		return nil, errors.New("a list of networks is empty")
	}
	return List(&texts).Value()
}

// Scan implements sql.Scanner. Only [] limits nothing: what else isn't a list of networks in
// their one spelling is an error, so that no token is accepted by it.
func (l networksIn) Scan(value any) error {
	text, err := TextOf(value)
	*l.list = nil
	if err != nil || text == "[]" {
		return err
	}
	var texts []string
	if err := json.Unmarshal([]byte(text), &texts); err != nil {
		return fmt.Errorf("decoding networks: %w", err)
	}
	list, ok := networks.Read(texts)
	if !ok {
		return errors.New("decoding networks: they are not in their one spelling")
	}
	*l.list = list
	return nil
}

// Bytes reads bytes; none are nil.
func Bytes(to *[]byte) sql.Scanner { return blobIn{to} }

type blobIn struct{ to *[]byte }

// Scan implements sql.Scanner.
func (b blobIn) Scan(value any) error {
	v, ok := value.([]byte)
	if value != nil && !ok {
		return fmt.Errorf("reading bytes from a column of type %T", value)
	}
	*b.to = nil
	if len(v) > 0 {
		*b.to = bytes.Clone(v)
	}
	return nil
}

// NotNull returns bytes as they are stored where none are not NULL.
func NotNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// TextOf returns the text that a driver passes to a sql.Scanner.
func TextOf(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	}
	return "", fmt.Errorf("reading a text from a column of type %T", value)
}
