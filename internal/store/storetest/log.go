package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

func (s *Suite) log(t *testing.T, entries ...revocation.Entry) revocation.Seq {
	t.Helper()
	return must[revocation.Seq](t)(s.store.Commit(t.Context(), op.Batch{Log: entries}))
}

func (s *Suite) page(t *testing.T, after revocation.Seq, limit int) revocation.Page {
	t.Helper()
	p := must[revocation.Page](t)(s.store.Entries(t.Context(), after, limit))
	p.Origin = "" // which an engine has or not
	return p
}

func testBatches(t *testing.T, s *Suite) {
	ctx := t.Context()
	seq := must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{
		Ops: []op.Op{op.CreateUser{User: user(1)}}, Log: []revocation.Entry{entry(revocation.Subject, "a")}, Audit: []audit.Event{event("a")},
	}))
	bad := map[string]op.Batch{
		"op":    {Ops: []op.Op{op.CreateUser{User: user(2)}, op.CreateUser{User: user(1)}}},
		"plan":  {Ops: []op.Op{op.CreateUser{User: user(2)}, op.ChangeKeys{Plan: func([]keyring.Key) ([]keyring.Key, error) { return nil, errPlan }}}},
		"dirty": {Ops: []op.Op{op.CreateUser{User: user(2)}}, Audit: []audit.Event{event("line\nbreak")}},
		"audit": {Ops: []op.Op{op.CreateUser{User: user(2)}}, Log: []revocation.Entry{entry(revocation.Subject, "b")}, Audit: []audit.Event{event("b"), {}}},
	}
	for name, b := range bad {
		b.Log = append(b.Log, entry(revocation.Subject, "c"))
		if got, err := s.store.Commit(ctx, b); err == nil || got != 0 {
			t.Errorf("%s: committed as %d: %v", name, got, err)
		}
	}
	_, err := s.principal(ctx, user(2).ID)
	wantFault(t, err, fault.NotFound)
	if p := s.page(t, 0, 10); p.Head != seq || len(p.Entries) != 1 {
		t.Errorf("the log has %+v", p)
	}
	if events := must[[]audit.Event](t)(s.store.AuditEvents(ctx, audit.Filter{})); len(events) != 1 {
		t.Errorf("the audit log has %v", events)
	}
	for name, b := range map[string]op.Batch{"empty": {}, "without entries": {Audit: []audit.Event{event("d")}}} {
		if got := must[revocation.Seq](t)(s.store.Commit(ctx, b)); got != 0 {
			t.Errorf("%s: committed as %d", name, got)
		}
	}
}

func testLog(t *testing.T, s *Suite) {
	same(t, "an empty log", s.page(t, 0, 10), revocation.Page{})
	var want []revocation.Entry
	for n := range 10 {
		e := entry(revocation.Token, fmt.Sprint("id", n))
		if n == 3 {
			e.Until = time.Time{}
		}
		e.Seq = revocation.Seq(n + 1)
		want = append(want, e)
	}
	if seq := s.log(t, want[:4]...); seq != 4 {
		t.Fatalf("four entries end at %d", seq)
	}
	if seq := s.log(t, want[4:]...); seq != 10 {
		t.Fatalf("ten entries end at %d", seq)
	}
	same(t, "all", s.page(t, 0, 100), revocation.Page{Entries: want, Head: 10})
	same(t, "some", s.page(t, 2, 3), revocation.Page{Entries: want[2:5], Head: 10})
	same(t, "none", s.page(t, 10, 100), revocation.Page{Head: 10})
	same(t, "beyond", s.page(t, 12, 100), revocation.Page{Head: 10})

	again := s.log(t, revocation.Entry{What: revocation.Token, ID: "id1", Until: start.Add(time.Hour), At: start})
	s.log(t, revocation.Entry{What: revocation.Subject, ID: "id1", At: start})
	for _, c := range []struct {
		after time.Duration
		what  revocation.What
		id    string
		want  revocation.Seq
	}{
		{0, revocation.Token, "id1", again},
		{time.Hour, revocation.Token, "id1", 2},
		{24 * time.Hour, revocation.Token, "id1", 0},
		{1000 * time.Hour, revocation.Token, "id3", 4},
		{0, revocation.Token, "ID1", 0},
		{0, revocation.Client, "id1", 0},
	} {
		s.set(start.Add(c.after))
		e, found, err := s.store.LogEntry(t.Context(), c.what, c.id)
		if err != nil || found != (c.want != 0) || e.Seq != c.want {
			t.Errorf("%s %s after %v: %+v, %t, %v; want %d", c.what, c.id, c.after, e, found, err, c.want)
		}
	}
}

