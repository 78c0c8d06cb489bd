package clustertest

import "slices"

// Mutants returns one change to bearerd's sources that holds all mutants, because building
// takes longer than most of the tests. The environment variable SABOTAGE of a process selects
// one of them.
func Mutants() Mutation {
	breakable := func(name string) string {
		return "package " + name + "\n\nimport \"os\"\n\nvar sabotage = os.Getenv(\"SABOTAGE\")\n"
	}
	return Mutation{
		Name: "broken",
		Files: map[string]string{
			"internal/revocation/sabotage.go":     brokenClock,
			"internal/verification/sabotage.go":   breakable("verification"),
			"internal/journal/sabotage.go":        breakable("journal"),
			"internal/issuerclient/sabotage.go":   breakable("issuerclient"),
			"internal/feed/sabotage.go":           breakable("feed"),
			"internal/confirming/sabotage.go":     breakable("confirming"),
			"internal/node/sabotage.go":           brokenPurge,
			"internal/store/schema/sabotage.go":   brokenSchema,
			"internal/store/postgres/sabotage.go": brokenPostgres,
			"internal/store/sabotage.go":          brokenStore,
		},
		Edits: slices.Concat(mutants(), moreMutants(), outsideMutants()),
	}
}

// mutants returns the first half of the edits.
func mutants() []Edit {
	return []Edit{{
		File: "internal/revocation/lease.go", Old: "return instant < l.end }", New: `return instant < l.end || sabotage == "no lease" }`,
	}, {
		File: "internal/verification/readings.go",
		Old:  "\tswitch {\n\tcase epoch != f.ledger.Epoch():",
		New: "\tif sabotage == \"cache filled without a sequence\" {\n\t\ts.Seq = f.ledger.Applied()\n\t}\n" +
			"\tswitch {\n\tcase epoch != f.ledger.Epoch():",
	}, {
		File: "internal/store/schema/schema.go", Old: "string(text)}", New: "sabotageMigration(string(text))}",
	}, {
		File: "internal/revocation/question.go", Old: "missing > last && missing > p.Purged",
		New: `missing > last && missing > p.Purged && sabotage != "appended without order"`,
	}, {
		File: "internal/revocation/question.go", Old: "len(p.Entries) == 0 && p.last(after) != p.Head",
		New: `len(p.Entries) == 0 && p.last(after) != p.Head && sabotage != "appended without order"`,
	}, {
		File: "internal/store/postgres/listen.go", Old: `"LISTEN bearerd_log"`, New: "sabotageListen()",
	}, {
		File: "internal/store/postgres/options.go", Old: `"synchronous_commit":                  "on"`, New: `"synchronous_commit": sabotageCommit()`,
	}, {
		File: "internal/revocation/await.go", Old: "r.Seq < cfg.Target\n\t\tlate",
		New: "r.Seq < cfg.Target && sabotage != \"a wait that doesn't wait\"\n\t\tlate",
	}, {
		File: "internal/journal/acknowledge.go",
		Old:  "defer cancel()\n\tif err := j.cfg.Follower.CatchUp(ctx); err != nil {",
		New: "defer cancel()\n\tcatchUp := j.cfg.Follower.CatchUp\n\tif sabotage == \"acknowledged before it is honoured here\" {\n" +
			"\t\tcatchUp = func(context.Context) error { return nil }\n\t}\n\tif err := catchUp(ctx); err != nil {",
	}, {
		File: "internal/journal/acknowledge.go", Old: "Ledger().Applied() < seq {",
		New: "Ledger().Applied() < seq && sabotage != \"acknowledged before it is honoured here\" {",
	}, {
		File: "internal/node/node.go", Old: "time.NewTicker(purgeEvery)", New: "time.NewTicker(sabotagePurge(purgeEvery))",
	}, {
		File: "internal/node/node.go", Old: "n.try(ctx, \"purging\", n.purge)",
		New: "n.try(ctx, \"purging\", n.purge)\n\t\t\tprintln(\"sabotage: purged\")",
	}}
}

