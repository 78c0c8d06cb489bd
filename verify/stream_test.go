package verify_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
)

// begin starts a verifier whose first connection the test writes to; it has received a
// heartbeat with seq.
func (s *script) begin(t testing.TB, b *bootClock, seq int64, change ...func(*verify.Config)) (*verify.Verifier, *stream) {
	t.Helper()
	s.set(func() { s.auto, s.boot = false, b })
	first := make(chan *stream, 1)
	go func() {
		c := <-s.streams
		c.beat(seq)
		first <- c
	}()
	v := s.startWithClock(t, b, change...)
	c := <-first
	if c.after != "none" {
		t.Errorf("the first connection asks after %s", c.after)
	}
	return v, c
}

// applied waits until the verifier knows the log up to seq.
func applied(t testing.TB, v *verify.Verifier, seq int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("entry %d", seq), func() bool { return v.Health().Seq == seq })
}

func TestAStreamThatCantBeTrustedIsDroppedAndReported(t *testing.T) {
	t.Parallel()
	const far = 10 * time.Hour
	for name, c := range map[string]struct {
		send   func(*stream)
		reason string
	}{
		"a gap":                {func(s *stream) { s.entry(7, "token", "x") }, "entry 6 is missing"},
		"a repeat":             {func(s *stream) { s.entry(5, "token", "x") }, "entry 5 follows 5"},
		"out of order":         {func(s *stream) { s.entry(6, "token", "x"); s.entry(3, "token", "x") }, "entry 3 follows 6"},
		"sequence nought":      {func(s *stream) { s.entry(0, "token", "x") }, "no sequence"},
		"negative sequence":    {func(s *stream) { s.entry(-1, "token", "x") }, "no sequence"},
		"unknown what":         {func(s *stream) { s.entry(6, "planet", "x") }, "doesn't know"},
		"empty what":           {func(s *stream) { s.entry(6, "", "x") }, "doesn't know"},
		"no id":                {func(s *stream) { s.entry(6, "token", "") }, "no usable id"},
		"a huge id":            {func(s *stream) { s.entry(6, "token", strings.Repeat("x", 600)) }, "no usable id"},
		"wrong event id":       {func(s *stream) { s.lines <- strings.Replace(entryText(6, "token", "x"), "id: 6", "id: 7", 1) }, `comes as event "7"`},
		"no event id":          {func(s *stream) { s.lines <- strings.Replace(entryText(6, "token", "x"), "id: 6\n", "", 1) }, `comes as event ""`},
		"unknown event":        {func(s *stream) { s.lines <- "event: news\ndata: {}\n\n" }, "unknown name"},
		"nameless event":       {func(s *stream) { s.lines <- "data: {}\n\n" }, "unknown name"},
		"no JSON":              {func(s *stream) { s.lines <- "event: revocation\nid: 6\ndata: hello\n\n" }, "not JSON"},
		"a list":               {func(s *stream) { s.lines <- "event: heartbeat\ndata: []\n\n" }, "not JSON"},
		"two members":          {func(s *stream) { s.lines <- "event: heartbeat\ndata: {\"seq\":5,\"seq\":5,\"as_of\":0}\n\n" }, "two members"},
		"SEQ":                  {func(s *stream) { s.lines <- "event: heartbeat\ndata: {\"SEQ\":5,\"as_of\":0}\n\n" }, `"seq" is missing`},
		"half a number":        {func(s *stream) { s.lines <- "event: heartbeat\ndata: {\"seq\":5.5,\"as_of\":0}\n\n" }, `"seq" is missing or of another type`},
		"a text for a number":  {func(s *stream) { s.lines <- "event: heartbeat\ndata: {\"seq\":\"5\",\"as_of\":0}\n\n" }, `"seq" is missing or of another type`},
		"no date":              {func(s *stream) { s.lines <- strings.Replace(entryText(6, "token", "x"), "2026-01-02", "yesterday", 1) }, `"at" is missing or of another type`},
		"a long line":          {func(s *stream) { s.lines <- "data: " + strings.Repeat("x", 90<<10) + "\n\n" }, "a line of more than"},
		"a long event":         {func(s *stream) { s.lines <- strings.Repeat("data: "+strings.Repeat("x", 20<<10)+"\n", 5) + "\n" }, "an event of more than"},
		"an endless line":      {func(s *stream) { s.lines <- strings.Repeat("x", 90<<10) }, "a line of more than"},
		"a carriage return":    {func(s *stream) { s.lines <- "event: heart\rbeat\ndata: {}\n\n" }, "carriage return"},
		"a NUL":                {func(s *stream) { s.lines <- "event: heart\x00beat\ndata: {}\n\n" }, "NUL"},
		"a heartbeat too far":  {func(s *stream) { s.beat(6) }, "entry 6 is missing before the heartbeat"},
		"a heartbeat too low":  {func(s *stream) { s.beat(4) }, "the log went back"},
		"a heartbeat to come":  {func(s *stream) { s.beatAsOf(5, far) }, "from now"},
		"no as_of":             {func(s *stream) { s.lines <- "event: heartbeat\ndata: {\"seq\":5}\n\n" }, "a heartbeat without as_of"},
		"as_of null":           {func(s *stream) { s.lines <- "event: heartbeat\ndata: {\"seq\":5,\"as_of\":null}\n\n" }, "a heartbeat without as_of"},
		"an absurd as_of":      {func(s *stream) { s.lines <- "event: heartbeat\ndata: {\"seq\":5,\"as_of\":-9223372036854775808}\n\n" }, "out of range"},
		"a negative heartbeat": {func(s *stream) { s.lines <- "event: heartbeat\ndata: {\"seq\":-5,\"as_of\":0}\n\n" }, "out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b := newScript(t), newBootClock()
			v, first := s.begin(t, b, 5)
			raw := s.sign(t)
			wants(t, judge(v, raw), yes)

			c.send(first)
			first.gone(t)
			eventually(t, "a report", func() bool { return v.Health().Err != nil })
			if got := v.Health().Err.Error(); !strings.Contains(got, c.reason) {
				t.Errorf("reports %q, want %q", got, c.reason)
			}
			b.skip(2 * time.Second)
			wants(t, judge(v, raw), noNews)
			if v.Health().Ready {
				t.Error("ready without a lease")
			}

			second := s.take(t) // all is read again, and counts
			if second.after != "none" {
				t.Errorf("it goes on after %s", second.after)
			}
			second.entry(2, "subject", "bob")
			second.entry(9, "client", "web")
			second.beat(12)
			applied(t, v, 12)
			eventually(t, "a lease", func() bool { return v.Health().Ready })
			wants(t, judge(v, raw), yes)
			if err := v.Health().Err; err != nil {
				t.Errorf("still reports %v", err)
			}
		})
	}
}

func TestAStreamGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, c := s.begin(t, newBootClock(), 5)
	c.entry(6, "token", "x")
	applied(t, v, 6)
	close(c.lines)
	c = s.take(t)
	if c.after != "6" {
		t.Errorf("it asks after %s, not 6", c.after)
	}
	c.entry(7, "token", "x")
	c.beat(7)
	applied(t, v, 7)
}

func TestWhatWasPurgedIsReadAnew(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, c := s.begin(t, newBootClock(), 5)
	gone := make(chan string, 10)
	s.on("/stream", func(w http.ResponseWriter, r *http.Request) {
		gone <- r.URL.RawQuery
		s.on("/stream", nil)
		w.WriteHeader(http.StatusGone)
	})
	close(c.lines)
	if q := <-gone; q != "after=5" {
		t.Errorf("asked with %q", q)
	}
	c = s.take(t)
	if c.after != "none" {
		t.Errorf("after 410 it asks after %s", c.after)
	}
	c.entry(90, "subject", "ada")
	c.beat(100)
	applied(t, v, 100)
	wants(t, judge(v, s.sign(t)), revoked)
	wants(t, judge(v, s.sign(t, func(c *token.Claims) { c.Seq = 90 })), yes)
}

// A snapshot counts only as a whole: until its heartbeat nothing says how far it is.
func TestHalfASnapshotGivesNoLease(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.auto = false
	v := s.start(t, func(c *verify.Config) { c.StartRefusing = true })
	c := s.take(t)
	c.entry(3, "token", "x")
	c.entry(8, "token", "y")
	eventually(t, "the entries", func() bool { return v.Health().Revocations == 2 })
	if h := v.Health(); h.Ready || h.Seq != 0 || h.Age >= 0 {
		t.Errorf("%+v", h)
	}
	wants(t, judge(v, s.sign(t)), noNews)
	close(c.lines)
	c = s.take(t)
	if c.after != "none" {
		t.Errorf("it asks after %s", c.after)
	}
	c.entry(3, "token", "x")
	c.entry(8, "token", "y")
	c.beat(9)
	applied(t, v, 9)
	wants(t, judge(v, s.sign(t)), yes)
}