func testPurge(t *testing.T, s *Suite) {
	ctx := t.Context()
	for _, until := range []time.Duration{3, 1, 2, 1000, 3} {
		s.log(t, revocation.Entry{What: revocation.Token, ID: "x", At: start, Until: start.Add(until * time.Hour)})
	}
	s.log(t, revocation.Entry{What: revocation.Token, ID: "for ever", At: start})
	for n, end := range []time.Duration{0, 1, 2, 0, 0} {
		one := tok(n)
		one.ExpiresAt, one.RevokedAt = time.Time{}, time.Time{}
		switch {
		case n == 3:
			one.RevokedAt = start.Add(time.Hour)
		case end > 0:
			one.ExpiresAt = start.Add(end * time.Hour)
		}
		s.do(t, op.AddToken{Token: one})
	}
	must[[]identity.Failures](t)(s.store.RecordFailure(ctx, []string{"a"}, start, time.Minute))

	ticks := 0
	purge := func(after time.Duration, purged revocation.Seq, until time.Duration, entries, tokens int) {
		t.Helper()
		s.set(start.Add(after))
		s.tick(t)
		ticks++
		if err := s.store.Purge(ctx, s.now()); err != nil {
			t.Fatal(err)
		}
		p := s.page(t, 0, 100)
		left := len(p.Entries) - ticks
		if p.Purged != purged || left != entries || p.Head != revocation.Seq(6+ticks) {
			t.Errorf("after %v: purged up to %d of %d, %d left; want %d, %d", after, p.Purged, p.Head, left, purged, entries)
		}
		if want := start.Add(until); until > 0 && !p.PurgedUntil.Equal(want) || until == 0 && !p.PurgedUntil.IsZero() {
			t.Errorf("after %v: what was purged mattered until %s, want %s", after, p.PurgedUntil, want)
		}
		if left := s.listed(t, records.TokenQuery{}); len(left) != tokens {
			t.Errorf("after %v: tokens %v; want %d", after, left, tokens)
		}
	}
	const days = 24 * time.Hour
	purge(0, 0, 0, 6, 5)
	if f := must[[]identity.Failures](t)(s.store.Failures(ctx, []string{"a"}, start)); f[0].Count != 1 {
		t.Error("an attempt in an open window was purged")
	}
	purge(time.Hour-time.Microsecond, 0, 0, 6, 5)
	purge(time.Hour, 2, time.Hour, 5, 5)
	purge(3*time.Hour, 5, 3*time.Hour, 2, 5)
	purge(90*days+time.Hour-time.Microsecond, 5, 1000*time.Hour, 1, 5)
	purge(90*days+time.Hour, 5, 1000*time.Hour, 1, 3)
	purge(90*days+2*time.Hour, 5, 1000*time.Hour, 1, 2)
	same(t, "what never ends", s.listed(t, records.TokenQuery{}), []string{"token-0004", "token-0000"})
	if f := must[[]identity.Failures](t)(s.store.Failures(ctx, []string{"a"}, start)); f[0].Count != 0 {
		t.Error("an old attempt is still there")
	}
}

// testLongPurge purges more than fits into one transaction.
func testLongPurge(t *testing.T, s *Suite) {
	s.log(t, revocation.Entry{What: revocation.Token, ID: "for ever", At: start})
	var many []revocation.Entry
	for range 1200 {
		many = append(many, entry(revocation.Token, "y"))
	}
	head := s.log(t, many...)
	s.pass(1000 * time.Hour)
	s.tick(t)
	if err := s.store.Purge(t.Context(), s.now()); err != nil {
		t.Fatal(err)
	}
	if p := s.page(t, head, 10); p.Head != head+1 || p.Purged != head || len(p.Entries) != 1 {
		t.Errorf("after a long purge: %+v", p)
	}
	if p := s.page(t, 0, 100); len(p.Entries) != 2 || p.Entries[0].ID != "for ever" {
		t.Errorf("left are %v", p.Entries)
	}
}

// tick appends an entry at the present time that is in force for ever.
func (s *Suite) tick(t *testing.T) {
	t.Helper()
	s.log(t, revocation.Entry{What: revocation.Token, ID: "tick", At: s.now()})
}

