package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	leastQuiet  = time.Second // without a notification, before the connection is tested
	firstPause  = 50 * time.Millisecond
	longestWait = 2 * time.Second
)

// Listen implements engine.DB.
func (db *DB) Listen(ctx context.Context, wake func()) error {
	pause := firstPause
	for {
		heard := false
		_ = listener{db}.once(ctx, func() { // whatever ended it, the log is also asked at intervals
			heard = true
			wake()
		})
		if heard {
			pause = firstPause
		}
		// Jitter: all nodes may have lost their connections at the same moment.
		timer := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // no secret
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		pause = min(2*pause, longestWait)
	}
}

// listener listens to the log of a database, on a connection of its own.
type listener struct{ db *DB }

// once listens on a connection of its own until that is lost.
func (l listener) once(ctx context.Context, wake func()) error {
	c, err := l.db.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer l.hangUp(c)
	if _, err := c.Exec(ctx, "LISTEN bearerd_log"); err != nil {
		return err
	}
	wake() // for what was appended before
	for {
		if err := l.notified(ctx, c); err != nil {
			return err
		}
		wake()
	}
}

// hangUp closes a connection that may be lost.
func (l listener) hangUp(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), l.db.limits.StatementTimeout)
	defer cancel()
	_ = c.Close(ctx)
}

// notified waits for a notification, and tests from time to time that one could come.
func (l listener) notified(ctx context.Context, c *pgx.Conn) error {
	for {
		waiting, cancel := context.WithTimeout(ctx, max(leastQuiet, l.db.limits.Staleness))
		_, err := c.WaitForNotification(waiting)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return errors.Join(err, ctx.Err())
		}
		answering, cancel := context.WithTimeout(ctx, l.db.limits.StatementTimeout)
		err = c.Ping(answering)
		cancel()
		if err != nil {
			return err
		}
	}
}
