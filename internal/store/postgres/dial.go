package postgres

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// deadLine is how long nothing may arrive from the other end before a connection is
// closed. The server's end has the same in its settings.
const deadLine = 5 * time.Second

// line is what bearerd knows about one connection.
type line struct {
	up atomic.Bool // the connection is made

	origin string // which server it leads to, as checkServer found

	// warned is the last warning since it was cleared. It belongs to the goroutine
	// that uses the connection.
	warned *pgconn.Notice
}

// lineKey is the key under which a connection keeps its line.
const lineKey = "bearerd"

// lineOf returns the line of a connection that own prepared.
func lineOf(c *pgx.Conn) *line {
	l, ok := c.PgConn().CustomData()[lineKey].(*line)
	if !ok {
		return &line{}
	}
	return l
}

// own prepares the configuration of one connection: it notices a lost connection, keeps
// the server's warnings, and never asks the server to cancel anything. The driver would
// do so whenever a connection is lost, and the server would then end the wait of a COMMIT
// for its standby. All other statements have a time-out at the server.
func own(config *pgx.ConnConfig) {
	l := &line{}
	dialer := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadLine, Interval: time.Second, Count: 3},
		Control:         limitSilence,
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if l.up.Load() {
			return nil, errNoCancel
		}
		return dialer.DialContext(ctx, network, address)
	}
	config.AfterConnect = func(_ context.Context, c *pgconn.PgConn) error {
		c.CustomData()[lineKey] = l
		l.up.Store(true)
		return nil
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			l.warned = n
		}
	}
}

var errNoCancel = errors.New("the server is never asked to cancel a statement")