// testPurgeAhead purges on a node whose wall clock is a day ahead, the log on one that is
// right: nothing that is still valid is purged, and what has run out is.
func testPurgeAhead(t *testing.T, s *Suite) {
	ctx := t.Context()
	right := s.now().Add(-s.offset(t)).Truncate(time.Microsecond)
	s.log(t,
		revocation.Entry{What: revocation.Token, ID: "over", At: right.Add(-2 * time.Hour), Until: right.Add(-time.Hour)},
		revocation.Entry{What: revocation.Token, ID: "lives", At: right, Until: right.Add(time.Hour)},
		// An end names a time that is yet to come, and confirms no clock.
		revocation.Entry{What: revocation.End, ID: "ends", At: right.Add(25 * time.Hour), Until: right.Add(49 * time.Hour)},
	)
	dead, dying := tok(1), tok(2)
	dead.ExpiresAt = right.Add(-91 * 24 * time.Hour)
	dying.ExpiresAt = right.Add(-90*24*time.Hour + time.Hour) // which is listed for an hour yet
	s.do(t, op.AddToken{Token: dead}, op.AddToken{Token: dying})
	s.set(right.Add(26 * time.Hour))
	if err := s.store.Purge(ctx, s.now()); err != nil {
		t.Fatal(err)
	}
	if p := s.page(t, 0, 10); len(p.Entries) != 2 || p.Entries[0].ID != "lives" || p.Entries[1].ID != "ends" || p.Purged != 1 {
		t.Errorf("left are %+v", p)
	}
	same(t, "tokens", s.listed(t, records.TokenQuery{}), []string{dying.ID})
}

// offset is how far the process's clock is ahead of the database's.
func (s *Suite) offset(t *testing.T) time.Duration {
	t.Helper()
	clock, ok := s.store.(interface {
		ClockOffset(ctx context.Context) (time.Duration, error)
	})
	if !ok {
		t.Fatal("the store doesn't compare clocks")
	}
	return must[time.Duration](t)(clock.ClockOffset(t.Context()))
}

// testClockOffset moves the process's clock: where the database has its own clock, the
// offset changes with it, and where it has none, there is no offset.
func testClockOffset(t *testing.T, s *Suite) {
	first := s.offset(t)
	if s.processClock != (first == 0) {
		t.Fatalf("the offset is %v", first)
	}
	for _, ahead := range []time.Duration{26 * time.Hour, -26 * time.Hour} {
		s.set(start.Add(ahead))
		moved := s.offset(t) - first
		if off := (moved - ahead).Abs(); s.processClock && moved != 0 || !s.processClock && off > time.Minute {
			t.Errorf("a clock that was moved by %v is moved by %v to the database's", ahead, moved)
		}
	}
}

func testNodes(t *testing.T, s *Suite) {
	ctx := t.Context()
	confirm := func(n revocation.Confirmation) revocation.Confirmation {
		t.Helper()
		if err := s.store.Confirm(ctx, n); err != nil {
			t.Fatal(err)
		}
		n.SeenAt = s.now()
		return n
	}
	nodes := func(what string, want ...revocation.Confirmation) {
		t.Helper()
		same(t, what, must[[]revocation.Confirmation](t)(s.store.Nodes(ctx, "")), want)
	}
	drop := func(said revocation.Confirmation) {
		t.Helper()
		if err := s.store.DropNode(ctx, said); err != nil {
			t.Fatal(err)
		}
	}
	nodes("at first")
	b := confirm(revocation.Confirmation{Node: "b", Seq: 3, Lease: 2 * time.Second, Outside: revocation.Outside{
		Edges: revocation.Readers{Count: 2, Behind: 1, Seq: 2}, Verifiers: revocation.Readers{Count: 30, Behind: 4, Seq: 1},
	}})
	a := confirm(revocation.Confirmation{Node: "a", Seq: 5, Lease: 1500 * time.Millisecond})
	nodes("both", a, b)
	s.pass(time.Minute)
	before := b
	b.Seq = 4
	b = confirm(b)
	nodes("one confirmed more", a, b)
	drop(before)
	drop(revocation.Confirmation{Node: "A", Seq: a.Seq, Lease: a.Lease, SeenAt: a.SeenAt})
	nodes("who has confirmed stays", a, b)
	s.pass(time.Minute)
	before = b
	b = confirm(b)
	drop(before)
	nodes("who has confirmed the same again stays", a, b)
	drop(b)
	nodes("who hasn't goes", a)
	confirm(revocation.Confirmation{Node: "a", Seq: 9})
	confirm(revocation.Confirmation{Node: "b", Seq: 9})
	nodes("who leaves is gone")
}

