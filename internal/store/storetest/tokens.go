package storetest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// tok returns the nth token, created later than the ones before.
func tok(n int) records.StoredToken {
	id := fmt.Sprintf("token-%04d", n)
	return records.StoredToken{
		ID: id, Kind: token.KindAPIToken, Digest: token.Digest(id), Prefix: "bda_", Last4: "wxyz",
		Owner: "owner", ClientID: "client", Name: "name", Scope: []string{"read", "write"}, Chain: []string{"root", "middle"},
		Family: "family", Seq: 7, CreatedAt: start.Add(time.Duration(n) * time.Second), ExpiresAt: start.Add(time.Hour),
	}
}

func (s *Suite) token(t *testing.T, id string) records.StoredToken {
	t.Helper()
	stored, _, err := s.store.TokenByID(t.Context(), id)
	if err != nil {
		t.Fatalf("token %s: %v", id, err)
	}
	return stored
}

func testTokens(t *testing.T, s *Suite) {
	ctx := t.Context()
	four := int64(4)
	full := tok(1)
	full.Collection = &four
	full.LastUsedAt, full.LastUsedBy, full.RevokedAt, full.Reason = start.Add(time.Minute), "192.0.2.1", start.Add(2*time.Minute), "revoked"
	full.Audience, full.Replaces, full.EndsAt = "https://api.example", "predecessor", start.Add(48*time.Hour)
	full.IssuedFor, full.Description = "spent", "for the nightly export\nof lab-3 – größer"
	full.Networks = networks.List{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	bare := records.StoredToken{ID: "bare", Kind: token.KindExchangeKey, CreatedAt: start}
	other := records.StoredToken{ID: "other", Kind: token.KindSession, CreatedAt: start}
	full.SignIn = records.SignIn{Source: "museum", Session: "sid-1", At: start.Add(-time.Minute)}
	s.do(t, op.AddToken{Token: full}, op.AddToken{Token: bare}, op.AddToken{Token: other})
	same(t, "a full token", s.token(t, full.ID), full)
	same(t, "a bare token", s.token(t, bare.ID), bare)

	seq := must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Log: []revocation.Entry{entry(revocation.Token, "x")}}))
	byDigest, as, err := s.store.TokenByDigest(ctx, full.Digest)
	if err != nil || as != seq {
		t.Fatalf("by digest: as of %d, want %d: %v", as, seq, err)
	}
	same(t, "by digest", byDigest, full)
	for _, d := range [][32]byte{{}, {2}} {
		_, _, err := s.store.TokenByDigest(ctx, d)
		wantFault(t, err, fault.NotFound)
	}
	_, _, err = s.store.TokenByID(ctx, "TOKEN-0001")
	wantFault(t, err, fault.NotFound)

	sameID, sameDigest := tok(2), tok(2)
	sameID.ID, sameDigest.Digest = full.ID, full.Digest
	s.refuse(t, fault.Conflict, op.AddToken{Token: sameID})
	s.refuse(t, fault.Conflict, op.AddToken{Token: sameDigest})
}

func (s *Suite) listed(t *testing.T, q records.TokenQuery) (ids []string) {
	t.Helper()
	for {
		page := must[records.Page[records.StoredToken]](t)(s.store.StoredTokens(t.Context(), q))
		for _, one := range page.Items {
			ids = append(ids, one.ID)
		}
		if q.After = page.Next; q.After == "" {
			return ids
		}
	}
}

