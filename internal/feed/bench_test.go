package feed_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records/op"

	"github.com/bearerd/bearerd/internal/feed"
	"github.com/bearerd/bearerd/internal/revocation"
)

// listener is a subscriber that costs little itself: a bare connection.
type listener struct {
	conn  net.Conn
	lines *bufio.Reader
}

func (e *env) listen(b *testing.B, raw string) *listener {
	b.Helper()
	conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", e.srv.Addr().String())
	must(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET %s?after=%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", feed.Path, e.Follower.Applied(), raw)
	must(b, err)
	return &listener{conn: conn}
}

// begin reads the header and the first heartbeat.
func (l *listener) begin(b *testing.B) {
	b.Helper()
	l.lines = bufio.NewReaderSize(l.conn, 512)
	res, err := http.ReadResponse(l.lines, nil) //nolint:bodyclose // its connection is closed
	must(b, err)
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		b.Fatalf("answered %d %s", res.StatusCode, text)
	}
	l.lines = bufio.NewReaderSize(res.Body, 512)
	_ = (&subscriber{lines: l.lines}).seek("heartbeat")
}

// seek reads to the next event of that name.
func (s *subscriber) seek(name string) error {
	for {
		if e, err := s.read(); err != nil || e.name == name {
			return err
		}
	}
}

const idle = 2000

// BenchmarkIdleSubscriber measures what one more subscriber takes in memory: heap
// and stacks of the whole process, so with the other end of its connection, of
// which the heap alone is taken off.
func BenchmarkIdleSubscriber(b *testing.B) {
	for b.Loop() {
		e := newEnv(b, options{})
		raw := e.reader(b)
		e.head(b)
		before := memory()
		all := e.many(b, raw)
		for _, l := range all {
			l.lines = nil // the readers' buffers
		}
		after := memory()
		b.ReportMetric(float64(after-before)/idle, "bytes/subscriber")
		if e.edge.Streams() != idle {
			b.Fatalf("%d streams", e.edge.Streams())
		}
		for _, l := range all {
			_ = l.conn.Close()
		}
	}
}

func (e *env) many(b *testing.B, raw string) []*listener {
	b.Helper()
	all := make([]*listener, idle)
	for i := range all {
		all[i] = e.listen(b, raw)
	}
	for _, l := range all {
		l.begin(b)
	}
	return all
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// BenchmarkFanOut measures the time from the commit of a revocation until the
// subscribers have it.
func BenchmarkFanOut(b *testing.B) {
	e := newEnv(b, options{})
	raw := e.reader(b)
	e.head(b)
	all := e.many(b, raw)
	var took []time.Duration
	for b.Loop() {
		took = append(took, e.fanOut(b, all)...)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
}

func (e *env) fanOut(b *testing.B, all []*listener) []time.Duration {
	b.Helper()
	took := make([]time.Duration, len(all))
	var group sync.WaitGroup
	var began time.Time
	committed := make(chan struct{})
	for i, l := range all {
		group.Go(func() {
			err := (&subscriber{lines: l.lines}).seek("revocation")
			<-committed
			if took[i] = time.Since(began); err != nil {
				b.Error(err)
			}
		})
	}
	_, err := e.Store.Commit(context.Background(), op.Batch{Log: []revocation.Entry{entry("x", e.Time().Add(time.Hour), e.Time())}})
	began = time.Now()
	close(committed)
	must(b, err)
	e.Follower.Wake()
	group.Wait()
	return took
}
