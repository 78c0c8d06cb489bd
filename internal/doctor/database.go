package doctor

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
)

const replicationPage = "see docs/replication.md"

// Database checks what an inspection found. database is its name in the configuration; of
// a PostgreSQL URL the host is used.
func (r *Report) Database(in *store.Inspection, database string) {
	r.OK("database", "%s", in.Engine)
	switch n := len(in.Pending); {
	case in.New:
		r.Warn("schema", "there is none yet", `the first "bearerd serve" creates it, or "bearerd migrate" now`)
	case n > 0:
		r.Warn("schema", fmt.Sprintf("%d migrations have yet to run, the first is %s", n, in.Pending[0]),
			`start this version of the server, or run "bearerd migrate"; servers of the version before go on beside it`)
	default:
		r.OK("schema", "up to date")
	}
	if in.Moved {
		r.Warn("restored", "the database was restored from a backup, or its server failed over; what was revoked in between may be accepted again",
			`the next start raises the sequence of the revocation log; to be certain, stop every server and run "bearerd migrate --restored --revoke-all"`)
	}
	if in.SQLite != nil {
		r.sqlite(in.SQLite)
	}
	if in.Postgres != nil {
		r.postgres(in.Postgres, database)
	}
}

func (r *Report) sqlite(f *store.SQLiteFacts) {
	const name = "database settings"
	switch {
	case f.Mode.Perm()&0o077 != 0:
		r.Fail("database file", fmt.Sprintf("others may read or write %s (mode %#o)", f.Path, f.Mode.Perm()), "chmod 600 "+f.Path+"*")
	default:
		r.OK("database file", "%s, for its owner alone", f.Path)
	}
	switch {
	case f.Synchronous != "full" && f.Synchronous != "extra":
		r.Fail(name, "synchronous is "+f.Synchronous+": what was acknowledged may be lost", "leave the settings of the database to bearerd")
	case f.JournalMode != "wal":
		r.Warn(name, "journal_mode is "+f.JournalMode, "the next start of a server turns it to wal; no other program may change it")
	default:
		r.OK(name, "journal_mode wal, synchronous %s", f.Synchronous)
	}
}

func (r *Report) postgres(f *store.PostgresFacts, database string) {
	const name = "database settings"
	switch {
	case f.SynchronousCommit != "on" && f.SynchronousCommit != "remote_apply":
		r.Fail(name, "synchronous_commit is "+f.SynchronousCommit+" for the sessions of bearerd: an acknowledged revocation may be lost",
			"connect to the PostgreSQL server itself, not through a pooler that drops settings; "+replicationPage)
	case !f.Fsync:
		r.Fail(name, "fsync is off: a crash of the server loses what was acknowledged", "set fsync = on in postgresql.conf")
	case !f.FullPageWrites:
		r.Fail(name, "full_page_writes is off: a crash of the server can damage the database", "set full_page_writes = on in postgresql.conf")
	default:
		r.OK(name, "synchronous_commit %s, fsync on; every setting of the session is in force, so no pooler drops them", f.SynchronousCommit)
	}
	switch {
	case f.SynchronousNames == "" && f.Standbys > 0:
		r.Warn("replication", fmt.Sprintf("%d asynchronous standbys: a failover loses what they have not received, and a former primary goes on accepting tokens", f.Standbys),
			"set synchronous_standby_names; "+replicationPage)
	case f.SynchronousNames == "":
		r.OK("replication", "none is seen")
	case f.Standbys == 0:
		r.Fail("replication", "synchronous_standby_names is "+f.SynchronousNames+", and no standby is connected: commits wait", "start the standby; "+replicationPage)
	default:
		r.OK("replication", "synchronous: %s, %d connected", f.SynchronousNames, f.Standbys)
	}
	if f.MayCreate {
		r.OK("database role", "%s may create tables, as an upgrade does", f.Role)
	} else {
		r.Warn("database role", f.Role+" may not create tables: an upgrade that changes the schema won't start",
			"grant it before an upgrade: GRANT CREATE ON SCHEMA public TO "+f.Role)
	}
	host := ""
	if u, err := url.Parse(database); err == nil {
		host = u.Hostname()
	}
	if !f.Encrypted && host != "" && !token.IsLoopback(host) {
		r.Warn("database connection", "not encrypted, to "+host, "add sslmode=verify-full to the URL in database, and give the server a certificate")
	}
}

// Keys checks the signing keys of a database, with the algorithm of the configuration.
func (r *Report) Keys(keys []keyring.Key, algorithm token.Algorithm) {
	const name = "signing keys"
	if algorithm == token.HS256 {
		r.OK(name, "a shared secret (HS256)")
		return
	}
	counts := map[keyring.State]int{}
	var active *keyring.Key
	for i, k := range keys {
		if counts[k.State]++; k.State == keyring.Active {
			active = &keys[i]
		}
	}
	switch {
	case len(keys) == 0:
		r.Warn(name, "there are none yet", `the first "bearerd serve" makes one`)
	case active == nil:
		r.Fail(name, "none is active: nothing can be signed", "start a server, which makes one active, and see its log")
	case active.Algorithm != algorithm:
		r.Warn(name, fmt.Sprintf("the active key signs with %s, and signing.algorithm is %s", active.Algorithm, algorithm),
			`it signs until the next key takes over, or until "bearerd keys rotate --now"`)
	default:
		r.OK(name, "%s signs with %s since %s; %d next, %d retired", active.KID, active.Algorithm,
			active.ActiveAt.UTC().Format(time.RFC3339), counts[keyring.Next], counts[keyring.Retired])
	}
}

// The offsets of clocks from which on they are reported. Tokens are judged by whole seconds.
const (
	offsetWarns = 2 * time.Second
	offsetFails = time.Minute
)

// Clock checks how far this machine's clock is from another, which was read at here, give or
// take an error.
func (r *Report) Clock(name string, here, there time.Time, errorOf time.Duration) {
	offset := here.Sub(there)
	words := "ahead of"
	if offset < 0 {
		words = "behind"
	}
	detail := fmt.Sprintf("this machine's clock is %s %s %s", offset.Abs().Round(10*time.Millisecond), words, strings.TrimPrefix(name, "clock and "))
	const advice = "let NTP (chrony, systemd-timesyncd) set the clocks of both machines"
	switch off := offset.Abs() - errorOf; {
	case off > offsetFails:
		r.Fail(name, detail+": tokens are refused too early, or too late", advice)
	case off > offsetWarns:
		r.Warn(name, detail, advice)
	default:
		r.OK(name, "within %s", (offset.Abs() + errorOf).Round(10*time.Millisecond))
	}
}
