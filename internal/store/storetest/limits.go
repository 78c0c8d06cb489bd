package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// testDeviceBounds adds as many waiting device codes as are allowed.
func testDeviceBounds(t *testing.T, s *Suite) {
	add := func(n int, client string, now time.Time) op.AddDevice {
		return op.AddDevice{Now: now, Most: 5, MostOfClient: 3, Device: records.Device{
			Digest: token.Digest(fmt.Sprint(n)), UserCode: fmt.Sprint("CODE", n), ClientID: client, State: records.DevicePending,
			ExpiresAt: start.Add(time.Duration(n) * time.Minute),
		}}
	}
	full := func(what string, o op.AddDevice, wait time.Duration) {
		t.Helper()
		_, err := s.store.Commit(t.Context(), op.Batch{Ops: []op.Op{o}})
		wantFault(t, err, fault.Limited)
		if got := fault.RetryAfter(err); got != wait {
			t.Errorf("%s: again after %v, want %v: when the first expires", what, got, wait)
		}
	}
	for n := range 3 {
		s.do(t, add(n+1, "tv", start))
	}
	full("a client's fourth", add(4, "tv", start), time.Minute)
	s.do(t, add(5, "radio", start), add(6, "radio", start))
	full("the sixth of all", add(7, "radio", start), time.Minute)
	later := start.Add(time.Minute) // the first has expired; nobody has purged it
	full("a client's sixth", op.AddDevice{Device: add(8, "radio", later).Device, Now: later, MostOfClient: 2}, 4*time.Minute)
	s.do(t, add(9, "tv", later))
	full("again full", add(10, "clock", later), time.Minute)
	s.do(t, op.AddDevice{Device: add(11, "clock", later).Device}) // 0 is no bound
}

// testKnownAddresses records from where accounts signed in, and purges it.
func testKnownAddresses(t *testing.T, s *Suite) {
	ctx := t.Context()
	known := func(account, address string) time.Time {
		t.Helper()
		return must[time.Time](t)(s.store.KnownAddress(ctx, account, address))
	}
	same(t, "never", known("ada", "x"), time.Time{})
	s.do(t, op.KnowAddress{Account: "ada", Address: "x", At: start}, op.KnowAddress{Account: "bob", Address: "x", At: start.Add(time.Hour)})
	s.do(t, op.KnowAddress{Account: "ada", Address: "x", At: start.Add(time.Minute)})
	s.do(t, op.KnowAddress{Account: "ada", Address: "x", At: start}) // by a node that is behind
	same(t, "the latest", known("ada", "x"), start.Add(time.Minute))
	same(t, "another's", known("bob", "x"), start.Add(time.Hour))
	for n := range 60 {
		s.do(t, op.KnowAddress{Account: "eve", Address: fmt.Sprint(n), At: start.Add(time.Duration(n) * time.Minute)})
	}
	same(t, "the eleventh is one of the latest 50", known("eve", "10"), start.Add(10*time.Minute))
	same(t, "the tenth isn't", known("eve", "9"), time.Time{})
	s.do(t, op.ForgetAddresses{Account: "bob"})
	same(t, "forgotten", known("bob", "x"), time.Time{})
	if err := s.store.Purge(ctx, start.Add(time.Minute+identity.KnownAddress-time.Microsecond)); err != nil {
		t.Fatal(err)
	}
	if s.processClock { // elsewhere the database's clock decides
		same(t, "for 30 days", known("ada", "x"), start.Add(time.Minute))
		if err := s.store.Purge(ctx, start.Add(time.Minute+identity.KnownAddress)); err != nil {
			t.Fatal(err)
		}
		same(t, "and no longer", known("ada", "x"), time.Time{})
	}
}

// testAccountFailures lists and clears the failures of an account.
func testAccountFailures(t *testing.T, s *Suite) {
	ctx := t.Context()
	fail := func(n int, keys ...string) {
		for range n {
			must[[]identity.Failures](t)(s.store.RecordFailure(ctx, keys, start, time.Minute))
		}
	}
	fail(2, "account:ab", records.AttemptKey("account:ab", "192.0.2.1"), "address:192.0.2.1")
	fail(1, "account:ab", records.AttemptKey("account:ab", "2001:db8::/64"))
	fail(4, "account:abc", records.AttemptKey("account:abc", "192.0.2.1"))
	fail(1, "account:aa", "account:a")
	list := func(now time.Time) []records.AccountFailures {
		return must[[]records.AccountFailures](t)(s.store.AccountFailures(ctx, "account:ab", now))
	}
	all := []records.AccountFailures{
		{Failures: identity.Failures{Count: 3, Since: start}, Everywhere: true},
		{Failures: identity.Failures{Count: 2, Since: start}, Address: "192.0.2.1"},
		{Failures: identity.Failures{Count: 1, Since: start}, Address: "2001:db8::/64"},
	}
	same(t, "the highest first", list(start), all)
	same(t, "after the window", list(start.Add(time.Minute)), []records.AccountFailures(nil))
	s.do(t, op.ClearFailures{Key: records.AttemptKey("account:ab", "192.0.2.1")})
	same(t, "one cleared", list(start), []records.AccountFailures{all[0], all[2]})
	s.do(t, op.ClearFailures{Account: "account:ab"})
	same(t, "all cleared", list(start), []records.AccountFailures(nil))
	left := must[[]identity.Failures](t)(s.store.Failures(ctx, []string{"account:abc", "account:abc@192.0.2.1", "account:aa", "account:a", "address:192.0.2.1"}, start))
	same(t, "others'", []int{left[0].Count, left[1].Count, left[2].Count, left[3].Count, left[4].Count}, []int{4, 4, 1, 1, 2})
}

// testTokensByDigest finds many tokens at once, in one query, by their values or ids.
func testTokensByDigest(t *testing.T, s *Suite) {
	find := func(digests ...[32]byte) (ids []string, seq revocation.Seq) {
		t.Helper()
		found, seq, err := s.store.TokensByDigest(t.Context(), digests)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range found {
			same(t, "as found singly", one, s.token(t, one.ID))
			ids = append(ids, one.ID)
		}
		slices.Sort(ids)
		return ids, seq
	}
	var all [][32]byte
	var ids []string
	for n := range 40 {
		one := tok(n)
		s.do(t, op.AddToken{Token: one})
		all, ids = append(all, one.Digest, [32]byte{byte(n), 1, 2, 3}), append(ids, one.ID)
	}
	slices.Sort(ids)
	head := s.log(t, entry(revocation.Token, "x"))
	got, seq := find(all...)
	same(t, "among unknown ones", got, ids)
	same(t, "as of", seq, head)
	got, _ = find(tok(7).Digest, [32]byte{9}, tok(7).Digest)
	same(t, "few", got, []string{tok(7).ID})
	got, _ = find([32]byte{9})
	same(t, "none of them", len(got), 0)
	got, _ = find()
	same(t, "none asked for", len(got), 0)
	byID, seq, err := s.store.TokensByID(t.Context(), []string{tok(3).ID, "unknown", tok(3).ID, tok(5).ID})
	if err != nil || len(byID) != 2 || seq != head {
		t.Errorf("by id: %+v, as of %d, %v", byID, seq, err)
	}
	for _, one := range byID {
		same(t, "by id as found singly", one, s.token(t, one.ID))
	}
	_, _, err = s.store.TokensByDigest(t.Context(), make([][32]byte, records.MaxDigests+1))
	wantFault(t, err, fault.Invalid)
	_, _, err = s.store.TokensByDigest(t.Context(), make([][32]byte, records.MaxDigests))
	if err != nil {
		t.Fatal(err)
	}
}
