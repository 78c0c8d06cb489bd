package clustertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Readers are verifiers that confirm and verify nothing: they follow the log, and are cheap
// enough for thousands. An acknowledgement that waits for all that confirm must not come
// before each of them has read what was revoked.
type Readers struct {
	c      *Cluster
	bearer string
	http   *http.Client
	turns  chan struct{}  // so many open their streams at once
	read   []atomic.Int64 // the last sequence that each has read
	ready  []chan struct{}
	ended  atomic.Int64 // streams that have ended
}

// AddReaders starts readers and waits until the issuer waits for them. They are gone when
// the test ends.
func (c *Cluster) AddReaders(count int) *Readers {
	c.Helper()
	a, err := c.Client.Do(context.Background(), c.Nodes[0], Ask{
		Path:  "/oauth2/token",
		Form:  url.Values{"grant_type": {"client_credentials"}, "scope": {"revocations"}},
		Basic: [2]string{followerID, clientSecret},
	})
	if err != nil {
		c.Fatal(err)
	}
	const openAtOnce = 50
	r := &Readers{
		turns: make(chan struct{}, openAtOnce), c: c, bearer: a.Member("access_token"), read: make([]atomic.Int64, count), ready: make([]chan struct{}, count),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, DisableCompression: true}},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	c.Cleanup(func() {
		cancel()
		all.Wait()
		r.http.CloseIdleConnections()
	})
	for i := range count {
		r.ready[i] = make(chan struct{})
		all.Go(func() {
			if err := r.follow(ctx, i, c.Nodes[i%len(c.Nodes)]); ctx.Err() == nil {
				r.read[i].Store(math.MaxInt64) // it has nothing to read any more
				r.ended.Add(1)
				c.Logf("reader %d: %v", i, err)
			}
		})
	}
	deadline := time.After(startTimeout + time.Duration(count)*10*time.Millisecond)
	for i, ready := range r.ready {
		select {
		case <-ready:
		case <-deadline:
			c.Fatalf("reader %d has no heartbeat", i)
		}
	}
	return r
}

// Ended returns how many streams have ended.
func (r *Readers) Ended() int { return int(r.ended.Load()) }

// Behind returns how many have not read a sequence yet.
func (r *Readers) Behind(seq int64) int {
	n := 0
	for i := range r.read {
		if r.read[i].Load() < seq {
			n++
		}
	}
	return n
}

// readerEvent is the data of the events of a stream, as far as a reader needs it.
type readerEvent struct {
	Seq    int64  `json:"seq"`
	Node   string `json:"node"`
	Stream string `json:"stream"`
	Pace   int64  `json:"pace_ms"`
}

// open opens a stream, again and again while the node is busy.
func (r *Readers) open(ctx context.Context, i int, n *Node) (*http.Response, error) {
	r.turns <- struct{}{}
	defer func() { <-r.turns }()
	for {
		request, err := Ask{Path: fmt.Sprintf("/auth/revocations?confirm=reader+%d", i), Bearer: r.bearer}.request(ctx, n.Base())
		if err != nil {
			return nil, err
		}
		resp, err := r.http.Do(request)
		if err != nil || resp.StatusCode == http.StatusOK {
			return resp, err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			return nil, fmt.Errorf("opening a stream: status %d", resp.StatusCode)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// follow follows one stream until it or ctx ends.
func (r *Readers) follow(ctx context.Context, i int, n *Node) error {
	resp, err := r.open(ctx, i, n)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var hello readerEvent
	confirmed, event := int64(-1), ""
	lines := bufio.NewReaderSize(resp.Body, 1<<10)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if name == "event" {
			event = value
		}
		if name != "data" {
			continue
		}
		var e readerEvent
		if err := json.Unmarshal([]byte(value), &e); err != nil {
			return err
		}
		if event == "hello" {
			hello = e
			continue
		}
		r.read[i].Store(e.Seq)
		switch {
		case event != "heartbeat" || e.Seq <= confirmed:
		case confirmed < 0: // the first heartbeat needs no confirmation
			confirmed = e.Seq
			close(r.ready[i])
		default:
			time.Sleep(rand.N(time.Duration(hello.Pace+1) * time.Millisecond)) //nolint:gosec // spreads the requests
			err := errBusy
			for errors.Is(err, errBusy) {
				err = r.confirm(ctx, n, hello, e.Seq)
			}
			if err != nil {
				return err
			}
			confirmed = e.Seq
		}
	}
}

var errBusy = errors.New("the node can't take a confirmation now")

// confirm confirms a sequence. The error is errBusy, after a moment, when that may be tried
// again.
func (r *Readers) confirm(ctx context.Context, n *Node, hello readerEvent, seq int64) error {
	request, err := Ask{
		Path: "/auth/revocations/confirm", Bearer: r.bearer, JSON: map[string]any{"node": hello.Node, "stream": hello.Stream, "seq": seq},
	}.request(ctx, n.Base())
	if err != nil {
		return err
	}
	resp, err := r.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	switch resp.StatusCode {
	case http.StatusNoContent:
	case http.StatusServiceUnavailable:
		time.Sleep(100 * time.Millisecond)
		return errBusy
	default:
		return fmt.Errorf("confirming: status %d", resp.StatusCode)
	}
	return nil
}
