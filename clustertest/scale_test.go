package clustertest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/clustertest"
)

// BenchmarkDatabaseWorkOfNodes measures what nodes that follow the log cost the database, with
// the default L of 2 s: for each node the transactions a second while nothing happens, and those
// that a revocation adds, one at a time and 200 a second; and what a transaction takes of
// the database's processors. docs/scale.md multiplies them.
func BenchmarkDatabaseWorkOfNodes(b *testing.B) {
	const watched, apart, many = 8 * time.Second, 5 * time.Millisecond, 600
	for _, nodes := range []int{1, 4} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			conf := config(b, nodes)
			conf.Staleness = 2 * time.Second
			c := clustertest.New(b, conf)
			db := watch(b, conf.Database)
			for b.Loop() {
				before := db.read(b)
				time.Sleep(watched)
				idle := db.read(b).since(before)
				idle.took = watched
				each := float64(nodes) * watched.Seconds()
				b.ReportMetric(idle.transactions/each, "idle-tx/s/node")
				b.ReportMetric(idle.updates/each, "idle-updates/s/node")
				b.ReportMetric(idle.processor.Seconds()*1e6/idle.transactions, "idle-cpu-us/tx")
				alone := db.revocations(c, 10, watched/10, idle)
				b.ReportMetric(alone.transactions/10/float64(nodes), "tx/revocation/node")
				busy := db.revocations(c, many, apart, idle)
				b.ReportMetric(many/busy.took.Seconds(), "busy-revocations/s")
				b.ReportMetric(busy.transactions/many, "busy-tx/revocation")
				b.ReportMetric(busy.sent/busy.took.Seconds(), "busy-messages/s/other-node")
				b.ReportMetric(busy.processor.Seconds()*1e6/busy.transactions, "busy-cpu-us/tx")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// database is the server that nodes are on, as it counts what it does.
type database struct {
	conn   *pgx.Conn
	server int // its first process
}

// counts are what a database did.
type counts struct {
	transactions, updates float64
	processor             time.Duration
	sent                  float64       // by a node at which nobody revokes
	took                  time.Duration // to do it
}

func (c counts) since(before counts) counts {
	return counts{
		transactions: c.transactions - before.transactions, updates: c.updates - before.updates, processor: c.processor - before.processor,
	}
}

func watch(b *testing.B, dsn string) *database {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(context.Background()) })
	db := &database{conn: conn}
	_, db.server = process(b, int(conn.PgConn().PID()))
	return db
}

// read returns the counts by now; its own transactions are few. A backend reports once a second
// at most, and when it is idle for longer.
func (db *database) read(b *testing.B) counts {
	b.Helper()
	var c counts
	var commits, updates int64
	err := db.conn.QueryRow(b.Context(), `SELECT xact_commit, tup_updated FROM pg_stat_database WHERE datname = current_database()`).Scan(&commits, &updates)
	if err != nil {
		b.Fatal(err)
	}
	c.transactions, c.updates = float64(commits), float64(updates)
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range all {
		pid, _ := strconv.Atoi(filepath.Base(one))
		if took, parent := process(b, pid); parent == db.server || pid == db.server {
			c.processor += took
		}
	}
	return c
}

// process returns the time of processors that a process has taken, and its parent.
func process(b *testing.B, pid int) (took time.Duration, parent int) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0 // it has ended
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	parent, _ = strconv.Atoi(fields[1])
	for _, field := range fields[11:13] {
		ticks, _ := strconv.Atoi(field)
		took += time.Duration(ticks) * (time.Second / 100)
	}
	return took, parent
}

// counted is how long a database may take to count what it has done.
const counted = 2 * time.Second

// revocations revokes tokens at one node, without waiting for the others, and returns what the
// database did beside the revocations themselves, one transaction each, and what it does when
// nothing happens.
func (db *database) revocations(c *clustertest.Cluster, n int, apart time.Duration, idle counts) counts {
	c.Helper()
	b, ok := c.TB.(*testing.B)
	if !ok {
		c.Fatal("not a benchmark")
	}
	tokens := make([]*clustertest.Token, n)
	for i := range tokens {
		tokens[i] = issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) })
	}
	time.Sleep(counted)
	before, other, began := db.read(b), c.Nodes[len(c.Nodes)-1].Link, time.Now()
	sent := other.Sent()
	tick := time.NewTicker(apart)
	defer tick.Stop()
	for _, t := range tokens {
		if o := c.Revoke(c.Nodes[0], t, false); o.Outcome != clustertest.Yes {
			c.Fatalf("not revoked: %v", o)
		}
		<-tick.C
	}
	took := time.Since(began)
	sent = other.Sent() - sent
	time.Sleep(counted)
	done := db.read(b).since(before)
	times := (took + counted).Seconds() / idle.took.Seconds()
	done.transactions -= float64(n) + times*idle.transactions
	done.processor -= time.Duration(times * float64(idle.processor))
	done.sent, done.took = float64(sent), took
	return done
}
