package verify_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/verify"
)

// said is a confirmation as the issuer receives it.
type said struct {
	Node, Stream string
	Seq          int64
	Bye          bool
}

// confirmations records what is confirmed, and answers by the status; 0: 204.
func (s *script) confirmations(status func(said) int) <-chan said {
	all := make(chan said, 100)
	s.on("/stream/confirm", func(w http.ResponseWriter, r *http.Request) {
		var c said
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer own-token" || json.NewDecoder(r.Body).Decode(&c) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		code := http.StatusNoContent
		if status != nil {
			code = status(c)
		}
		w.WriteHeader(code)
		all <- c
	})
	return all
}

func (c *stream) hello(node, name string, staleness float64) {
	c.lines <- fmt.Sprintf("event: hello\ndata: {\"node\":%q,\"stream\":%q,\"staleness\":%g,\"pace_ms\":1}\n\n", node, name, staleness)
}

func next(t testing.TB, from <-chan said) said {
	t.Helper()
	select {
	case c := <-from:
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("no confirmation")
		return said{}
	}
}

func none(t testing.TB, from <-chan said) {
	t.Helper()
	select {
	case c := <-from:
		t.Fatalf("confirms %+v", c)
	case <-time.After(50 * time.Millisecond):
	}
}

func confirming(c *verify.Config) { c.Confirm = "api 1" }

// confirmed starts a verifier that confirms, on a stream that began at seq.
func (s *script) confirmed(t testing.TB, b *bootClock, seq int64) (*verify.Verifier, *stream) {
	t.Helper()
	s.set(func() { s.auto, s.boot = false, b })
	first := make(chan *stream, 1)
	go func() {
		c := <-s.streams
		c.hello("n1", "s1", 2)
		c.beat(seq)
		first <- c
	}()
	v := s.startWithClock(t, b, confirming)
	return v, <-first
}

func TestAVerifierConfirmsAfterItHasApplied(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	var v *verify.Verifier
	raw := s.sign(t)
	early := make(chan string, 10)
	all := s.confirmations(func(c said) int {
		if !c.Bye {
			if err := judge(v, raw); err == nil || v.Health().Seq < c.Seq {
				early <- fmt.Sprintf("%+v before it was applied: %v", c, err)
			}
		}
		return http.StatusNoContent
	})
	v, c := s.confirmed(t, newBootClock(), 5)
	if q := c.query; q.Get("confirm") != "api 1" || q.Has("edge") {
		t.Errorf("asks with %v", q)
	}
	none(t, all) // the issuer has registered it at the first heartbeat
	wants(t, judge(v, raw), yes)
	c.entry(6, "subject", "ada")
	applied(t, v, 6)
	none(t, all) // an entry is confirmed with the heartbeat that follows it
	c.beat(6)
	if got := next(t, all); got != (said{"n1", "s1", 6, false}) {
		t.Errorf("confirms %+v", got)
	}
	c.beat(6)
	none(t, all) // once
	select {
	case text := <-early:
		t.Error(text)
	default:
	}
}

func TestAConfirmationThatFailsIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	first := true
	all := s.confirmations(func(c said) int {
		if !c.Bye && first {
			first = false
			return http.StatusServiceUnavailable
		}
		return http.StatusNoContent
	})
	v, c := s.confirmed(t, newBootClock(), 0)
	c.entry(1, "token", "x")
	c.beat(1)
	next(t, all)
	eventually(t, "a report", func() bool { return v.Health().Err != nil })
	if got := next(t, all); got.Seq != 1 {
		t.Errorf("confirms %+v", got)
	}
	eventually(t, "no error", func() bool { return v.Health().Err == nil })
}

func TestAClosedVerifierSaysGoodbyeWithoutALease(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	var v *verify.Verifier
	raw := s.sign(t)
	accepts := make(chan bool, 1)
	all := s.confirmations(func(said) int {
		accepts <- judge(v, raw) == nil || v.Health().Ready
		return http.StatusNoContent
	})
	v, _ = s.confirmed(t, newBootClock(), 3)
	wants(t, judge(v, raw), yes)
	v.Close()
	if got := next(t, all); got != (said{"n1", "s1", 3, true}) {
		t.Errorf("says %+v", got)
	}
	if <-accepts {
		t.Error("it accepts tokens after it has said goodbye")
	}
	v.Close()
	none(t, all)
}

