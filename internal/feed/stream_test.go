package feed_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/revoking"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

func TestStreamTellsOfRevocationsAndBeats(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	raw := e.reader(t)
	s := e.subscribe(t, "", raw)
	h := s.res.Header
	if h.Get("Cache-Control") != "no-store" || h.Get("X-Accel-Buffering") != "no" {
		t.Errorf("header: %v", h)
	}
	first := s.next(t)
	for first.name != "heartbeat" {
		first = s.next(t) // of the client that was made
	}
	id := "a < role &\n\"Größe\""
	at := e.Time().UTC().Truncate(time.Microsecond)
	_, err := e.Store.Commit(t.Context(), op.Batch{Log: []revocation.Entry{
		{What: revocation.Role, ID: id, At: at},
		entry("6d854edd-2e20-4856-9600-7a68fade783e", at.Add(time.Hour), at),
	}})
	must(t, err)
	role := s.next(t)
	for role.name != "revocation" {
		role = s.next(t)
	}
	if role.data["what"] != "role" || role.data["id"] != id || role.data["until"] != nil || role.data["at"] != at.Format(time.RFC3339Nano) {
		t.Errorf("%s", role.text)
	}
	kill := s.next(t)
	if kill.seq != role.seq+1 || kill.data["what"] != "token" || kill.data["until"] != at.Add(time.Hour).Format(time.RFC3339Nano) {
		t.Errorf("%s", kill.text)
	}
	beat := s.next(t)
	for range 3 {
		began := time.Now()
		next := s.next(t)
		if next.name != "heartbeat" || next.seq != kill.seq || next.asOf <= beat.asOf {
			t.Errorf("after %s came %s", beat.text, next.text)
		}
		if d := time.Since(began); d > e.Settings.Staleness { // twice what it should be: the machine may be busy
			t.Errorf("silent for %v", d)
		}
		beat = next
	}
}

// TestResumeUnderRevocations: however often connections break, each client has every
// entry once and in order.
func TestResumeUnderRevocations(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{unread: 700}) // which the tail doesn't have
	raw := e.reader(t)
	start := e.head(t)
	const revocations, clients = 300, 8
	goal := start + revocations
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			dice := rand.New(rand.NewPCG(1, uint64(n)))
			var got []int64
			var last int64
			for last < goal && !t.Failed() { // a writer that fails leaves it out of reach
				s := e.subscribe(t, fmt.Sprintf("?after=%d", last), raw)
				s.last = last
				for range 1 + dice.IntN(120) {
					ev := s.next(t)
					if ev.name == "revocation" {
						got = append(got, ev.seq)
					}
					if last = ev.seq; last >= goal {
						break
					}
				}
				s.close()
			}
			consecutive(t, got, 1, goal)
		})
	}
	for range 3 {
		all.Go(func() {
			for range revocations / 3 {
				_, err := e.Store.Commit(context.Background(), op.Batch{Log: []revocation.Entry{entry("x", e.Time().Add(48*time.Hour), e.Time())}})
				must(t, err)
				e.Follower.Wake()
			}
		})
	}
	all.Wait()
}

func TestLastEventIDResumesUnlessAfterIsGiven(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{unread: 10})
	raw := e.reader(t)
	head := e.head(t)
	for _, c := range []struct {
		query  string
		header []string
		from   int64
	}{
		{"", []string{"Last-Event-ID", "4"}, 5},
		{"?after=", []string{"Last-Event-ID", "4"}, 5},
		{"?after=7", []string{"Last-Event-ID", "4"}, 8},
		{"?after=7", []string{"Last-Event-ID", "nonsense"}, 8},
		{"?after=0", nil, 1},
		{"", []string{"Last-Event-ID", ""}, 1},
	} {
		list, _ := e.subscribe(t, c.query, raw, c.header...).upTo(t, head)
		consecutive(t, list, c.from, head)
	}
}