func testTokenList(t *testing.T, s *Suite) {
	var all []string
	for n := range 30 {
		one := tok(n)
		one.CreatedAt = start.Add(time.Duration(n/3) * time.Second) // several at the same time
		one.Owner = []string{"ann", "bob"}[n%2]
		one.ClientID = []string{"ci", "app", ""}[n%3]
		one.Kind = []token.Kind{token.KindAPIToken, token.KindSession, token.KindRefresh, token.KindExchangeKey}[n%4]
		s.do(t, op.AddToken{Token: one})
		all = append(all, one.ID)
	}
	slices.Reverse(all)
	same(t, "all, newest first", s.listed(t, records.TokenQuery{Limit: 4}), all)
	same(t, "all on one page", s.listed(t, records.TokenQuery{}), all)

	every := func(keep func(n int) bool) (ids []string) {
		for n := 29; n >= 0; n-- {
			if keep(n) {
				ids = append(ids, tok(n).ID)
			}
		}
		return ids
	}
	same(t, "an owner's", s.listed(t, records.TokenQuery{Owner: "ann", Limit: 4}), every(func(n int) bool { return n%2 == 0 }))
	same(t, "a client's", s.listed(t, records.TokenQuery{ClientID: "ci", Limit: 4}), every(func(n int) bool { return n%3 == 0 }))
	same(t, "an owner's through a client", s.listed(t, records.TokenQuery{Owner: "bob", ClientID: "app", Limit: 2}),
		every(func(n int) bool { return n%2 == 1 && n%3 == 1 }))
	kinds := []token.Kind{token.KindSession, token.KindExchangeKey}
	same(t, "of some kinds", s.listed(t, records.TokenQuery{Kinds: kinds, Limit: 4}), every(func(n int) bool { return n%2 == 1 }))
	same(t, "of a kind that none is", s.listed(t, records.TokenQuery{Kinds: []token.Kind{token.KindAccess}}), []string(nil))
	same(t, "nobody's", s.listed(t, records.TokenQuery{Owner: "ANN"}), []string(nil))

	page := must[records.Page[records.StoredToken]](t)(s.store.StoredTokens(t.Context(), records.TokenQuery{Limit: 10}))
	newer := tok(500)
	s.do(t, op.AddToken{Token: newer})
	same(t, "the rest, after one was made", s.listed(t, records.TokenQuery{Limit: 10, After: page.Next}), all[10:])
	for _, bad := range []string{"!", "AAAA", page.Next[1:], "dXNlcjph", "dG9rZW46", "dG9rZW46eDp5"} {
		_, err := s.store.StoredTokens(t.Context(), records.TokenQuery{After: bad})
		wantFault(t, err, fault.Invalid)
	}
}

func testKillTokens(t *testing.T, s *Suite) {
	at := start.Add(time.Minute)
	tokens := map[string]records.StoredToken{}
	plain := func(name string) records.StoredToken {
		one := tok(len(tokens))
		one.ID, one.Owner, one.ClientID, one.Chain, one.Family = name, "o", "c", nil, ""
		return one
	}
	for _, name := range []string{"parent", "child", "sibling", "familiar", "dead", "expired", "endless", "stranger"} {
		one := plain(name)
		switch name {
		case "child":
			one.Chain = []string{"root", "parent"}
		case "familiar":
			one.Family = "parent"
		case "dead":
			one.Chain, one.RevokedAt, one.Reason = []string{"parent"}, start, "before"
		case "expired":
			one.Chain, one.ExpiresAt = []string{"parent"}, at
		case "endless":
			one.Chain, one.ExpiresAt = []string{"parent"}, time.Time{}
		case "stranger":
			one.Owner, one.ClientID = "other", "other"
		}
		tokens[name] = one
		s.do(t, op.AddToken{Token: one})
	}
	kill := func(o op.KillTokens, names ...string) {
		t.Helper()
		o.At, o.Reason = at, "killed"
		s.do(t, o)
		s.do(t, op.KillTokens{IDs: o.IDs, Owner: o.Owner, ClientID: o.ClientID, At: at.Add(time.Second), Reason: "again"})
		for _, name := range names {
			one := tokens[name]
			one.RevokedAt, one.Reason = at, "killed"
			tokens[name] = one
		}
		for name, want := range tokens {
			same(t, name, s.token(t, name), want)
		}
	}
	kill(op.KillTokens{IDs: []string{"nothing", ""}})
	kill(op.KillTokens{IDs: []string{"parent"}}, "parent", "child", "familiar", "endless")
	kill(op.KillTokens{Owner: "O"})
	kill(op.KillTokens{Owner: "other"}, "stranger")
	kill(op.KillTokens{ClientID: "c"}, "sibling")
}