func TestAVerifierRegistersWithEachStreamAndQuitsTheOldOne(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	all := s.confirmations(nil)
	b := newBootClock()
	v, c := s.confirmed(t, b, 3)
	close(c.lines)
	c = s.take(t)
	c.hello("n2", "s2", 2)
	c.beatAsOf(3, -time.Second) // this node knows less than the lease rests on
	c.entry(4, "token", "x")
	applied(t, v, 4)
	none(t, all)
	c.beat(4)
	got := map[said]bool{next(t, all): true, next(t, all): true}
	if !got[said{"n1", "s1", 3, true}] || !got[said{"n2", "s2", 4, false}] {
		t.Errorf("says %+v", got)
	}
}

func TestAStreamThatTheIssuerForgotIsReplaced(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.confirmations(func(c said) int {
		if c.Stream == "s1" {
			return http.StatusNotFound
		}
		return http.StatusNoContent
	})
	v, c := s.confirmed(t, newBootClock(), 0)
	c.entry(1, "token", "x")
	c.beat(1)
	c.gone(t)
	c = s.take(t)
	c.hello("n1", "s2", 2)
	c.beat(1)
	eventually(t, "no error", func() bool { return v.Health().Err == nil })
}

// After 5 L without a confirmation a node refuses a verifier for a minute. Where the node that
// gets the confirmations can't take them, another stream may reach one that does.
func TestAStreamWhoseConfirmationsFailIsReplaced(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	var asked atomic.Int64
	s.confirmations(func(c said) int {
		if c.Stream != "s1" {
			return http.StatusNoContent
		}
		if asked.Add(1) == 2 { // the first has failed
			b.skip(3 * 100 * time.Millisecond)
		}
		return http.StatusServiceUnavailable
	})
	s.set(func() { s.auto, s.boot = false, b })
	first := make(chan *stream, 1)
	go func() {
		c := <-s.streams
		c.hello("n1", "s1", 0.1)
		c.beat(0)
		first <- c
	}()
	v := s.startWithClock(t, b, confirming)
	c := <-first
	c.entry(1, "token", "x")
	c.beat(1)
	c.gone(t)
	if n := asked.Load(); n != 2 {
		t.Errorf("a new stream after %d attempts, want 2", n)
	}
	c = s.take(t)
	c.hello("n1", "s2", 2)
	c.beat(1)
	eventually(t, "no error", func() bool { return v.Health().Err == nil })
}

// The issuer waits for its own staleness and no longer, whatever this service would take.
func TestTheLeaseOfAConfirmedStreamIsItsStaleness(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	s.confirmations(nil)
	s.set(func() { s.auto, s.boot = false, b })
	first := make(chan *stream, 1)
	go func() {
		c := <-s.streams
		c.hello("n1", "s1", 1)
		c.beat(0)
		first <- c
	}()
	v := s.startWithClock(t, b, confirming, func(c *verify.Config) { c.MaxStaleness = time.Hour })
	<-first
	raw := s.sign(t)
	wants(t, judge(v, raw), yes)
	b.skip(time.Second)
	wants(t, judge(v, raw), noNews)
}

func TestAnIssuerThatTakesNoConfirmationsIsFollowedAllTheSame(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	all := s.confirmations(nil)
	v, c := s.begin(t, newBootClock(), 0, confirming)
	c.entry(1, "token", "x")
	c.beat(1)
	applied(t, v, 1)
	v.Close()
	none(t, all)
}

func TestAHelloThatCantBeMeantIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"not asked for": "",
		"no node":       `{"stream":"s","staleness":2,"pace_ms":20}`,
		"no stream":     `{"node":"n","stream":"","staleness":2,"pace_ms":20}`,
		"no staleness":  `{"node":"n","stream":"s","staleness":0,"pace_ms":20}`,
		"absurd":        `{"node":"n","stream":"s","staleness":1e300,"pace_ms":20}`,
		"negative pace": `{"node":"n","stream":"s","staleness":2,"pace_ms":-1}`,
		"a long name":   `{"node":"` + strings.Repeat("n", 300) + `","stream":"s","staleness":2,"pace_ms":20}`,
	} {
		s := newScript(t)
		s.auto = false
		v := s.start(t, func(c *verify.Config) {
			c.StartRefusing = true
			if text != "" {
				c.Confirm = "x"
			}
		})
		c := s.take(t)
		if text == "" {
			text = `{"node":"n","stream":"s","staleness":2,"pace_ms":20}`
		}
		c.lines <- "event: hello\ndata: " + text + "\n\n"
		eventually(t, name, func() bool { return v.Health().Err != nil })
	}
}
