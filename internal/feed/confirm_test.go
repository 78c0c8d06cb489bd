package feed_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/feed"
)

// helloOf opens a stream and reads its first event; the stream stays open.
func (e *env) helloOf(t *testing.T, query, raw string) (node, stream string, events *bufio.Scanner) {
	t.Helper()
	h, events := e.greeting(t, query, raw)
	return h.Node, h.Stream, events
}

type greeting struct {
	Node, Stream string
	Staleness    float64
	Pace         int64 `json:"pace_ms"`
	Settings     *feed.Settings
}

func (e *env) greeting(t *testing.T, query, raw string) (h greeting, events *bufio.Scanner) {
	t.Helper()
	res, err := e.HTTP.Do(e.request(t.Context(), t, query, raw))
	must(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		t.Fatalf("answered %d", res.StatusCode)
	}
	events = bufio.NewScanner(res.Body)
	for events.Scan() {
		name, is := strings.CutPrefix(events.Text(), "event: ")
		if !is {
			continue
		}
		if name != "hello" {
			t.Fatalf("the first event is %q", name)
		}
		events.Scan()
		must(t, json.Unmarshal([]byte(strings.TrimPrefix(events.Text(), "data: ")), &h))
		if h.Staleness != e.Settings.Staleness.Seconds() || h.Pace < 20 {
			t.Errorf("%+v", h)
		}
		return h, events
	}
	t.Fatal("no event")
	return h, nil
}

func (e *env) confirm(t *testing.T, raw, body string) *edgetest.Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+feed.ConfirmPath, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+raw)
	r.Header.Set("Content-Type", "application/json")
	return e.Send(t, r)
}

// A confirmation is taken from the client of the stream, of what was written to it.
func TestConfirmationsThatCantBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	raw, other, narrow := e.reader(t), e.token(t, "other", "revocations"), e.token(t, "narrow")
	node, stream, events := e.helloOf(t, "?confirm=test", raw)
	for events.Scan() && events.Text() != "event: heartbeat" {
	}
	of := func(more string) string { return `{"node":"` + node + `","stream":"` + stream + `"` + more + `}` }
	for name, c := range map[string]struct {
		raw, body string
		status    int
	}{
		"no token":         {"junk", of(`,"seq":0`), http.StatusUnauthorized},
		"no scope":         {narrow, of(`,"seq":0`), http.StatusForbidden},
		"no JSON":          {raw, `seq=0`, http.StatusBadRequest},
		"two members":      {raw, of(`,"seq":0,"seq":0`), http.StatusBadRequest},
		"unknown member":   {raw, of(`,"seq":0,"more":1`), http.StatusBadRequest},
		"no node":          {raw, `{"stream":"` + stream + `","seq":0}`, http.StatusBadRequest},
		"no stream":        {raw, `{"node":"` + node + `","seq":0}`, http.StatusBadRequest},
		"no seq":           {raw, of(``), http.StatusBadRequest},
		"negative":         {raw, of(`,"seq":-1`), http.StatusBadRequest},
		"a text":           {raw, of(`,"seq":"0"`), http.StatusBadRequest},
		"beyond":           {raw, of(`,"seq":99999`), http.StatusConflict},
		"another client's": {other, of(`,"seq":0`), http.StatusNotFound},
		"unknown":          {raw, `{"node":"` + node + `","stream":"x","seq":0}`, http.StatusNotFound},
		"its own":          {raw, of(`,"seq":0`), http.StatusNoContent},
	} {
		if a := e.confirm(t, c.raw, c.body); a.Status != c.status {
			t.Errorf("%s: %d %v, want %d", name, a.Status, a.Object(), c.status)
		}
	}
	if got := e.Room.Status().Verifiers.Count; got != 1 {
		t.Errorf("%d registered", got)
	}
	if a := e.confirm(t, raw, of(`,"bye":true`)); a.Status != http.StatusNoContent {
		t.Errorf("a goodbye: %d", a.Status)
	}
	for events.Scan() { // the stream ends
	}
	if got := e.Room.Status().Verifiers.Count; got != 0 {
		t.Errorf("%d registered after the goodbye", got)
	}
}

func TestLabelsThatCantBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	raw, both := e.reader(t), e.token(t, "edge", "revocations", "introspect")
	for query, status := range map[string]int{
		"?edge=true":                               http.StatusBadRequest,
		"?confirm=x&edge=yes":                      http.StatusBadRequest,
		"?confirm=a%0ab":                           http.StatusBadRequest,
		"?confirm=" + strings.Repeat("x", 101):     http.StatusBadRequest,
		"?confirm=x&confirm=y":                     http.StatusBadRequest,
		"?confirm=only+a+reader+&edge=true":        http.StatusForbidden,
		"?confirm=with+the+scope+of+a+real+one%7f": http.StatusBadRequest,
	} {
		if a := e.Send(t, e.request(t.Context(), t, query, raw)); a.Status != status {
			t.Errorf("%s: %d %v, want %d", query, a.Status, a.Object(), status)
		}
	}
	e.helloOf(t, "?confirm=edge+1&edge=true", both)
	eventually(t, "the edge", func() bool { return e.Room.Status().Edges.Count == 1 })
}

// An edge learns what it must know of the configuration; others, who may not introspect, are
// told nothing of it.
func TestOnlyAnEdgeLearnsTheSettings(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	want := feed.Settings{
		APITokenPrefix: "msm_", ForeignTokens: []feed.ForeignToken{{Name: "x", Pattern: `[<>&]{20}\+`}}, Resources: map[string]string{"a": "https://a.example/"},
	}
	e.edge.Settings = want
	h, _ := e.greeting(t, "?confirm=edge&edge=true", e.token(t, "both", "revocations", "introspect"))
	if h.Settings == nil {
		t.Fatal("an edge has no settings")
	}
	if diff := cmp.Diff(want, *h.Settings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if h, _ := e.greeting(t, "?confirm=service", e.reader(t)); h.Settings != nil {
		t.Errorf("a service is told %+v", h.Settings)
	}
}

// What an edge would refuse as too long stops the start.
func TestSettingsHaveALimit(t *testing.T) {
	t.Parallel()
	for size, good := range map[int]bool{60 << 10: true, 70 << 10: false} {
		s := feed.Settings{APITokenPrefix: "bda_", ForeignTokens: []feed.ForeignToken{{Name: "x", Pattern: strings.Repeat("<", size)}}}
		if err := s.Check(); (err == nil) != good {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Without a label nobody is waited for, and there is no event that a verifier of an earlier
// version doesn't know.
func TestAStreamWithoutALabelIsNotConfirmed(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	res, err := e.HTTP.Do(e.request(t.Context(), t, "", e.reader(t)))
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	events := bufio.NewScanner(res.Body)
	for events.Scan() && !strings.HasPrefix(events.Text(), "event: ") {
	}
	if events.Text() != "event: heartbeat" || e.Room.Status().Verifiers.Count != 0 {
		t.Errorf("begins with %q; %+v", events.Text(), e.Room.Status())
	}
}

// A node whose line to the store is cut keeps no verifier's lease alive.
func TestWithoutALeaseNoHeartbeatIsWritten(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	_, _, events := e.helloOf(t, "?confirm=test", e.reader(t))
	beats := make(chan struct{}, 1000)
	go func() {
		for events.Scan() {
			if events.Text() == "event: heartbeat" {
				beats <- struct{}{}
			}
		}
	}()
	<-beats
	e.log.cut.Store(true)
	eventually(t, "the end of the lease", func() bool { return !e.Follower.Fresh() })
	for len(beats) > 0 {
		<-beats
	}
	select {
	case <-beats:
		t.Error("a heartbeat without a lease")
	case <-time.After(100 * time.Millisecond):
	}
	eventually(t, "the end of the registration", func() bool { return e.Room.Status().Verifiers.Count == 0 })
}

// A log with a line for each confirmation would have as many as there are verifiers, for each
// revocation. What is refused has its line.
func TestAConfirmationThatIsTakenHasNoLineInTheLog(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	raw := e.reader(t)
	node, stream, _ := e.helloOf(t, "?confirm=test", raw)
	eventually(t, "the registration", func() bool { return e.Room.Status().Verifiers.Count == 1 })
	for _, c := range []struct {
		stream string
		status int
	}{{stream, http.StatusNoContent}, {"another", http.StatusNotFound}} {
		if a := e.confirm(t, raw, fmt.Sprintf(`{"node":%q,"stream":%q,"seq":0}`, node, c.stream)); a.Status != c.status {
			t.Fatalf("%s: answered %d", c.stream, a.Status)
		}
	}
	eventually(t, "the line of the refusal", func() bool { return strings.Contains(e.lines.String(), `"status":404`) })
	if n := strings.Count(e.lines.String(), feed.ConfirmPath); n != 2 { // path and route
		t.Errorf("%d times in the log:\n%s", n, e.lines)
	}
}
