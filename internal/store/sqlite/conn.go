package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
)

// conn is one connection with the statements that were prepared on it. Their
// texts are constants, so there is a bounded number of them.
type conn struct {
	pool  *sql.DB // of this connection alone
	db    *sql.Conn
	stmts map[string]*sql.Stmt
	count *atomic.Int64 // of every statement sent, by any connection
}

// prepare prepares the statement, unless it is prepared.
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

func (c *conn) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := c.prepare(ctx, text); err != nil {
		return 0, err
	}
	result, err := c.stmts[text].ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (c *conn) Post(ctx context.Context, text string, args ...any) error {
	_, err := c.Exec(ctx, text, args...)
	return err
}

func (c *conn) Row(ctx context.Context, text string, args []any, dest ...any) error {
	if err := c.prepare(ctx, text); err != nil {
		return err
	}
	return c.stmts[text].QueryRowContext(ctx, args...).Scan(dest...)
}

func (c *conn) Each(ctx context.Context, text string, args []any, read func(engine.Scanner) error) error {
	if err := c.prepare(ctx, text); err != nil {
		return err
	}
	rows, err := c.stmts[text].QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
	for rows.Next() {
		if err := read(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Script implements engine.Conn; it keeps no prepared statement.
func (c *conn) Script(ctx context.Context, text string) error {
	c.count.Add(1)
	_, err := c.db.ExecContext(ctx, text)
	return err
}

func (c *conn) Append(ctx context.Context, entries []revocation.Entry, head *revocation.Seq) error {
	if err := c.Row(ctx, advanceHead, []any{len(entries)}, head); err != nil {
		return err
	}
	first := *head - revocation.Seq(len(entries)) + 1
	for i, e := range entries {
		_, err := c.Exec(ctx, insertEntry, first+revocation.Seq(i), string(e.What), e.ID, column.Micros(e.Until), column.Micros(e.At))
		if err != nil {
			return err
		}
	}
	return nil
}

// Origin returns none: a file is one database.
func (*conn) Origin() string { return "" }

// Lock does nothing: only one transaction writes at a time.
func (*conn) Lock(context.Context, engine.Lock) error { return nil }

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.db.Close(), c.pool.Close())...)
}

// pool has the connections that read and are idle. The one that was used last is
// taken next: the pages that it has read are in its cache.
type pool struct {
	idle chan struct{} // one for each idle connection

	mu    sync.Mutex
	conns []*conn
}

// put adds a connection that is idle.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	p.idle <- struct{}{}
}

// take returns an idle connection to who has received from idle.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.conns) - 1
	c := p.conns[last]
	p.conns = p.conns[:last]
	return c
}
