package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// conn is one connection with the statements that were prepared on it. Their
// texts are constants, so there is a bounded number of them.
type conn struct {
	pool  *sql.DB // of this connection alone
	db    *sql.Conn
	stmts map[string]*sql.Stmt
	count *atomic.Int64 // of every statement sent, by any connection
}

// prepare makes sure that the statement is prepared.
func (c *conn) prepare(ctx context.Context, text string) error {
	c.count.Add(1)
	if c.stmts[text] != nil {
		return nil
	}
	s, err := c.db.PrepareContext(ctx, text) //nolint:sqlclosecheck // kept for the next time, and closed with the connection
	if err != nil {
		return fmt.Errorf("preparing a statement: %w", err)
	}
	c.stmts[text] = s
	return nil
}

// exec runs a statement and gives the number of rows that it changed.
func (c *conn) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := c.prepare(ctx, text); err != nil {
		return 0, err
	}
	result, err := c.stmts[text].ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row reads the one row of a query into dest; sql.ErrNoRows when there is none.
func (c *conn) row(ctx context.Context, text string, args []any, dest ...any) error {
	if err := c.prepare(ctx, text); err != nil {
		return err
	}
	return c.stmts[text].QueryRowContext(ctx, args...).Scan(dest...)
}

// exists reports whether a query has a row; it must select one integer.
func (c *conn) exists(ctx context.Context, text string, args ...any) (bool, error) {
	var one int64
	err := c.row(ctx, text, args, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// scanner is a row that can be read: of *sql.Row or *sql.Rows.
type scanner func(dest ...any) error

// list reads every row of a query.
func list[T any](ctx context.Context, c *conn, scan func(scanner) (T, error), text string, args ...any) ([]T, error) {
	if err := c.prepare(ctx, text); err != nil {
		return nil, err
	}
	rows, err := c.stmts[text].QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
	var items []T
	for rows.Next() {
		item, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, rows.Err()
}

// query reads every row of a query that is a snapshot by itself.
func query[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), text string, args ...any) (items []T, err error) {
	err = s.read(ctx, func(ctx context.Context, c *conn) error {
		items, err = list(ctx, c, scan, text, args...)
		return err
	})
	return items, err
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.db.Close(), c.pool.Close())...)
}

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

// null is how a text is stored where none means NULL.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// encode writes a list as JSON; [] when there is nothing in it.
func encode[T any](items []T) (string, error) {
	if len(items) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(items)
	if err != nil {
		return "", fmt.Errorf("encoding a list: %w", err)
	}
	return string(b), nil
}

// decoded reads a list from what encode wrote; an empty one is nil.
type decoded[T any] struct{ to *[]T }

func into[T any](list *[]T) decoded[T] { return decoded[T]{list} }

// Scan implements sql.Scanner.
func (d decoded[T]) Scan(value any) error {
	text, err := textOf(value)
	*d.to = nil
	if err != nil || text == "[]" {
		return err
	}
	if err := json.Unmarshal([]byte(text), d.to); err != nil {
		return fmt.Errorf("decoding a list: %w", err)
	}
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

// bytesOf are bytes as they are stored: never NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// textOf gives a text as drivers hand it to a sql.Scanner.
func textOf(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	}
	return "", fmt.Errorf("reading a text from a column of type %T", value)
}
