package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// patiently repeats what another node may have blocked.
func patiently(do func() error) error {
	for {
		if err := do(); !fault.Is(err, fault.Unavailable) {
			return err
		}
	}
}

// each runs do on two nodes, several times at once on each.
func (s *Suite) each(do func(node, n int, store contract.Store)) {
	var all sync.WaitGroup
	for node, store := range []contract.Store{s.store, s.open()} {
		for n := range 4 {
			all.Go(func() { do(node, n, store) })
		}
	}
	all.Wait()
}

func testTwoNodesSpend(t *testing.T, s *Suite) {
	for round := range 10 {
		old := tok(round)
		s.do(t, op.AddToken{Token: old})
		var won atomic.Int32
		s.each(func(node, n int, store contract.Store) {
			next := tok(1000)
			next.ID = fmt.Sprint(round, node, n)
			next.Digest = token.Digest(next.ID)
			err := patiently(func() error {
				_, err := store.Commit(t.Context(), op.Batch{
					Ops: []op.Op{op.SpendToken{ID: old.ID, At: start, Reason: "used"}, op.AddToken{Token: next}},
				})
				return err
			})
			switch {
			case err == nil:
				won.Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
		if won.Load() != 1 {
			t.Fatalf("a token was spent %d times", won.Load())
		}
	}
	if all := s.listed(t, records.TokenQuery{Limit: 1000}); len(all) != 20 {
		t.Errorf("there are %d tokens, want 20", len(all))
	}
}

// testTwoNodesLinks removes all links of a user at the same time, from two nodes: one link
// stays. And of a link to set a password one use is good.
func testTwoNodesLinks(t *testing.T, s *Suite) {
	for round := range 5 {
		u := user(round)
		s.do(t, op.CreateUser{User: u})
		secret := token.Digest(u.ID)
		s.do(t, op.AddPasswordLink{Link: records.PasswordLink{Digest: secret, UserID: u.ID, ExpiresAt: start.Add(time.Hour)}})
		for i := range 8 {
			s.do(t, op.AddLink{Link: records.Link{Source: "orcid", ExternalID: fmt.Sprint(round, i), UserID: u.ID}})
		}
		var removed, used atomic.Int32
		attempt := func(store contract.Store, count *atomic.Int32, ops ...op.Op) {
			switch err := patiently(func() error { _, err := store.Commit(t.Context(), op.Batch{Ops: ops}); return err }); {
			case err == nil:
				count.Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
			}
		}
		s.each(func(node, n int, store contract.Store) {
			attempt(store, &removed, op.RemoveLink{Source: "orcid", ExternalID: fmt.Sprint(round, 4*node+n)},
				op.RequireLink{UserID: u.ID, Sources: []string{"orcid"}})
			attempt(store, &used, op.SpendPasswordLink{Digest: secret, Now: start})
		})
		if removed.Load() != 7 || used.Load() != 1 {
			t.Fatalf("%d of 8 links were removed, and the link was used %d times", removed.Load(), used.Load())
		}
	}
}

// testTwoTabs uses a refresh token again and one that was issued for it at the same time,
// from two nodes: the later one sees what the other did, so that no sibling stays valid
// beside one that was used.
func testTwoTabs(t *testing.T, s *Suite) {
	for round := range 10 {
		name := func(parts ...any) string { return fmt.Sprintln(append([]any{"tabs", round}, parts...)...) }
		add := func(id, origin string) op.AddToken {
			one := tok(0)
			one.ID, one.Digest, one.IssuedFor, one.Kind = id, token.Digest(id), origin, token.KindRefresh
			return op.AddToken{Token: one}
		}
		origin, first, second := name("origin"), name("first"), name("second")
		s.do(t, add(origin, ""))
		s.do(t, op.SpendToken{ID: origin, At: start, Reason: "used", Siblings: "sibling used"}, add(first, origin), add(second, origin))
		var used, again atomic.Int32
		s.each(func(node, n int, store contract.Store) {
			ops := []op.Op{op.SpendAgain{ID: origin, Since: start, Reason: "used"}, add(name("late", node, n), origin)}
			count := &again
			if n%2 == 0 {
				spent := []string{first, second}[node]
				ops = []op.Op{op.SpendToken{ID: spent, At: start, Reason: "used", Siblings: "sibling used"}, add(name("next", node, n), spent)}
				count = &used
			}
			err := patiently(func() error {
				_, err := store.Commit(t.Context(), op.Batch{Ops: ops})
				return err
			})
			switch {
			case err == nil:
				count.Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
		if used.Load() != 1 {
			t.Fatalf("%d siblings were used", used.Load())
		}
		for _, one := range must[records.Page[records.StoredToken]](t)(s.store.StoredTokens(t.Context(), records.TokenQuery{Limit: 1000})).Items {
			if one.IssuedFor == origin && one.RevokedAt.IsZero() {
				t.Errorf("%s lives beside a sibling that was used; %d were issued again", one.ID, again.Load())
			}
		}
	}
}

func testTwoNodesKeys(t *testing.T, s *Suite) {
	var made atomic.Int32
	s.each(func(node, n int, store contract.Store) {
		err := patiently(func() error {
			return store.ChangeSigningKeys(t.Context(), func(now []keyring.Key) ([]keyring.Key, error) {
				if len(now) > 0 {
					return nil, nil
				}
				made.Add(1)
				return []keyring.Key{key(fmt.Sprint(node, n), keyring.Active)}, nil
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
	keys := must[[]keyring.Key](t)(s.store.SigningKeys(t.Context()))
	if len(keys) != 1 || made.Load() != 1 {
		t.Errorf("there are %d keys of %d plans", len(keys), made.Load())
	}
}

// testTwoNodesLog appends on two nodes at once while others read. A reader that continues
// from the last sequence seen must get every entry once, in order, and each writer must
// find its own entry under the sequence that was returned to it.
func testTwoNodesLog(t *testing.T, s *Suite) {
	const batches = 15
	var mu sync.Mutex
	told := map[revocation.Seq]string{}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		store := s.open()
		readers.Go(func() {
			if err := follow(t, store, stop); err != nil {
				t.Error(err)
			}
		})
	}
	s.each(func(node, n int, store contract.Store) {
		for i := range batches {
			id := fmt.Sprint(node, "/", n, "/", i)
			var seq revocation.Seq
			err := patiently(func() (err error) {
				seq, err = store.Commit(t.Context(), op.Batch{Log: []revocation.Entry{entry(revocation.Token, "first"), entry(revocation.Token, id)}})
				return err
			})
			if err != nil {
				t.Error(err)
				return
			}
			if p, err := store.Entries(t.Context(), seq-1, 1); err != nil || len(p.Entries) != 1 || p.Entries[0].ID != id {
				t.Errorf("the acknowledged entry %d isn't there: %+v, %v", seq, p, err)
			}
			mu.Lock()
			told[seq] = id
			mu.Unlock()
		}
	})
	close(stop)
	readers.Wait()
	for _, e := range s.page(t, 0, 10_000).Entries {
		if e.Seq%2 == 0 && told[e.Seq] != e.ID {
			t.Errorf("entry %d is %s, but its writer got it for %q", e.Seq, e.ID, told[e.Seq])
		}
	}
	if want := 2 * 4 * batches; len(told) != want {
		t.Errorf("%d sequences were returned, want %d", len(told), want)
	}
}

// follow reads the log as a node does, until it has all of it after stop.
func follow(t *testing.T, store contract.Store, stop <-chan struct{}) error {
	var last revocation.Seq
	for {
		over := false
		select {
		case <-stop:
			over = true
		default:
		}
		page, err := store.Entries(t.Context(), last, 7)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			if e.Seq != last+1 {
				return fmt.Errorf("entry %d follows %d", e.Seq, last)
			}
			last = e.Seq
		}
		if page.Head < last {
			return errors.New("the head is behind the entries")
		}
		if over && last == page.Head {
			return nil
		}
	}
}