// testTimes stores instants that would lose precision in other units or zones.
func testTimes(t *testing.T, s *Suite) {
	zone := time.FixedZone("east", 5*3600)
	for n, at := range []time.Time{
		{},
		time.Date(2026, 7, 1, 0, 0, 0, 999999999, zone), time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.UnixMicro(1),
	} {
		one := tok(n)
		one.CreatedAt = at
		s.do(t, op.AddToken{Token: one})
		got := s.token(t, one.ID).CreatedAt
		if !got.Equal(at.Truncate(time.Microsecond)) || got.Location() != time.UTC {
			t.Errorf("stored %v, read %v", at, got)
		}
	}
	s.log(t, revocation.Entry{What: revocation.Token, ID: "x", At: start.In(zone), Until: start.Add(time.Nanosecond)})
	if e := s.page(t, 0, 1).Entries[0]; e.At != start || e.Until != start {
		t.Errorf("read %v and %v", e.At, e.Until)
	}
}

var errPlan = errors.New("the plan's own error")

func key(kid string, state keyring.State) keyring.Key {
	return keyring.Key{KID: kid, Algorithm: token.EdDSA, State: state, CreatedAt: start, Sealed: []byte("sealed " + kid)}
}

// plan returns a plan that returns these keys, whatever is stored.
func plan(keys ...keyring.Key) keyring.Plan {
	return func([]keyring.Key) ([]keyring.Key, error) { return keys, nil }
}

func testSigningKeys(t *testing.T, s *Suite) {
	ctx := t.Context()
	change := func(p keyring.Plan) {
		t.Helper()
		if err := s.store.ChangeSigningKeys(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	stored := func(what string, want ...keyring.Key) {
		t.Helper()
		same(t, what, must[[]keyring.Key](t)(s.store.SigningKeys(ctx)), want)
	}
	stored("at first")
	a, b := key("a", keyring.Active), key("b", keyring.Next)
	b.CreatedAt, b.ActiveAt = start.Add(time.Second), start.Add(time.Hour)
	change(plan(b, a))
	stored("made", a, b)
	change(plan())
	err := s.store.ChangeSigningKeys(ctx, func(now []keyring.Key) ([]keyring.Key, error) {
		same(t, "what the plan sees", now, []keyring.Key{a, b})
		return []keyring.Key{key("c", keyring.Next)}, errPlan
	})
	if !errors.Is(err, errPlan) {
		t.Errorf("the plan's error became %v", err)
	}
	stored("after a plan that failed", a, b)

	a.State, a.RetiredAt, a.GoneAt, a.Sealed = keyring.Gone, start.Add(time.Minute), start.Add(time.Hour), nil
	b.State = keyring.Active
	s.do(t, op.ChangeKeys{Plan: plan(a, b)})
	stored("rotated in a batch", a, b)
	if err := s.store.ChangeSigningKeys(ctx, plan(key("c", keyring.Active))); err == nil {
		t.Error("there are two active keys")
	}
	stored("after a second active key", a, b)
}

func testCancelled(t *testing.T, s *Suite) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"Commit": func() error {
			_, err := s.store.Commit(ctx, op.Batch{Ops: []op.Op{op.CreateUser{User: user(1)}}, Log: []revocation.Entry{entry(revocation.Subject, "x")}})
			return err
		},
		"ChangeSigningKeys": func() error { return s.store.ChangeSigningKeys(ctx, plan(key("a", keyring.Active))) },
		"Confirm":           func() error { return s.store.Confirm(ctx, revocation.Confirmation{Node: "a", Lease: time.Second}) },
		"Touch":             func() error { return s.store.Touch(ctx, []records.Use{{ID: "a", At: start}}) },
		"Purge":             func() error { return s.store.Purge(ctx, start) },
		"RecordFailure": func() error {
			_, err := s.store.RecordFailure(ctx, []string{"a"}, start, time.Minute)
			return err
		},
		"Entries":   func() error { _, err := s.store.Entries(ctx, 0, 1); return err },
		"Principal": func() error { _, err := s.principal(ctx, "x"); return err },
		"Users":     func() error { _, err := s.store.Users(ctx, records.UserQuery{}); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, "the log", s.page(t, 0, math.MaxInt32), revocation.Page{})
	_, err := s.principal(t.Context(), user(1).ID)
	wantFault(t, err, fault.NotFound)
	same(t, "keys", must[[]keyring.Key](t)(s.store.SigningKeys(t.Context())), []keyring.Key(nil))
	same(t, "nodes", must[[]revocation.Confirmation](t)(s.store.Nodes(t.Context(), "")), []revocation.Confirmation(nil))
	same(t, "bindings", must[[]access.Binding](t)(s.store.Bindings(t.Context(), records.BindingQuery{})), []access.Binding(nil))
}
