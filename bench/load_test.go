package main

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// load asks one server over lasting connections, one request under way on each. It
// does as little work of its own as can be, since it shares the processors.
type load struct {
	connections []net.Conn
	requests    [][]byte // a connection asks one of them, again and again
}

// request is what a load asks; a body makes it a POST of a form.
type request struct{ path, authorization, body string }

func (r request) bytes(host string) []byte {
	var out bytes.Buffer
	method := "GET"
	if r.body != "" {
		method = "POST"
	}
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, r.path, host)
	if r.authorization != "" {
		fmt.Fprintf(&out, "Authorization: %s\r\n", r.authorization)
	}
	if r.body != "" {
		fmt.Fprintf(&out, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(r.body))
	}
	fmt.Fprintf(&out, "\r\n%s", r.body)
	return out.Bytes()
}

func newLoad(b *testing.B, address string, connections int, requests ...request) *load {
	b.Helper()
	l := &load{}
	for _, r := range requests {
		l.requests = append(l.requests, r.bytes(address))
	}
	for range connections {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(b.Context(), "tcp", address)
		must(b, err)
		b.Cleanup(func() { _ = conn.Close() })
		l.connections = append(l.connections, conn)
	}
	return l
}

// result is what came of a slice of load.
type result struct {
	rate     float64 // requests a second
	p50, p99 time.Duration
}

// run asks for that long.
func (l *load) run(b *testing.B, d time.Duration) result {
	b.Helper()
	took := make([][]time.Duration, len(l.connections))
	var all sync.WaitGroup
	start := time.Now()
	for i, conn := range l.connections {
		all.Go(func() { took[i] = ask(b, conn, l.requests[i%len(l.requests)], start.Add(d)) })
	}
	all.Wait()
	elapsed := time.Since(start)
	times := slices.Concat(took...)
	if len(times) == 0 {
		b.Fatal("nothing was answered")
	}
	slices.Sort(times)
	return result{
		rate: float64(len(times)) / elapsed.Seconds(),
		p50:  times[len(times)/2], p99: times[len(times)*99/100],
	}
}

func ask(b *testing.B, conn net.Conn, request []byte, until time.Time) (took []time.Duration) {
	buf := make([]byte, 16<<10)
	for sent := time.Now(); sent.Before(until); {
		if _, err := conn.Write(request); err != nil {
			b.Error(err)
			return took
		}
		have := 0
		for !whole(buf[:have]) {
			more, err := conn.Read(buf[have:])
			if have += more; err != nil {
				b.Errorf("%v after %.300s", err, buf[:have])
				return took
			}
		}
		if !bytes.HasPrefix(buf, []byte("HTTP/1.1 20")) {
			b.Errorf("%.300s", buf[:have])
			return took
		}
		now := time.Now()
		took = append(took, now.Sub(sent))
		sent = now
	}
	return took
}

var (
	headerEnd     = []byte("\r\n\r\n")
	contentLength = []byte("Content-Length: ")
)

// whole reports whether an answer has arrived to its end.
func whole(answer []byte) bool {
	head, body, ok := bytes.Cut(answer, headerEnd)
	if !ok {
		return false
	}
	_, rest, found := bytes.Cut(head, contentLength)
	if !found {
		return true
	}
	line, _, _ := bytes.Cut(rest, []byte("\r"))
	n, err := strconv.Atoi(string(line))
	return err != nil || len(body) >= n
}

// slice is how long each server is asked before it is another's turn, so that
// other load on the machine affects all of them.
const slice = 150 * time.Millisecond

// rounds holds the results of several loads, round by round.
type rounds [][]result

// interleave runs each load in turn, a round an iteration, first once to warm up.
func interleave(b *testing.B, loads ...*load) rounds {
	b.Helper()
	for _, l := range loads {
		l.run(b, slice)
	}
	r := make(rounds, len(loads))
	for i := 0; b.Loop(); i++ {
		for n := range loads {
			at := (n + i) % len(loads)
			r[at] = append(r[at], loads[at].run(b, slice))
		}
	}
	b.ReportMetric(0, "ns/op")
	return r
}

// ratio is the median of the first load's rate as a part of another's, round by round.
func (r rounds) ratio(to int) float64 {
	var all []float64
	for i := range r[0] {
		all = append(all, r[0][i].rate/r[to][i].rate)
	}
	return medianFloat(all)
}

func (r rounds) median(of int, value func(result) float64) float64 {
	var all []float64
	for _, one := range r[of] {
		all = append(all, value(one))
	}
	return medianFloat(all)
}

func (r rounds) rate(of int) float64 {
	return r.median(of, func(r result) float64 { return r.rate })
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func medianFloat(f []float64) float64 {
	slices.Sort(f)
	return f[len(f)/2]
}