func testKillEverything(t *testing.T, s *Suite) {
	at := start.Add(time.Minute)
	live, endless, expired, dead := tok(1), tok(2), tok(3), tok(4)
	endless.ExpiresAt = time.Time{}
	expired.ExpiresAt = at
	dead.RevokedAt, dead.Reason = start, "before"
	for _, one := range []records.StoredToken{live, endless, expired, dead} {
		s.do(t, op.AddToken{Token: one})
	}
	waiting := records.Device{
		Digest: [32]byte{1}, UserCode: "WDJB-MJHT", ClientID: "app", State: records.DevicePending, ExpiresAt: start.Add(time.Hour),
	}
	s.do(t, op.AddDevice{Device: waiting, Now: start})
	for i, reason := range []string{"restored", "again"} {
		s.do(t, op.KillEverything{At: at.Add(time.Duration(i) * time.Second), Reason: reason})
		for _, one := range []*records.StoredToken{&live, &endless} {
			one.RevokedAt, one.Reason = at, "restored"
		}
		for name, want := range map[string]records.StoredToken{"live": live, "endless": endless, "expired": expired, "dead": dead} {
			same(t, name, s.token(t, want.ID), want)
		}
	}
	_, err := s.store.Device(t.Context(), waiting.Digest)
	wantFault(t, err, fault.NotFound)
	s.do(t, op.AddToken{Token: tok(5)}) // what is issued afterwards is valid
	if one := s.token(t, tok(5).ID); !one.RevokedAt.IsZero() {
		t.Errorf("issued afterwards: %+v", one)
	}
}

func testSpendToken(t *testing.T, s *Suite) {
	next := tok(2)
	spend := []op.Op{op.SpendToken{ID: "token-0001", At: start, Reason: "used"}, op.AddToken{Token: next}}
	s.refuse(t, fault.Conflict, spend...)
	s.do(t, op.AddToken{Token: tok(1)})
	s.do(t, spend...)
	if one := s.token(t, "token-0001"); !one.RevokedAt.Equal(start) || one.Reason != "used" {
		t.Errorf("the spent token: %+v", one)
	}
	next.ID, next.Digest = "another", [32]byte{9}
	s.refuse(t, fault.Conflict, op.AddToken{Token: next}, spend[0])
	_, _, err := s.store.TokenByID(t.Context(), "another")
	wantFault(t, err, fault.NotFound)
	s.refuse(t, fault.Conflict, op.SpendToken{ID: tok(2).ID, At: tok(2).ExpiresAt})
}

// testSiblings tests refresh tokens that were issued for the same one: the first, "a",
// was spent twice.
func testSiblings(t *testing.T, s *Suite) {
	add := func(id, origin string) {
		one := tok(0)
		one.ID, one.Digest, one.IssuedFor, one.Kind = id, token.Digest(id), origin, token.KindRefresh
		s.do(t, op.AddToken{Token: one})
	}
	spend := func(id string) op.SpendToken {
		return op.SpendToken{ID: id, At: s.now(), Reason: "used", Siblings: "sibling used"}
	}
	ended := func(what string, want map[string]string) {
		t.Helper()
		for id, reason := range want {
			if one := s.token(t, id); one.Reason != reason || one.RevokedAt.IsZero() != (reason == "") {
				t.Errorf("%s: %s ended at %v: %q, want %q", what, id, one.RevokedAt, one.Reason, reason)
			}
		}
	}
	again := func(id string, since time.Time) op.SpendAgain {
		return op.SpendAgain{ID: id, Since: since, Reason: "used"}
	}
	add("a", "")
	add("stranger", "")
	s.refuse(t, fault.Conflict, again("a", start)) // it wasn't spent once
	s.refuse(t, fault.Conflict, again("nobody", start))
	s.do(t, spend("a"))
	ended("a token without siblings", map[string]string{"a": "used", "stranger": ""})
	for _, id := range []string{"b", "c", "d"} {
		add(id, "a")
	}
	s.pass(30 * time.Second)
	s.refuse(t, fault.Conflict, again("a", start.Add(time.Microsecond))) // it was spent before
	s.do(t, again("a", start))
	ended("spent again", map[string]string{"a": "used", "b": "", "c": "", "d": ""})
	s.do(t, op.KillTokens{IDs: []string{"d"}, At: start, Reason: "revoked"})
	s.do(t, again("a", start)) // one that was revoked was not used
	s.do(t, spend("b"))
	ended("a sibling spent", map[string]string{"b": "used", "c": "sibling used", "d": "revoked", "stranger": ""})
	s.refuse(t, fault.Conflict, again("a", start))
	s.refuse(t, fault.Conflict, spend("c"))
	s.do(t, again("b", start))
	s.refuse(t, fault.Conflict, again("c", start))
}