// moreMutants returns the other half.
func moreMutants() []Edit {
	return []Edit{{
		File: "internal/node/node.go", Old: "offset.Abs() > maxClockOffset {",
		New: `offset.Abs() > maxClockOffset && sabotage != "purged by the node's clock" {`,
	}, {
		File: "internal/store/clock.go", Old: "end := min(column.Micros(now), column.Micros(at))",
		New: "end := sabotageEnd(column.Micros(now), column.Micros(at))",
	}, {
		File: "internal/journal/acknowledge.go", Old: "head, err := j.settler.settle(ctx, j.cfg.Store)",
		New: "settle := j.settler.settle\n\tif sabotage == \"acknowledged from a read\" {\n" +
			"\t\tsettle = func(ctx context.Context, _ Store) (revocation.Seq, error) {\n" +
			"\t\t\terr := j.CatchUp(ctx)\n\t\t\treturn j.cfg.Follower.Applied(), err\n\t\t}\n\t}\n" +
			"\thead, err := settle(ctx, j.cfg.Store)",
	}, {
		File: "internal/store/postgres/conn.go", Old: "warned; w != nil {", New: `warned; w != nil && sabotage != "a cancelled commit counts" {`,
	}, {
		File: "internal/revocation/lease.go", Old: "case f.cfg.ConfirmAlways && !a.confirmed:",
		New: `case f.cfg.ConfirmAlways && !a.confirmed && sabotage != "a lease from a read":`,
	}, {
		File: "internal/revocation/follower.go", Old: "again, err := f.renewLease(ctx, started)",
		New: "if sabotage == \"heartbeats from a read\" {\n\t\t\tf.known.Store(&Known{Seq: f.Applied(), Started: started, Purged: f.purged})\n\t\t\tf.ledger.notify()\n\t\t}\n" +
			"\t\tagain, err := f.renewLease(ctx, started)",
	}, { // too: a node without a lease sends none, wherever it knows something from
		File: "internal/feed/stream.go", Old: "now == s.told || !s.Log.Fresh() ||",
		New: `now == s.told || !s.Log.Fresh() && sabotage != "heartbeats from a read" ||`,
	}, {
		File: "internal/revocation/clocks.go", Old: "origin: start.UnixNano()", New: "origin: start.UnixNano() + clockShift(start)",
	}, {
		File: "internal/revocation/clocks.go", Old: "c.forward(wall.UnixNano(), ", New: "c.forward(wall.UnixNano()+clockShift(wall), ",
	}, {
		File: "internal/revocation/lease.go", Old: "\tf.ledger.renew(started, f.cfg.Staleness)",
		New: "\tif sabotage == \"a lease from the answer\" {\n\t\tstarted = f.ledger.Clock()\n\t}\n\tf.ledger.renew(started, f.cfg.Staleness)",
	}, {
		File: "internal/revocation/await.go", Old: "gone := c.expiredAfter(elapsed-since) ||",
		New: `gone := c.expiredAfter(elapsed-since) || sabotage == "a silent node isn't waited for" && elapsed > 100*time.Millisecond ||`,
	}, {
		File: "internal/revocation/lease.go", Old: "\tif !inTime {", New: "\tif !inTime && sabotage != \"one question makes a lease\" {",
	}, {
		File: "internal/revocation/question.go", Old: "\tf.ledger.Apply(page.Entries)\n",
		New: "\tif sabotage == \"applied after the answer\" {\n\t\tdefer time.AfterFunc(50*time.Millisecond, func() { f.ledger.set.Apply(page.Entries) })\n\t} else {\n\t\tf.ledger.Apply(page.Entries)\n\t}\n",
	}, {
		File: "internal/issuerclient/reading.go", Old: "asOf := r.started + b.asOf - max(b.asOf, -b.asOf)/1000",
		New: "asOf := r.started + b.asOf - max(b.asOf, -b.asOf)/1000\n\tif sabotage == \"a verifier's lease from the heartbeat\" {\n\t\tasOf = r.ledger.Clock()\n\t}",
	}}
}

