package clustertest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/pgtest"
)

// BenchmarkBudgetRevokeToRefused measures the time from the request to revoke at one node,
// without wait, to the first refusal by another, with the default L of 2 s. The
// budget is a median (ms) of 50, and never over L.
func BenchmarkBudgetRevokeToRefused(b *testing.B) {
	// Behind a pooler that passes no notifications, a node learns by polling alone.
	for name, conf := range map[string]clustertest.Config{
		"notified": config(b, 2), "polling": brokenConfig(b, unnotified),
	} {
		b.Run(name, func(b *testing.B) {
			conf.Staleness = 2 * time.Second
			c := clustertest.New(b, conf)
			var took []time.Duration
			for b.Loop() {
				took = append(took, revokeToRefused(c))
			}
			slices.Sort(took)
			at := func(q float64) float64 {
				return float64(took[min(len(took)-1, int(q*float64(len(took))))]) / float64(time.Millisecond)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(at(0.5), "ms")
			b.ReportMetric(at(0.95), "p95-ms")
			b.ReportMetric(at(0.99), "p99-ms")
			b.ReportMetric(at(1), "max-ms")
			keepsItsPromise(c)
		})
	}
}

func revokeToRefused(c *clustertest.Cluster) time.Duration {
	c.Helper()
	here, far := c.Nodes[0], c.Nodes[1]
	token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	accepted(c, far, token)
	time.Sleep(rand.N(500 * time.Millisecond)) // else each would come just after the node's last question
	kill := make(chan clustertest.Op, 1)
	begun := c.History.Now()
	go func() { kill <- c.Revoke(here, token, false) }()
	o := c.Verify(far, token)
	for o.Outcome == clustertest.Yes {
		o = c.Verify(far, token)
	}
	if k := <-kill; k.Outcome != clustertest.Yes {
		c.Fatalf("not revoked: %v", k)
	}
	return o.End - begun
}

// BenchmarkBudgetVerifyRateOfANode compares the rate of one node of three, the others
// idle, with that of a node alone (ratio), and the rate of a node with a million live
// revocations with that of one with none (million-ratio). queries/op counts what one
// of three nodes sent to the database for each verification, beyond what it sends when
// idle.
func BenchmarkBudgetVerifyRateOfANode(b *testing.B) {
	alone, three, full := cluster(b, 1), cluster(b, 3), million(b, 1)
	benches := []*load{newLoad(alone), newLoad(three), newLoad(full)}
	idle := three.Nodes[0].Link.Sent()
	time.Sleep(time.Second)
	idle = three.Nodes[0].Link.Sent() - idle
	var ratios, fullRatios, queries []float64
	for b.Loop() {
		sent := three.Nodes[0].Link.Sent()
		rates := make([]float64, len(benches))
		for i, l := range benches {
			rates[i] = l.rate(time.Second)
			if i == 1 {
				queries = append(queries, float64(three.Nodes[0].Link.Sent()-sent-idle)/rates[1])
			}
			sent = three.Nodes[0].Link.Sent()
		}
		ratios, fullRatios = append(ratios, rates[1]/rates[0]), append(fullRatios, rates[2]/rates[0])
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(ratios), "ratio")
	b.ReportMetric(middle(fullRatios), "million-ratio")
	b.ReportMetric(max(0, middle(queries)), "queries/op")
}

func middle(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// load is a set of connections to one node, on which one token is verified.
type load struct {
	*clustertest.Cluster

	request []byte
	conns   []net.Conn
}

func newLoad(c *clustertest.Cluster) *load {
	c.Helper()
	n := c.Nodes[0]
	token := issued(c, func() *clustertest.Token { return c.ClientToken(n) })
	accepted(c, n, token)
	l := &load{Cluster: c, request: fmt.Appendf(nil, "GET /auth/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", token.Value)}
	for range 4 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.Base(), "http://"))
		must(c, err)
		c.Cleanup(func() { _ = conn.Close() })
		l.conns = append(l.conns, conn)
	}
	l.rate(200 * time.Millisecond)
	return l
}

// rate returns the verifications per second. Each of them must succeed.
func (l *load) rate(d time.Duration) float64 {
	l.Helper()
	counts := make([]int, len(l.conns))
	begun := time.Now()
	var all sync.WaitGroup
	for i, conn := range l.conns {
		all.Go(func() {
			answers := bufio.NewReader(conn)
			for time.Since(begun) < d {
				if _, err := conn.Write(l.request); err != nil {
					l.Error(err)
					return
				}
				if err := readYes(answers); err != nil {
					l.Error(err)
					return
				}
				counts[i]++
			}
		})
	}
	all.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(begun).Seconds()
}

// readYes reads an answer that has no body.
func readYes(r *bufio.Reader) error {
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("the answer is %q: %w", line, io.ErrUnexpectedEOF)
		}
		if len(line) == 2 {
			return nil
		}
	}
}

// million returns a cluster whose log has a million live revocations.
func million(b *testing.B, nodes int) *clustertest.Cluster {
	b.Helper()
	conf := config(b, 0)
	c := clustertest.New(b, conf)
	pgtest.Exec(b, conf.Database, `INSERT INTO log_entries (seq, what, id, until, at)
SELECT h.seq + n, 'token', gen_random_uuid()::text, t.us + 86400000000, t.us
FROM log_head h, generate_series(1, 1000000) AS n, (SELECT (extract(epoch FROM now()) * 1000000)::bigint AS us) AS t`)
	pgtest.Exec(b, conf.Database, `UPDATE log_head SET seq = seq + 1000000`)
	pgtest.Exec(b, conf.Database, `ANALYZE log_entries`)
	for range nodes {
		c.Start(c.Add())
	}
	return c
}

// BenchmarkBudgetStartMillionOnPostgres measures the time from starting the process to
// readiness with a million live revocations in the log; the budget is 5 s.
func BenchmarkBudgetStartMillionOnPostgres(b *testing.B) {
	c := million(b, 0)
	n := c.Add()
	var took []float64
	for b.Loop() {
		begun := time.Now()
		c.Start(n)
		took = append(took, time.Since(begun).Seconds())
		must(c, n.Stop())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(took), "s")
}