func TestSnapshotHasWhatMattersStill(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	raw := e.reader(t)
	base := e.head(t)
	now := e.Time().Truncate(time.Second)
	commit := func(entries ...revocation.Entry) {
		t.Helper()
		_, err := e.Store.Commit(t.Context(), op.Batch{Log: entries})
		must(t, err)
	}
	dead := now.Add(-time.Hour)
	commit(entry("dead", dead, now))
	must(t, e.Store.Purge(t.Context(), e.Time()))
	commit(
		entry("dead before what was purged", dead.Add(-time.Second), now), entry("dead by this node's clock", dead.Add(time.Second), now),
		entry("live", now.Add(time.Hour), now), revocation.Entry{What: revocation.Subject, ID: "s", At: now},
	)
	must(t, e.Follower.CatchUp(t.Context()))
	s := e.subscribe(t, "", raw)
	list, beat := s.upTo(t, base+5)
	if i := slices.Index(list, base+3); i < 0 || !slices.Equal(list[i:], []int64{base + 3, base + 4, base + 5}) || slices.Contains(list, base+1) || slices.Contains(list, base+2) || beat.seq != base+5 {
		t.Errorf("snapshot %v, then %s", list, beat.text)
	}
	// Whose clock is behind learns what may be missing, and once is enough.
	if beat.data["purged_until"] != dead.UTC().Format(time.RFC3339) {
		t.Errorf("the heartbeat after the snapshot: %s; want it to say %s", beat.text, dead.UTC())
	}
	commit(entry("more", now.Add(time.Hour), now))
	must(t, e.Follower.CatchUp(t.Context()))
	if _, beat := s.upTo(t, base+6); beat.data["purged_until"] != nil {
		t.Errorf("a later heartbeat: %s", beat.text)
	}
	// Who resumes has no gap, be it of what has run out.
	list, beat = e.subscribe(t, fmt.Sprintf("?after=%d", base+1), raw).upTo(t, base+6)
	if consecutive(t, list, base+2, base+6); beat.data["purged_until"] != nil {
		t.Errorf("who resumes: %s", beat.text)
	}
}

func TestSnapshotOfALargeLog(t *testing.T) {
	t.Parallel()
	const n = 100_000
	e := newEnv(t, options{unread: n})
	raw := e.reader(t)
	began := time.Now()
	s := e.subscribe(t, "", raw)
	head := e.append(t, 3) // while it is on its way
	e.Follower.Wake()
	list, beat := s.upTo(t, head)
	consecutive(t, list, 1, head)
	if beat.seq != head {
		t.Errorf("the heartbeat: %s", beat.text)
	}
	t.Logf("%d entries in %v", len(list), time.Since(began))
}

func TestPurgedLogIsFollowedFromASnapshotAlone(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{unread: 5})
	raw := e.reader(t)
	head := e.head(t)
	s := e.subscribe(t, "", raw)
	s.upTo(t, head)
	e.Advance(72 * time.Hour)
	// The log itself must say that this much time has passed.
	_, err := e.Store.Commit(t.Context(), op.Batch{Log: []revocation.Entry{entry("over", e.Time(), e.Time())}})
	must(t, err)
	must(t, e.Store.Purge(t.Context(), e.Time()))
	raw = e.tokenOf(t, "reader", identity.ScopeRevocations)
	must(t, e.Follower.CatchUp(t.Context()))
	known, _ := e.Follower.Known()
	purged := known.Purged
	if purged == 0 {
		t.Fatal("nothing was purged")
	}
	for _, query := range []string{"?after=0", fmt.Sprintf("?after=%d", purged-1)} {
		a := e.Send(t, e.request(t.Context(), t, query, raw))
		if a.Status != http.StatusGone || a.Object()["error"] != "gone" || !strings.Contains(fmt.Sprint(a.Object()["error_description"]), "without after") ||
			a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", query, a.Status, a.Object())
		}
	}
	// The snapshot of a log that is all purged goes as far as its head, and so does
	// who was there already.
	list, beat := e.subscribe(t, "", raw).upTo(t, 0)
	if beat.seq != known.Seq || len(list) > int(known.Seq-purged) {
		t.Errorf("snapshot %v, then %s", list, beat.text)
	}
	if _, beat := e.subscribe(t, fmt.Sprintf("?after=%d", purged), raw).upTo(t, 0); beat.seq != known.Seq {
		t.Errorf("from the purge on: %s", beat.text)
	}
}

// TestSequenceOfAnotherNodeIsWaitedFor: a node that hasn't heard of it yet asks.
func TestSequenceOfAnotherNodeIsWaitedFor(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{Options: nodetest.Options{Settings: func(p *node.Settings) { p.Staleness = time.Minute }}})
	raw := e.reader(t)
	must(t, e.Follower.CatchUp(t.Context()))
	seq := e.append(t, 1)
	if e.Follower.Applied() >= seq {
		t.Fatal("the follower asked, though it does so every 15 s")
	}
	if _, beat := e.subscribe(t, fmt.Sprintf("?after=%d", seq), raw).upTo(t, 0); beat.seq != seq {
		t.Errorf("%s", beat.text)
	}
	a := e.Send(t, e.request(t.Context(), t, fmt.Sprintf("?after=%d", seq+1), raw))
	if a.Status != http.StatusGone || a.Object()["error"] != "gone" {
		t.Errorf("beyond the log: %d %v", a.Status, a.Object())
	}
}

func TestStreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	client := func(t *testing.T, e *env) string { return e.token(t, "c", identity.ScopeRevocations) }
	user := func(t *testing.T, e *env) string {
		e.User(t, "ada", "correct horse", nodetest.May(identity.ScopeRevocations, access.PathTokens))
		return e.AccessToken(t, "ada", "correct horse", identity.ScopeRevocations).Value.Reveal()
	}
	for name, c := range map[string]struct {
		token func(*testing.T, *env) string
		end   func(*testing.T, *env, string) error
	}{
		"revoked": {client, func(t *testing.T, e *env, raw string) error {
			_, err := e.Revoke(t.Context(), caller.Operator(), revoking.Revocation{Token: raw})
			return err
		}},
		"expired": {client, func(_ *testing.T, e *env, _ string) error { e.Advance(2 * time.Hour); return nil }},
		"the client is removed": {client, func(t *testing.T, e *env, _ string) error {
			_, err := e.RemoveClient(t.Context(), caller.Operator(), "c")
			return err
		}},
		"the user is disabled": {user, func(t *testing.T, e *env, _ string) error {
			disabled := true
			_, err := e.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: &disabled})
			return err
		}},
		"the user loses the permission": {user, func(t *testing.T, e *env, _ string) error {
			bindings, err := e.Store.Bindings(t.Context(), records.BindingQuery{})
			must(t, err)
			_, err = e.RemoveBinding(t.Context(), caller.Operator(), bindings[0].ID)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, options{})
			raw := c.token(t, e)
			other := e.token(t, "other", identity.ScopeRevocations)
			s := e.subscribe(t, "", raw)
			s.upTo(t, 0)
			must(t, c.end(t, e, raw))
			s.end(t)
			a := e.Send(t, e.request(t.Context(), t, "", raw))
			if a.Status != http.StatusUnauthorized && a.Status != http.StatusForbidden {
				t.Errorf("afterwards: %d", a.Status)
			}
			eventually(t, "the line in the log", func() bool {
				return strings.Contains(e.lines.String(), `"outcome":"the token is no longer accepted"`)
			})
			if name != "expired" {
				e.subscribe(t, "", other).upTo(t, 0)
			}
		})
	}
}

func TestNoHeartbeatWithoutAnswersOfTheLog(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{Options: nodetest.Options{Settings: func(p *node.Settings) { p.Staleness = 400 * time.Millisecond }}})
	raw := e.reader(t)
	s := e.subscribe(t, "", raw)
	_, last := s.upTo(t, 0)
	e.log.cut.Store(true)
	eventually(t, "the lease runs out", func() bool { return !e.Follower.Fresh() })
	known, _ := e.Follower.Known()
	a := e.Send(t, e.request(t.Context(), t, "", raw))
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("without a lease: %d %v", a.Status, a.Header)
	}
	head := e.append(t, 1)
	time.Sleep(e.Settings.Staleness) // in which nothing may come
	e.log.cut.Store(false)
	cutBeats := 0
	for {
		ev := s.next(t)
		if ev.name == "revocation" {
			if ev.seq != head {
				t.Fatalf("%s", ev.text)
			}
			break
		}
		if ev.seq > known.Seq {
			t.Fatalf("a heartbeat claims %s", ev.text)
		}
		cutBeats++
		last = ev
	}
	if cutBeats > 3 {
		t.Errorf("%d heartbeats after the cut", cutBeats)
	}
	beat := s.next(t)
	if beat.name != "heartbeat" || beat.seq != head || beat.asOf <= last.asOf {
		t.Errorf("after the cut: %s, before: %s", beat.text, last.text)
	}
}

func TestStopEndsStreamsAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{Options: nodetest.Options{Settings: func(p *node.Settings) { p.Staleness = time.Minute }}})
	raw := e.reader(t)
	var all []*subscriber
	for range 20 {
		s := e.subscribe(t, "", raw)
		s.upTo(t, 0)
		all = append(all, s)
	}
	if n := e.srv.Addr(); n == nil || e.edge.Streams() != 20 {
		t.Errorf("%d streams", e.edge.Streams())
	}
	began := time.Now()
	must(t, e.stop())
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("stopping took %v", d)
	}
	for _, s := range all {
		s.end(t)
	}
	if e.edge.Streams() != 0 || strings.Contains(e.lines.String(), "requests were cut off") {
		t.Errorf("%d streams are left", e.edge.Streams())
	}
	if n := strings.Count(e.lines.String(), `"outcome":"the server stops"`); n != 20 {
		t.Errorf("%d lines in the log", n)
	}
}