func testShortenToken(t *testing.T, s *Suite) {
	one, endless := tok(1), tok(2)
	endless.ExpiresAt = time.Time{}
	s.do(t, op.AddToken{Token: one}, op.AddToken{Token: endless})
	shorten := func(id string, now, end time.Duration) op.ShortenToken {
		return op.ShortenToken{ID: id, Now: start.Add(now), ExpiresAt: start.Add(end), Reason: "regenerated"}
	}
	s.refuse(t, fault.Conflict, shorten("nothing", 0, time.Minute))
	s.refuse(t, fault.Conflict, shorten(one.ID, 0, time.Hour+time.Second))
	s.refuse(t, fault.Conflict, shorten(one.ID, 0, 2*time.Hour))
	s.refuse(t, fault.Conflict, shorten(one.ID, time.Hour, time.Minute))
	s.do(t, shorten(one.ID, 0, time.Hour)) // its own expiry is earlier
	s.do(t, shorten(one.ID, 0, time.Minute), shorten(endless.ID, 0, time.Hour))
	one.ExpiresAt, one.Reason = start.Add(time.Minute), "regenerated"
	endless.ExpiresAt, endless.Reason = start.Add(time.Hour), "regenerated"
	same(t, "the shortened token", s.token(t, one.ID), one)
	same(t, "the endless one", s.token(t, endless.ID), endless)
	s.do(t, op.KillTokens{IDs: []string{one.ID}, At: start, Reason: "killed"})
	s.refuse(t, fault.Conflict, shorten(one.ID, 0, time.Second))
}

// testLateHeirs adds tokens to a chain after a token in it was shortened: they were
// decided by a node that didn't know of it yet.
func testLateHeirs(t *testing.T, s *Suite) {
	root, short, own := tok(1), tok(2), tok(3)
	for _, one := range []*records.StoredToken{&root, &short, &own} {
		one.ExpiresAt, one.Chain, one.Family = time.Time{}, nil, ""
	}
	own.ExpiresAt = start.Add(30 * time.Minute) // its own end, which was known
	end := start.Add(time.Minute)
	s.do(t, op.AddToken{Token: root}, op.AddToken{Token: short}, op.AddToken{Token: own},
		op.ShortenToken{ID: short.ID, Now: start, ExpiresAt: end, Reason: "regenerated"})
	n := 3
	add := func(what string, change func(*records.StoredToken), expires, ends time.Time) {
		t.Helper()
		n++
		heir := tok(n)
		heir.ExpiresAt, heir.EndsAt, heir.Family, heir.Chain = start.Add(time.Hour), time.Time{}, "", []string{root.ID, short.ID}
		change(&heir)
		s.do(t, op.AddToken{Token: heir})
		if got := s.token(t, heir.ID); !got.ExpiresAt.Equal(expires) || !got.EndsAt.Equal(ends) || !got.RevokedAt.IsZero() {
			t.Errorf("%s ends at %v and %v, want %v and %v", what, got.ExpiresAt, got.EndsAt, expires, ends)
		}
	}
	never := time.Time{}
	add("one that would live longer", func(*records.StoredToken) {}, end, never)
	add("an endless one", func(h *records.StoredToken) { h.ExpiresAt = never }, end, never)
	add("one that ends sooner", func(h *records.StoredToken) { h.ExpiresAt = start.Add(time.Second) }, start.Add(time.Second), never)
	add("a family", func(h *records.StoredToken) { h.Family = "family" }, end, end)
	add("of another", func(h *records.StoredToken) { h.Chain = []string{root.ID} }, start.Add(time.Hour), never)
	add("of one with an end of its own", func(h *records.StoredToken) { h.Chain = []string{own.ID} }, start.Add(time.Hour), never)
}

