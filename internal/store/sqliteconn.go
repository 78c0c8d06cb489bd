package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/bearerd/bearerd/internal/revocation"
)

// sqliteConn is one connection with the statements that were prepared on it. Their
// texts are constants, so there is a bounded number of them.
type sqliteConn struct {
	pool  *sql.DB // of this connection alone
	db    *sql.Conn
	stmts map[string]*sql.Stmt
	count *atomic.Int64 // of every statement sent, by any connection
}

// prepare prepares the statement, unless it is prepared.
func (c *sqliteConn) prepare(ctx context.Context, text string) error {
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

func (c *sqliteConn) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := c.prepare(ctx, text); err != nil {
		return 0, err
	}
	result, err := c.stmts[text].ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (c *sqliteConn) post(ctx context.Context, text string, args ...any) error {
	_, err := c.exec(ctx, text, args...)
	return err
}

func (c *sqliteConn) row(ctx context.Context, text string, args []any, dest ...any) error {
	if err := c.prepare(ctx, text); err != nil {
		return err
	}
	return c.stmts[text].QueryRowContext(ctx, args...).Scan(dest...)
}

func (c *sqliteConn) each(ctx context.Context, text string, args []any, read func(scanner) error) error {
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

// script implements conn; it keeps no prepared statement.
func (c *sqliteConn) script(ctx context.Context, text string) error {
	c.count.Add(1)
	_, err := c.db.ExecContext(ctx, text)
	return err
}

func (c *sqliteConn) append(ctx context.Context, entries []revocation.Entry, head *revocation.Seq) error {
	if err := c.row(ctx, advanceHead, []any{len(entries)}, head); err != nil {
		return err
	}
	first := *head - revocation.Seq(len(entries)) + 1
	for i, e := range entries {
		_, err := c.exec(ctx, insertEntry, first+revocation.Seq(i), string(e.What), e.ID, micros(e.Until), micros(e.At))
		if err != nil {
			return err
		}
	}
	return nil
}

// origin returns none: a file is one database.
func (*sqliteConn) origin() string { return "" }

// lock does nothing: only one transaction writes at a time.
func (*sqliteConn) lock(context.Context, lock) error { return nil }

func (c *sqliteConn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.db.Close(), c.pool.Close())...)
}

// sqlitePool has the connections that read and are idle. The one that was used last is
// taken next: the pages that it has read are in its cache.
type sqlitePool struct {
	idle chan struct{} // one for each idle connection

	mu    sync.Mutex
	conns []*sqliteConn
}

// put adds a connection that is idle.
func (p *sqlitePool) put(c *sqliteConn) {
	p.mu.Lock()
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	p.idle <- struct{}{}
}

// take returns an idle connection to who has received from idle.
func (p *sqlitePool) take() *sqliteConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.conns) - 1
	c := p.conns[last]
	p.conns = p.conns[:last]
	return c
}