func TestStreamsAreLimited(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{streams: 2})
	raw := e.reader(t)
	s := e.subscribe(t, "", raw)
	e.subscribe(t, "", raw)
	a := e.Send(t, e.request(t.Context(), t, "", raw))
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || a.Object()["error"] != "temporarily_unavailable" {
		t.Errorf("the third: %d %v %v", a.Status, a.Header, a.Object())
	}
	s.close()
	eventually(t, "a place", func() bool { return e.edge.Streams() == 1 })
	e.subscribe(t, "", raw)
}

func TestStreamEndsAfterAHundredTimesL(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	e := newEnv(t, options{Options: nodetest.Options{
		Clock: clock.now, Settings: func(p *node.Settings) { p.Staleness = 200 * time.Millisecond },
	}})
	raw := e.reader(t)
	s := e.subscribe(t, "", raw)
	s.upTo(t, 0)
	clock.offset.Add(int64(17 * time.Second))
	s.upTo(t, s.last)
	s.upTo(t, s.last)
	clock.offset.Add(int64(3 * time.Second))
	s.end(t)
	e.subscribe(t, fmt.Sprintf("?after=%d", s.last), raw).upTo(t, 0)
}

// TestSlowReaderIsDropped: what it doesn't take is not kept for it.
func TestSlowReaderIsDropped(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{unread: 50_000, timeout: 300 * time.Millisecond})
	raw := e.reader(t)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(4 << 10)
		}
		return conn, err
	}
	e.HTTP.Transport = &http.Transport{DialContext: dial}
	e.subscribe(t, "", raw) // 8 MB, more than what lies in the buffers of such a connection
	eventually(t, "the slow reader is dropped", func() bool { return e.edge.Streams() == 0 })
	eventually(t, "the line in the log", func() bool { return strings.Contains(e.lines.String(), "reads too slowly") })
}

// TestTailKeepsUpWithMany: all of many subscribers have everything, and the store is
// asked for none of it.
func TestTailKeepsUpWithMany(t *testing.T) {
	t.Parallel()
	counted := &countedLog{}
	e := newEnv(t, options{counted: counted})
	raw := e.reader(t)
	from := e.head(t)
	var all sync.WaitGroup
	const subscribers, revocations = 50, 40
	for range subscribers {
		s := e.subscribe(t, fmt.Sprintf("?after=%d", from), raw)
		all.Go(func() {
			list, _ := s.upTo(t, from+revocations)
			consecutive(t, list, from+1, from+revocations)
		})
	}
	counted.entries.Store(0)
	for range revocations {
		e.append(t, 1)
		e.Follower.Wake()
	}
	all.Wait()
	if n := counted.entries.Load(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

func TestWhoFellBehindReadsTheStore(t *testing.T) {
	t.Parallel()
	counted := &countedLog{}
	e := newEnv(t, options{counted: counted})
	raw := e.reader(t)
	from := e.head(t)
	s := e.subscribe(t, fmt.Sprintf("?after=%d", from), raw)
	s.upTo(t, 0)
	head := e.append(t, 9000) // more than the tail keeps
	e.Follower.Wake()
	list, _ := s.upTo(t, head)
	consecutive(t, list, from+1, head)
	list, _ = e.subscribe(t, fmt.Sprintf("?after=%d", from+10), raw).upTo(t, head)
	consecutive(t, list, from+11, head)
	if counted.entries.Load() == 0 {
		t.Error("the store was not asked")
	}
}

func TestUsersTokenOfTheRightKindsAlone(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	e.User(t, "ada", "correct horse", nodetest.May(identity.ScopeRevocations, access.PathTokens))
	session := e.SessionToken(t, "ada", "correct horse").Value.Reveal()
	signedIn, err := e.Session(t.Context(), session)
	must(t, err)
	issued, err := e.Issue(t.Context(), signedIn, &issuance.Request{
		Kind: token.KindAPIToken, Scope: []string{identity.ScopeRevocations}, Name: "verifier",
	})
	must(t, err)
	e.subscribe(t, "", issued.Value.Reveal()).upTo(t, 0)
	for _, r := range []*http.Request{
		e.request(t.Context(), t, "", session),
		e.request(t.Context(), t, "", "", "Cookie", "bearerd_session="+session),
	} {
		if a := e.Send(t, r); a.Status != http.StatusUnauthorized {
			t.Errorf("a session: %d %v", a.Status, a.Object())
		}
	}
}