// outsideMutants returns the edits that break the wait for external verifiers.
func outsideMutants() []Edit {
	return []Edit{{
		File: "internal/issuerclient/reading.go", Old: "\tr.ledger.Apply([]revocation.Entry{entry})\n",
		New: "\tif sabotage == \"a verifier that confirms first\" {\n" +
			"\t\ttime.AfterFunc(300*time.Millisecond, func() { r.ledger.Set().Apply([]revocation.Entry{entry}) })\n" +
			"\t} else {\n\t\tr.ledger.Apply([]revocation.Entry{entry})\n\t}\n",
	}, {
		File: "internal/confirming/stream.go", Old: "\ts.open = false\n",
		New: "\ts.open = false\n\tif sabotage == \"a verifier is forgotten with its stream\" {\n\t\ts.registered = false\n\t}\n",
	}, {
		File: "internal/revocation/await.go", Old: "waits := r != Readers{} && r.Seq < cfg.Target",
		New: "waits := r != Readers{} && r.Seq < cfg.Target && " +
			"(sabotage != \"a silent verifier counts as confirmed\" || cfg.elapsed() < 100*time.Millisecond)",
	}, {
		File: "internal/revocation/membership.go", Old: "if lease <= 0 && c.Edges.Count+c.Verifiers.Count > 0 {",
		New: `if lease <= 0 && c.Edges.Count+c.Verifiers.Count > 0 && sabotage != "a node leaves without its verifiers" {`,
	}, {
		File: "internal/issuerclient/discovery.go", Old: `c.MaxStaleness != 0 && c.Confirm == ""`,
		New: `c.MaxStaleness != 0 && (c.Confirm == "" || sabotage == "a verifier's own longer lease")`,
	}, {
		File: "internal/issuerclient/reading.go", Old: "r.staleness = min(r.staleness, r.hello.staleness)",
		New: "if sabotage != \"a verifier's own longer lease\" {\n\t\tr.staleness = min(r.staleness, r.hello.staleness)\n\t}",
	}}
}

// Without order, the procedure that revokes assigns sequences in a transaction of its
// own, and lets another writer make a later entry visible first.
const brokenSchema = `package schema

import (
	"os"
	"strings"
)

var sabotage = os.Getenv("SABOTAGE")

func sabotageMigration(text string) string {
	const (
		ordered   = "head := bearerd_append(whats, ids, untils, entry_ats);"
		unordered = "UPDATE log_head SET seq = seq + cardinality(whats) WHERE one = 1 RETURNING seq INTO STRICT head;\n" +
			"COMMIT;\nIF pg_try_advisory_lock(1650815588, 9) THEN\nPERFORM pg_sleep(0.2);\nPERFORM pg_advisory_unlock(1650815588, 9);\nEND IF;\n" +
			"INSERT INTO log_entries (seq, what, id, until, at) SELECT head - cardinality(whats) + e.n, e.what, e.id, e.until, e.at\n" +
			"FROM unnest(whats, ids, untils, entry_ats) WITH ORDINALITY AS e (what, id, until, at, n);\n" +
			"PERFORM pg_notify('bearerd_log', '');"
	)
	if sabotage != "appended without order" || !strings.Contains(text, "PROCEDURE bearerd_revoke(") {
		return text
	}
	if strings.Count(text, ordered) != 1 {
		panic("the log is appended to in another way")
	}
	return strings.Replace(text, ordered, unordered, 1)
}
`

const brokenPostgres = `package postgres

import "os"

var sabotage = os.Getenv("SABOTAGE")

func sabotageListen() string {
	if sabotage == "no notifications" {
		return "LISTEN bearerd_nothing"
	}
	return "LISTEN bearerd_log"
}

func sabotageCommit() string {
	if sabotage == "commits that don't wait for the standby" {
		return "local"
	}
	return "on"
}
`

const brokenStore = `package store

import "os"

var sabotage = os.Getenv("SABOTAGE")

func sabotageEnd(now, at int64) int64 {
	if sabotage == "purged by the node's clock" {
		return now
	}
	return min(now, at)
}
`

// A process can't have its own wall clock, so the one place that reads it is changed. The
// monotonic clock and the boot-time clock stay as they are. A reading without a monotonic part
// was already changed.
const brokenClock = `package revocation

import (
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	sabotage = os.Getenv("SABOTAGE")
	started  = time.Now()
	shift    atomic.Int64
)

var listen = sync.OnceFunc(func() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range signals {
			if s == syscall.SIGUSR1 {
				shift.Add(-int64(time.Hour))
			} else {
				shift.Add(int64(20 * time.Second))
			}
		}
	}()
})

func clockShift(now time.Time) int64 {
	if now == now.Round(0) {
		return 0
	}
	switch sabotage {
	case "a wall clock that starts ahead", "purged by the node's clock":
		if now.Sub(started) < 2*time.Second {
			return int64(26 * time.Hour)
		}
	case "a wall clock that is set back", "a wall clock that jumps ahead":
		listen()
	}
	return shift.Load()
}
`

// A test can't wait ten minutes for a purge.
const brokenPurge = `package node

import (
	"os"
	"time"
)

var sabotage = os.Getenv("SABOTAGE")

func sabotagePurge(often time.Duration) time.Duration {
	switch sabotage {
	case "a wall clock that starts ahead", "purged by the node's clock":
		return time.Second
	}
	return often
}
`
