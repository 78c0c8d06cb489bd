package store

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/networks"
)

// micros is how a time is stored: 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// stamp reads a time from what micros wrote.
type stamp struct{ to *time.Time }

// Scan implements sql.Scanner.
func (s stamp) Scan(value any) error {
	us, ok := value.(int64)
	if !ok {
		return fmt.Errorf("reading a time from a column of type %T", value)
	}
	*s.to = instant(us)
	return nil
}

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// truth reads what flag wrote.
type truth struct{ to *bool }

// Scan implements sql.Scanner.
func (t truth) Scan(value any) error {
	n, ok := value.(int64)
	if !ok {
		return fmt.Errorf("reading a flag from a column of type %T", value)
	}
	*t.to = n != 0
	return nil
}

// null returns a text as it is stored in a column where NULL stands for none.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// asJSON writes and reads a list as JSON; an empty one is [], and nil when it is read.
type asJSON[T any] struct{ items *[]T }

func listOf[T any](items *[]T) asJSON[T] { return asJSON[T]{items} }

// Value implements driver.Valuer.
func (l asJSON[T]) Value() (driver.Value, error) {
	if len(*l.items) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(*l.items)
	return string(b), err
}

// Scan implements sql.Scanner.
func (l asJSON[T]) Scan(value any) error {
	text, err := textOf(value)
	*l.items = nil
	if err != nil || text == "[]" {
		return err
	}
	if err := json.Unmarshal([]byte(text), l.items); err != nil {
		return fmt.Errorf("decoding a list: %w", err)
	}
	return nil
}

// networkList writes and reads networks as JSON; none are [].
type networkList struct{ list *networks.List }

func networksOf(list *networks.List) networkList { return networkList{list} }

// Value implements driver.Valuer. A list that is empty and not nil is an error: stored as
// [] it would limit nothing.
func (l networkList) Value() (driver.Value, error) {
	texts := l.list.Strings()
	if texts != nil && len(texts) == 0 {
		return nil, errors.New("a list of networks is empty")
	}
	return listOf(&texts).Value()
}

// Scan implements sql.Scanner. Only [] limits nothing: what else isn't a list of networks in
// their one spelling is an error, so that no token is accepted by it.
func (l networkList) Scan(value any) error {
	text, err := textOf(value)
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

// blob reads bytes; none are nil.
type blob struct{ to *[]byte }

// Scan implements sql.Scanner.
func (b blob) Scan(value any) error {
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

// bytesOf returns bytes as they are stored: never NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// textOf returns a text from what a driver passes to a sql.Scanner.
func textOf(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	}
	return "", fmt.Errorf("reading a text from a column of type %T", value)
}