// testVoidTokens adds tokens that are based on something that the log has revoked since
// they were decided: when the entry has run out, the row must still say that they are
// revoked.
func testVoidTokens(t *testing.T, s *Suite) {
	ctx := t.Context()
	seq := must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Log: []revocation.Entry{
		entry(revocation.Subject, "owner"), entry(revocation.Client, "client"), entry(revocation.Token, "killed"),
	}}))
	n := 0
	add := func(what string, dead bool, change func(*records.StoredToken)) {
		t.Helper()
		n++
		one := tok(n)
		one.Owner, one.ClientID, one.Chain, one.Family, one.Seq = "other", "other", nil, "", 0
		change(&one)
		s.do(t, op.AddToken{Token: one})
		if stored := s.token(t, one.ID); stored.RevokedAt.IsZero() == dead || dead && stored.Reason == "" {
			t.Errorf("%s: revoked at %v, reason %q", what, stored.RevokedAt, stored.Reason)
		}
	}
	add("another's", false, func(*records.StoredToken) {})
	add("decided before the owner's cut-off", true, func(one *records.StoredToken) { one.Owner = "owner" })
	add("decided as of it", false, func(one *records.StoredToken) { one.Owner, one.Seq = "owner", 1 })
	add("decided before the client's cut-off", true, func(one *records.StoredToken) { one.ClientID, one.Seq = "client", 1 })
	add("decided as of that", false, func(one *records.StoredToken) { one.ClientID, one.Seq = "client", 2 })
	add("made from what was killed", true, func(one *records.StoredToken) { one.Chain, one.Seq = []string{"root", "killed"}, seq })
	add("made from another", false, func(one *records.StoredToken) { one.Chain = []string{"KILLED"} })
	add("made from what was issued to the client before its cut-off", true, func(one *records.StoredToken) {
		one.Chain, one.Seq = []string{"root", token.ClientLink("client")}, 1
	})
	add("and after it", false, func(one *records.StoredToken) { one.Chain, one.Seq = []string{"root", token.ClientLink("client")}, 2 })
	add("made from what another client had", false, func(one *records.StoredToken) { one.Chain = []string{token.ClientLink("CLIENT")} })
	all := must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{
		Log: []revocation.Entry{{What: revocation.Everything, ID: revocation.EverythingID, At: start}},
	}))
	add("decided before everything was cut off", true, func(one *records.StoredToken) { one.Seq = all - 1 })
	add("decided as of then", false, func(one *records.StoredToken) { one.Seq = all })
	add("revoked already", true, func(one *records.StoredToken) { one.Owner, one.RevokedAt, one.Reason = "owner", start, "before" })
}

func testReplaces(t *testing.T, s *Suite) {
	one, other, next := tok(1), tok(2), tok(3)
	one.Replaces, other.Replaces = "predecessor", "predecessor"
	s.do(t, op.AddToken{Token: one}, op.AddToken{Token: next})
	s.refuse(t, fault.Conflict, op.AddToken{Token: other})
	other.Replaces = "PREDECESSOR"
	s.do(t, op.AddToken{Token: other})
}