func TestHeartbeatsCountFromWhenTheRequestLeft(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	v, c := s.begin(t, b, 0)
	raw := s.sign(t)
	start := c.since()

	// A heartbeat that was under way for long is about a time long ago.
	b.skip(5 * time.Second)
	wants(t, judge(v, raw), noNews)
	c.beatAsOf(0, start)
	c.beatAsOf(0, -3*time.Second)
	c.entry(1, "token", "x") // so that it is known when they were read
	applied(t, v, 1)
	wants(t, judge(v, raw), noNews)

	// One that is true as of 4 s after the request is good until 6 s after it, less
	// a thousandth of the 4.
	c.beatAsOf(1, 4*time.Second)
	eventually(t, "a lease", func() bool { return v.Health().Ready })
	wants(t, judge(v, raw), yes)
	b.skip(time.Second)
	wants(t, judge(v, raw), noNews)

	// An older one after it changes nothing.
	c.beatAsOf(1, 5500*time.Millisecond)
	eventually(t, "a lease", func() bool { return v.Health().Ready })
	c.beatAsOf(1, start)
	c.entry(2, "token", "x")
	applied(t, v, 2)
	wants(t, judge(v, raw), yes)
}

func TestTwoClocksMayDifferByAThousandth(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	v, c := s.begin(t, b, 0)
	b.skip(3001 * time.Second)
	c.beatAsOf(0, 3000*time.Second)
	c.entry(1, "token", "x")
	applied(t, v, 1)
	// 3000 s after the request, less 3 s for the clocks, and 2 s of lease: 2999 s.
	wants(t, judge(v, s.sign(t)), noNews)
}

func TestALogThatWentBackEndsTheLeaseAtOnce(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, c := s.begin(t, newBootClock(), 100)
	raw := s.sign(t)
	wants(t, judge(v, raw), yes)
	c.beat(40)
	c.gone(t)
	eventually(t, "no lease", func() bool { return !v.Health().Ready })
	wants(t, judge(v, raw), noNews)
	c = s.take(t) // it is still at 40, and then beyond 100
	c.beat(40)
	c.gone(t)
	wants(t, judge(v, raw), noNews)
	c = s.take(t)
	c.beat(101)
	eventually(t, "a lease", func() bool { return v.Health().Ready })
	wants(t, judge(v, raw), yes)
}

// A node that has not heard of the last entries yet is asked again; what is known
// stays, and so does the lease.
func TestANodeThatIsBehindIsLeftWithoutHarm(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, c := s.begin(t, newBootClock(), 100)
	raw := s.sign(t)
	close(c.lines)
	c = s.take(t)
	c.beatAsOf(90, -10*time.Second)
	c.gone(t)
	wants(t, judge(v, raw), yes)
	c = s.take(t)
	if c.after != "100" {
		t.Errorf("it asks after %s", c.after)
	}
	c.beat(100)
	eventually(t, "no complaint", func() bool { return v.Health().Err == nil })
}

