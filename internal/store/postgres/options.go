package postgres

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Limits bound the use of a PostgreSQL server. The zero value has the defaults.
type Limits struct {
	// Connections is how many there are at most, plus one that listens to the log; 0: 16.
	// Where there are two or more, one of them is for the log alone.
	Connections int
	// ConnectTimeout is how long making a connection may take; 0: 5 s.
	ConnectTimeout time.Duration
	// StatementTimeout is how long to wait for an answer, a free connection
	// included; 0: 900 ms.
	StatementTimeout time.Duration
	// Staleness is revocation.max_staleness: the server rolls back a transaction that its
	// node leaves idle for a quarter of that, because others may wait for it; 0: 2 s.
	Staleness time.Duration
}

// longestSilence is how long a transaction may be idle at most. Transactions that wait
// for it wait longer.
const longestSilence = 500 * time.Millisecond

func (l Limits) withDefaults() Limits {
	l.Connections = cmp.Or(l.Connections, 16)
	l.ConnectTimeout = cmp.Or(l.ConnectTimeout, 5*time.Second)
	l.StatementTimeout = cmp.Or(l.StatementTimeout, 900*time.Millisecond)
	l.Staleness = cmp.Or(l.Staleness, 2*time.Second)
	return l
}

// lockTimeout is how long a session waits for a lock, in milliseconds.
func (l Limits) lockTimeout() string { return ms(l.StatementTimeout * 9 / 10) }

// mostStuck is how many commits may go on without a caller that waits for them.
func (l Limits) mostStuck() int { return max(l.Connections/4, 1) }

func ms(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }

// session are the settings of every connection, whatever the server's defaults. A
// disconnected node must not keep locks that others wait for, and what is acknowledged
// must be on the disk.
func (l Limits) session() map[string]string {
	return map[string]string{
		"synchronous_commit":                  "on",
		"default_transaction_isolation":       "read committed",
		"standard_conforming_strings":         "on",
		"client_encoding":                     "UTF8",
		"statement_timeout":                   ms(l.StatementTimeout),
		"lock_timeout":                        l.lockTimeout(),
		"idle_in_transaction_session_timeout": ms(min(l.Staleness/4, longestSilence)),
		"tcp_keepalives_idle":                 "5",
		"tcp_keepalives_interval":             "1",
		"tcp_keepalives_count":                "3",
		"tcp_user_timeout":                    "5000",
	}
}

// patient are the settings of a connection that migrates: it may have to wait for others,
// and its statements may take long.
func patient() map[string]string {
	return map[string]string{"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "60000"}
}

// Name returns how messages name the database of a URL, without secrets.
func Name(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "postgres://[redacted]"
	}
	return "postgres://" + u.Host + u.Path
}

// withoutSecrets returns the text of an error about a URL without the URL's secrets.
func withoutSecrets(err error, dsn string) string {
	text := err.Error()
	u, parseErr := url.Parse(dsn)
	if parseErr != nil {
		return "it is not well-formed"
	}
	password, _ := u.User.Password()
	for _, secret := range []string{dsn, password, u.Query().Get("password"), u.Query().Get("sslpassword")} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "xxxxx")
		}
	}
	return text
}

// Options configure how a database is opened.
type Options struct {
	Limits Limits
	// Bulk is set by a process that writes very many rows.
	Bulk bool
	// Queries counts the statements that are sent.
	Queries *atomic.Int64
}