func testDevices(t *testing.T, s *Suite) {
	ctx := t.Context()
	d := records.Device{
		Digest: [32]byte{1}, UserCode: "WDJB-MJHT", ClientID: "app", Scope: []string{"read"}, Audience: "https://api.example",
		State: records.DevicePending, ExpiresAt: start.Add(10 * time.Minute),
	}
	stored := func(what string) {
		t.Helper()
		same(t, what, must[records.Device](t)(s.store.Device(ctx, d.Digest)), d)
		same(t, what+", by user code", must[records.Device](t)(s.store.DeviceByUserCode(ctx, d.UserCode)), d)
	}
	s.do(t, op.AddDevice{Device: d})
	stored("added")
	sameCode, sameDigest := d, d
	sameCode.Digest, sameDigest.UserCode = [32]byte{2}, "OTHE-RONE"
	s.refuse(t, fault.Conflict, op.AddDevice{Device: sameCode})
	s.refuse(t, fault.Conflict, op.AddDevice{Device: sameDigest})
	_, err := s.store.DeviceByUserCode(ctx, "wdjb-mjht")
	wantFault(t, err, fault.NotFound)
	_, err = s.store.Device(ctx, [32]byte{2})
	wantFault(t, err, fault.NotFound)

	s.refuse(t, fault.Conflict, op.SpendDevice{Digest: d.Digest})
	yes := d
	yes.State, yes.Subject, yes.Seq = records.DeviceApproved, "subject", 7
	s.refuse(t, fault.Conflict, op.DecideDevice{Device: yes, Now: d.ExpiresAt})
	s.do(t, op.DecideDevice{Device: yes, Now: start})
	s.refuse(t, fault.Conflict, op.DecideDevice{Device: yes, Now: start})
	d = yes
	stored("approved")
	s.do(t, op.SpendDevice{Digest: d.Digest})
	s.refuse(t, fault.Conflict, op.SpendDevice{Digest: d.Digest})

	d.State = records.DevicePending
	s.do(t, op.AddDevice{Device: d})
	if err := s.store.Purge(ctx, d.ExpiresAt.Add(-time.Microsecond)); err != nil {
		t.Fatal(err)
	}
	same(t, "before its end", must[records.Device](t)(s.store.Device(ctx, d.Digest)), d)
	if err := s.store.Purge(ctx, d.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	_, err = s.store.Device(ctx, d.Digest)
	wantFault(t, err, fault.NotFound)
}

func testTouch(t *testing.T, s *Suite) {
	s.do(t, op.AddToken{Token: tok(1)}, op.AddToken{Token: tok(2)})
	touch := func(uses ...records.Use) {
		t.Helper()
		if err := s.store.Touch(t.Context(), uses); err != nil {
			t.Fatal(err)
		}
	}
	touch()
	touch(records.Use{ID: "token-0001", Address: "192.0.2.1", At: start.Add(time.Minute)}, records.Use{ID: "gone", At: start})
	touch(records.Use{ID: "token-0001", Address: "192.0.2.2", At: start})
	if one := s.token(t, "token-0001"); !one.LastUsedAt.Equal(start.Add(time.Minute)) || one.LastUsedBy != "192.0.2.1" {
		t.Errorf("last used at %v by %s", one.LastUsedAt, one.LastUsedBy)
	}
	many := make([]records.Use, 1200)
	for n := range many {
		many[n] = records.Use{ID: "gone", At: start}
	}
	touch(append(many, records.Use{ID: "token-0002", Address: "192.0.2.3", At: start})...)
	if one := s.token(t, "token-0002"); one.LastUsedBy != "192.0.2.3" {
		t.Error("the last of many uses was not noted")
	}
}

func testAttempts(t *testing.T, s *Suite) {
	ctx := t.Context()
	record := func(now time.Time, keys ...string) []identity.Failures {
		return must[[]identity.Failures](t)(s.store.RecordFailure(ctx, keys, now, time.Minute))
	}
	failures := func(now time.Time, keys ...string) []identity.Failures {
		return must[[]identity.Failures](t)(s.store.Failures(ctx, keys, now))
	}
	none := identity.Failures{}
	same(t, "at first", failures(start, "a", "b"), []identity.Failures{none, none})
	same(t, "one", record(start, "a", "b"), []identity.Failures{{Count: 1, Since: start}, {Count: 1, Since: start}})
	same(t, "two", record(start.Add(30*time.Second), "b"), []identity.Failures{{Count: 2, Since: start}})
	same(t, "in the order asked", failures(start.Add(59*time.Second), "c", "b", "a", "A"),
		[]identity.Failures{none, {Count: 2, Since: start}, {Count: 1, Since: start}, none})
	later := start.Add(time.Minute)
	same(t, "after the window", failures(later, "a", "b"), []identity.Failures{none, none})
	same(t, "in a new window", record(later, "b"), []identity.Failures{{Count: 1, Since: later}})
	same(t, "the same key twice", record(later, "d", "d"), []identity.Failures{{Count: 1, Since: later}, {Count: 2, Since: later}})
}