// Of a token that was decided as of an entry that isn't known here, nothing can be
// said before that entry has come; and of one beyond the log, that it is none.
func TestATokenFromTheFutureWaitsForTheLog(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, c := s.begin(t, newBootClock(), 5)
	raw := s.sign(t, func(c *token.Claims) { c.Seq = 7; c.Chain = []string{"a-parent"} })
	verdict := make(chan error)
	begin := func() { go func() { verdict <- judge(v, raw) }() }
	pending := func() {
		t.Helper()
		select {
		case err := <-verdict:
			t.Fatalf("decided: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	begin()
	pending()
	c.entry(6, "client", "web")
	pending()
	c.entry(7, "subject", "bob")
	wants(t, <-verdict, yes)

	raw = s.sign(t, func(c *token.Claims) { c.Seq = 9; c.Chain = []string{"a-parent"} })
	begin()
	pending()
	c.entry(8, "token", "a-parent")
	c.entry(9, "subject", "bob")
	wants(t, <-verdict, revoked)

	raw = s.sign(t, func(c *token.Claims) { c.Seq = 10 })
	begin()
	pending()
	c.beatAsOf(9, -time.Hour) // of before the token was shown
	pending()
	c.beat(9)
	wants(t, <-verdict, malformed)

	raw = s.sign(t, func(c *token.Claims) { c.Seq = 11 })
	begin()
	wants(t, <-verdict, noNews) // after reachTimeout
}

func TestAnswersThatAreNoStreamAreReported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		reason string
	}{
		"401": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "answered 401"},
		"403": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, "needs the scopes revocations and introspect"},
		"404": {http.NotFound, "answered 404"},
		"503": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "answered 503"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "a redirect that is not followed"},
		"a page": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "is \"text/html"},
		"an end": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/event-stream") }, "reading the revocations: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.handlers["/stream"] = c.answer
			_, err := verify.New(t.Context(), s.config())
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("New: %v, want %q", err, c.reason)
			}
		})
	}
}

// The token is renewed when a fifth of its life is left, and when it isn't taken; it
// goes nowhere but to the stream.
func TestItsOwnTokenIsRenewed(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	b := newBootClock()
	_, c := s.begin(t, b, 0)
	if n := s.tokens.Load(); n != 1 {
		t.Errorf("%d tokens for one connection", n)
	}
	close(c.lines)
	c = s.take(t)
	c.beat(0)
	if n := s.tokens.Load(); n != 1 {
		t.Errorf("%d tokens for two connections", n)
	}
	s.on("/stream", func(w http.ResponseWriter, r *http.Request) {
		s.on("/stream", nil)
		w.WriteHeader(http.StatusUnauthorized)
	})
	close(c.lines)
	c = s.take(t)
	c.beat(0)
	if n := s.tokens.Load(); n != 2 {
		t.Errorf("%d tokens after one was refused", n)
	}
	for _, x := range []struct {
		passed time.Duration
		tokens int64
	}{{470 * time.Second, 2}, {20 * time.Second, 3}} {
		b.skip(x.passed)
		close(c.lines)
		c = s.take(t)
		c.beat(0)
		if n := s.tokens.Load(); n != x.tokens {
			t.Errorf("%d tokens, %s later, want %d", n, x.passed, x.tokens)
		}
	}
}

// Connections that fail at once are not made as fast as that.
func TestAFailingIssuerIsAskedLessAndLess(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.handlers["/stream"] = http.NotFound
	s.start(t, func(c *verify.Config) { c.StartRefusing = true })
	time.Sleep(time.Second)
	if n := s.metadatas.Load(); n < 3 || n > 12 {
		t.Errorf("%d tries in a second", n)
	}
	if n := s.tokens.Load(); n != 1 {
		t.Errorf("%d tokens asked for", n)
	}
}

// A snapshot lacks what was purged. Its heartbeat says until when that mattered, and what
// had expired by then has expired here, although the clock of this machine is behind.
func TestWhatAPurgedEntryMayHaveRevokedHasExpired(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	s.set(func() { s.auto = false })
	purged := time.Now().Add(30 * time.Minute) // by the issuer's clock that has passed
	go func() {
		c := <-s.streams
		c.entry(7, "token", "x")
		c.lines <- fmt.Sprintf("event: heartbeat\nid: 7\ndata: {\"seq\":7,\"as_of\":%d,\"purged_until\":%q}\n\n",
			c.since().Microseconds(), purged.UTC().Format(time.RFC3339Nano))
	}()
	v := s.startWithClock(t, b)
	ends := func(in time.Duration) string {
		return s.sign(t, func(c *token.Claims) { c.Expiry = time.Now().Add(in) })
	}
	wants(t, judge(v, ends(20*time.Minute)), expired)
	wants(t, judge(v, ends(40*time.Minute)), yes)
}
