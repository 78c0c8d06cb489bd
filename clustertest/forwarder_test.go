package clustertest_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// echo starts a server that returns everything it reads, and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func forwarder(t *testing.T, target string) *clustertest.Forwarder {
	t.Helper()
	f, err := clustertest.NewForwarder(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// caller is a connection through a forwarder, and the test that uses it.
type caller struct {
	*testing.T

	net.Conn

	lines *bufio.Reader
}

func call(t *testing.T, f *clustertest.Forwarder) *caller {
	t.Helper()
	c, err := net.Dial("tcp", f.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &caller{t, c, bufio.NewReader(c)}
}

func (c *caller) say(text string) {
	c.Helper()
	if _, err := io.WriteString(c.Conn, text+"\n"); err != nil {
		c.Fatal(err)
	}
}

func (c *caller) hears(want string) {
	c.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if got, err := c.lines.ReadString('\n'); err != nil || got != want+"\n" {
		c.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

// hearsNothing fails the test if an answer comes within a moment.
func (c *caller) hearsNothing() {
	c.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if got, err := c.lines.ReadString('\n'); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.Fatalf("read %q, %v; want nothing", got, err)
	}
}

func (c *caller) isCut() {
	c.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if got, err := c.lines.ReadString('\n'); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.Fatalf("the connection is still open: %q, %v", got, err)
	}
}

func set(t *testing.T, f *clustertest.Forwarder, w clustertest.Weather) {
	t.Helper()
	if err := f.Set(w); err != nil {
		t.Fatal(err)
	}
}

func TestForwarderPassesEverythingInOrder(t *testing.T) {
	t.Parallel()
	f := forwarder(t, echo(t))
	c := call(t, f)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() { _, _ = c.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c.lines, got); err != nil || !bytes.Equal(sent, got) {
		t.Errorf("a mebibyte came back changed: %v", err)
	}
}

func TestForwarderDelaysEachWay(t *testing.T) {
	t.Parallel()
	f := forwarder(t, echo(t))
	c := call(t, f)
	const delay = 60 * time.Millisecond
	set(t, f, clustertest.Weather{Delay: delay})
	begun := time.Now()
	for range 5 { // the delays overlap
		c.say("slow")
	}
	for range 5 {
		c.hears("slow")
	}
	if took := time.Since(begun); took < 2*delay || took > 8*delay {
		t.Errorf("the round trip took %v", took)
	}
}

func TestForwarderDeliversLaterWhatItHeld(t *testing.T) {
	t.Parallel()
	f := forwarder(t, echo(t))
	c := call(t, f)
	for name, w := range map[string]clustertest.Weather{"up": {Up: clustertest.Hold}, "down": {Down: clustertest.Hold}} {
		set(t, f, w)
		c.say("held " + name)
		c.hearsNothing()
		set(t, f, clustertest.Weather{})
		c.hears("held " + name)
	}
}

func TestForwarderLosesAndThenResets(t *testing.T) {
	t.Parallel()
	f := forwarder(t, echo(t))
	idle, busy := call(t, f), call(t, f)
	idle.say("one")
	idle.hears("one")
	busy.say("one")
	busy.hears("one")
	set(t, f, clustertest.Weather{Up: clustertest.Lose, Down: clustertest.Lose})
	busy.say("two")
	busy.hearsNothing()
	late := call(t, f) // the system accepts it, the forwarder doesn't
	late.say("hello")
	late.hearsNothing()
	set(t, f, clustertest.Weather{})
	busy.isCut()
	late.isCut()
	idle.say("three") // lost nothing
	idle.hears("three")
}

// TestForwarderLosesOneDirectionAlone leaves a connection half open.
func TestForwarderLosesOneDirectionAlone(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 8)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		for lines := bufio.NewScanner(c); lines.Scan(); {
			heard <- lines.Text()
			_, _ = io.WriteString(c, "got it\n")
		}
	}()
	f := forwarder(t, l.Addr().String())
	c := call(t, f)
	c.say("one")
	c.hears("got it")
	<-heard
	set(t, f, clustertest.Weather{Down: clustertest.Lose})
	c.say("two")
	if got := <-heard; got != "two" {
		t.Errorf("the server read %q", got)
	}
	c.hearsNothing()
	set(t, f, clustertest.Weather{})
	c.isCut()
}

func TestForwarderCutsAndRefuses(t *testing.T) {
	t.Parallel()
	f := forwarder(t, echo(t))
	c := call(t, f)
	c.say("one")
	c.hears("one")
	set(t, f, clustertest.Weather{Cut: true})
	c.isCut()
	if d, err := net.Dial("tcp", f.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection while cut: %v, %v", d, err)
	}
	set(t, f, clustertest.Weather{})
	d := call(t, f)
	d.say("two")
	d.hears("two")
	if err := f.Close(); err != nil || f.Lines() != 0 {
		t.Errorf("after closing there are %d connections (%v)", f.Lines(), err)
	}
}

func TestForwarderGoesToAnotherServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "the other one\n")
		}
	}()
	f := forwarder(t, echo(t))
	before := call(t, f)
	before.say("one")
	before.hears("one")
	if err := f.Redirect(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	before.isCut()
	call(t, f).hears("the other one")
	if err := f.Redirect("nowhere"); err == nil {
		t.Error("it goes to an address without a port")
	}
}

func TestForwarderHoldsTheRepliesToChosenQuestions(t *testing.T) {
	t.Parallel()
	f := forwarder(t, echo(t))
	asks, other := call(t, f), call(t, f)
	set(t, f, clustertest.Weather{HoldReply: func(b []byte) bool { return bytes.Contains(b, []byte("secret")) }})
	asks.say("what is the secret?")
	other.say("nothing")
	other.hears("nothing")
	asks.hearsNothing()
	if n := f.Held(); n != 1 {
		t.Errorf("%d replies are held", n)
	}
	set(t, f, clustertest.Weather{})
	asks.hears("what is the secret?")
	if n := f.Held(); n != 0 {
		t.Errorf("%d replies are still held", n)
	}
}
