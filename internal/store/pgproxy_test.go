package store_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// proxy stands between a store and its server, and knows the protocol. It leaves
// out settings that the client asks for, it can fall silent or cut the line after a number
// of bytes, and it can lead those who migrate to another server.
type proxy struct {
	listener net.Listener
	target   string
	all      sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	strip    map[string]bool
	apart    string // the server of those who migrate; "": the same
	up, down way
	record   bool
	commits  int // the answer to which of the next commits is replaced by the server's end; 0: none
	ends     map[string]net.Conn
}

// way is one direction: up is what clients say, down what the server answers.
type way struct {
	limit int  // bytes that still pass; negative: all
	cuts  bool // all connections end at the limit; false: what is over it is lost
	said  []byte
}

// newProxy returns a proxy for the server of a DSN, and the DSN through it.
func newProxy(tb testing.TB, dsn string) (*proxy, string) {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{listener: l, target: u.Host, up: way{limit: -1}, down: way{limit: -1}, ends: map[string]net.Conn{}}
	p.all.Go(p.serve)
	tb.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.all.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) serve() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.carry(near) })
	}
}

// carry carries one connection to its end.
func (p *proxy) carry(near net.Conn) {
	first, err := p.begin(near)
	if err != nil {
		_ = near.Close()
		return
	}
	far, err := net.Dial("tcp", p.targetOf(first))
	if err != nil {
		_ = near.Close()
		return
	}
	one, other := uuid.NewString(), uuid.NewString()
	p.mu.Lock()
	p.ends[one], p.ends[other] = near, far
	p.mu.Unlock()
	defer func() {
		_, _ = near.Close(), far.Close()
		p.mu.Lock()
		delete(p.ends, one)
		delete(p.ends, other)
		p.mu.Unlock()
	}()
	if _, err := far.Write(first); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(passage{p, &p.down, near}, far)
		_ = near.Close()
	})
	both.Go(func() {
		_, _ = io.Copy(passage{p, &p.up, far}, near)
		_ = far.Close()
	})
	both.Wait()
}

// targetOf returns whom a connection with that first message leads to. Who migrates, or
// puts a database back into service, lets a transaction idle for a minute.
func (p *proxy) targetOf(first []byte) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.apart != "" && bytes.Contains(first, []byte("idle_in_transaction_session_timeout\x0060000\x00")) {
		return p.apart
	}
	return p.target
}

// redirect forwards new connections to other servers, and closes all others.
func (p *proxy) redirect(target, apart string) {
	p.mu.Lock()
	p.target, p.apart = target, apart
	p.mu.Unlock()
	p.cut()
}

// begin reads the first message and returns it without the settings to strip.
func (p *proxy) begin(near net.Conn) ([]byte, error) {
	const encryption = 80877103 // a client asks for TLS
	for {
		var head [8]byte
		if _, err := io.ReadFull(near, head[:]); err != nil {
			return nil, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:4])-8)
		if _, err := io.ReadFull(near, body); err != nil {
			return nil, err
		}
		if binary.BigEndian.Uint32(head[4:]) == encryption {
			if _, err := near.Write([]byte("N")); err != nil {
				return nil, err
			}
			continue
		}
		body = p.stripped(body)
		binary.BigEndian.PutUint32(head[:4], uint32(len(body)+8))
		return append(head[:], body...), nil
	}
}

// stripped leaves settings out of a list of names and values.
func (p *proxy) stripped(body []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kept []byte
	parts := bytes.Split(body, []byte{0})
	for i := 0; i+1 < len(parts) && len(parts[i]) > 0; i += 2 {
		if !p.strip[string(parts[i])] {
			kept = append(append(append(append(kept, parts[i]...), 0), parts[i+1]...), 0)
		}
	}
	return append(kept, 0)
}

// passage is where one direction of a connection leads to.
type passage struct {
	p   *proxy
	way *way
	to  net.Conn
}

func (x passage) Write(b []byte) (int, error) {
	pass, end := x.p.passing(x.way, b)
	if len(pass) > 0 {
		if _, err := x.to.Write(pass); err != nil {
			return 0, err
		}
	}
	if end {
		x.p.cut()
	}
	return len(b), nil // what doesn't pass is lost, and the line looks well
}

// passing returns what passes of b, and whether all connections end after it.
func (p *proxy) passing(w *way, b []byte) (pass []byte, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.limit >= 0 {
		over := len(b) >= w.limit
		b = b[:min(len(b), w.limit)]
		w.limit -= len(b)
		if end = over && w.cuts; end {
			*w = way{limit: -1, said: w.said}
		}
	}
	if p.record {
		w.said = append(w.said, b...)
	}
	if w == &p.down && p.commits > 0 && (bytes.Contains(b, []byte("COMMIT\x00")) || bytes.Contains(b, []byte("CALL\x00"))) {
		if p.commits--; p.commits == 0 {
			return panicked, true
		}
	}
	return b, end
}

// panicked is what a server says that ends because of a mistake of its own.
var panicked = []byte("E\x00\x00\x00\x27SPANIC\x00VPANIC\x00CXX000\x00Mout of luck\x00\x00")

// panicAtCommit makes the server seem to end behind one of the next commits.
func (p *proxy) panicAtCommit(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commits = n
}

// listen begins to record what passes.
func (p *proxy) listen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.record, p.up.said, p.down.said = true, nil, nil
}

// heard returns what was said since listen, and what was answered.
func (p *proxy) heard() (said, answered []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.record = false
	return bytes.Clone(p.up.said), bytes.Clone(p.down.said)
}

// silenceAfter lets so many bytes of what is said pass, and then no more; all, if negative.
func (p *proxy) silenceAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up.limit, p.up.cuts = n, false
}

// pass lets everything pass again.
func (p *proxy) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up.limit, p.down.limit = -1, -1
}

// cutAfter ends all connections once, when so many bytes have passed in a direction.
func (p *proxy) cutAfter(w *way, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.limit, w.cuts = n, true
}

// stripSettings leaves out these settings from now on.
func (p *proxy) stripSettings(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strip = map[string]bool{}
	for _, name := range names {
		p.strip[name] = true
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.ends {
		_ = c.Close()
	}
}

// soFar is what was said since listen, which goes on.
func (p *proxy) soFar() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up.said
}
