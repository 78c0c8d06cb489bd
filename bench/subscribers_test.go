package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Verifiers that confirm, many in one process: each has a stream of its own and applies
// nothing. Confirmations go over few connections, which they share, because a process may
// have only so many open.
const (
	posters    = 256
	dialers    = 64
	lineLength = 512
)

// crowd is all of them.
type crowd struct {
	address, bearer string
	say             chan message
	begun           sync.WaitGroup // each has had its first heartbeat
	failed          atomic.Int64
}

// subscriber is one. Its own goroutine reads the stream; a poster confirms.
type subscriber struct {
	crowd        *crowd
	node, stream string // of the stream under way
	pace         time.Duration
	seq          atomic.Int64 // of the last heartbeat
	confirmed    atomic.Int64
	due          atomic.Bool // a confirmation is on its way
	once         sync.Once
	before       message // the goodbye to the stream before
}

// message is what a poster sends. Of a confirmation the sequence is that of the last
// heartbeat at that time.
type message struct {
	from         *subscriber
	node, stream string
	bye          bool
}

// subscribers runs as many verifiers as the environment says, prints a line when all of
// them are registered, and goes on until the process is ended.
func subscribers() error {
	count, err := strconv.Atoi(os.Getenv("BEARERD_BENCH_COUNT"))
	if err != nil {
		return err
	}
	c := &crowd{
		address: os.Getenv("BEARERD_BENCH_TARGET"), bearer: os.Getenv("BEARERD_BENCH_TOKEN"),
		say: make(chan message, 2*count),
	}
	for range posters {
		go c.post()
	}
	places := make(chan struct{}, dialers)
	c.begun.Add(count)
	for range count {
		places <- struct{}{}
		s := &subscriber{crowd: c}
		go s.run(func() { <-places })
	}
	c.begun.Wait()
	fmt.Println("ready")
	select {}
}

// run follows stream after stream, each to its end. registered is called once.
func (s *subscriber) run(registered func()) {
	for after := int64(-1); ; after = s.seq.Load() {
		err := s.follow(after, registered)
		if !errors.Is(err, io.EOF) {
			fmt.Fprintln(os.Stderr, "a stream:", err)
			time.Sleep(time.Duration(rand.N(1000)) * time.Millisecond) //nolint:gosec // spreads connections
		}
		s.before = message{s, s.node, s.stream, true}
	}
}

func (s *subscriber) follow(after int64, registered func()) error {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(context.Background(), "tcp", s.crowd.address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	from := ""
	if after >= 0 {
		from = fmt.Sprintf("&after=%d", after)
	}
	_, err = fmt.Fprintf(conn, "GET /auth/revocations?confirm=bench%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", from, s.crowd.address, s.crowd.bearer)
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(conn, lineLength)
	event := ""
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case bytes.HasPrefix(line, []byte("HTTP/1.1 ")) && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")):
			return fmt.Errorf("answered %s", line)
		case bytes.HasPrefix(line, []byte("event: ")):
			event = string(bytes.TrimSpace(line[len("event: "):]))
		case event == "hello" && bytes.HasPrefix(line, []byte("data: ")):
			if err := s.hello(line[len("data: "):]); err != nil {
				return err
			}
		case event == "heartbeat" && bytes.HasPrefix(line, []byte("id: ")):
			seq, err := strconv.ParseInt(string(bytes.TrimSpace(line[len("id: "):])), 10, 64)
			if err != nil {
				return err
			}
			s.heartbeat(seq, registered)
		}
	}
}

func (s *subscriber) hello(data []byte) error {
	text := func(name string) string {
		_, rest, _ := bytes.Cut(data, []byte(`"`+name+`":`))
		value, _, _ := bytes.Cut(bytes.TrimPrefix(rest, []byte(`"`)), []byte(`"`))
		return string(bytes.TrimRight(value, ",}\r\n"))
	}
	_, rest, _ := bytes.Cut(data, []byte(`"pace_ms":`))
	pace, err := strconv.Atoi(string(bytes.TrimRight(rest, "}\r\n")))
	if err != nil {
		return fmt.Errorf("a hello: %s", data)
	}
	s.node, s.stream, s.pace = text("node"), text("stream"), time.Duration(pace)*time.Millisecond
	s.confirmed.Store(-1)
	return nil
}

// heartbeat has a sequence confirmed at a random time of the pace, unless it is the
// stream's first.
func (s *subscriber) heartbeat(seq int64, registered func()) {
	s.seq.Store(seq)
	if s.confirmed.CompareAndSwap(-1, seq) {
		if s.before.stream != "" {
			s.crowd.say <- s.before
		}
		s.once.Do(func() { registered(); s.crowd.begun.Done() })
		return
	}
	if seq > s.confirmed.Load() && s.due.CompareAndSwap(false, true) {
		m := message{s, s.node, s.stream, false}
		time.AfterFunc(rand.N(s.pace+1), func() { s.crowd.say <- m }) //nolint:gosec // spreads requests
	}
}

// post sends what is to be said, over one connection.
func (c *crowd) post() {
	var conn net.Conn
	for m := range c.say {
		var err error
		if conn == nil {
			conn, err = (&net.Dialer{Timeout: 10 * time.Second}).DialContext(context.Background(), "tcp", c.address)
		}
		if err == nil {
			err = c.send(conn, m)
		}
		if err != nil {
			if n := c.failed.Add(1); n&(n-1) == 0 {
				fmt.Fprintf(os.Stderr, "%d messages failed, the last: %v\n", n, err)
			}
			if conn != nil {
				_ = conn.Close()
			}
			conn = nil
		}
	}
}

func (c *crowd) send(conn net.Conn, m message) error {
	seq := m.from.seq.Load()
	body := fmt.Sprintf(`{"node":%q,"stream":%q,"seq":%d,"bye":%t}`, m.node, m.stream, seq, m.bye)
	if !m.bye {
		m.from.confirmed.Store(seq)
		m.from.due.Store(false)
	}
	_, err := fmt.Fprintf(conn, "POST /auth/revocations/confirm HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", c.address, c.bearer, len(body), body)
	if err != nil {
		return err
	}
	var answer [1024]byte
	have := 0
	for !whole(answer[:have]) {
		n, err := conn.Read(answer[have:])
		if have += n; err != nil {
			return err
		}
	}
	if !bytes.HasPrefix(answer[:], []byte("HTTP/1.1 204")) {
		status, _, _ := bytes.Cut(answer[:have], []byte("\r\n"))
		return fmt.Errorf("%s: answered %s", body, status)
	}
	return nil
}
