package store_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/token"
)

// unfenced returns the DSNs of a primary that goes on, and of the standby that took its
// place after a store on the primary had made the schema.
func unfenced(t *testing.T) (former, promoted string) {
	t.Helper()
	p := clustertest.NewPair(t)
	former = p.DSN()
	s := storekit.Open(t, former, store.Options{})
	if _, err := s.Commit(t.Context(), kill("before")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), p.Promote()); err != nil {
		t.Fatal(err)
	}
	return former, p.DSN()
}

// What one server answered is confirmed on that server or not at all, and the list of
// nodes is that of the server that was asked for: a former primary still has both.
func TestWhatOneServerAnsweredIsNotConfirmedOnAnother(t *testing.T) {
	t.Parallel()
	former, promoted := unfenced(t)
	now, then := storekit.Open(t, promoted, store.Options{}), storekit.Open(t, former, store.Options{})
	page, err := then.Entries(t.Context(), 0, 10)
	if err != nil || page.Origin == "" {
		t.Fatalf("the former primary: %+v, %v", page, err)
	}
	n := revocation.Confirmation{Node: "n", Seq: page.Head, Lease: time.Second, Origin: page.Origin}
	for what, lease := range map[string]time.Duration{"a lease": time.Second, "that it leaves": 0} {
		n.Lease = lease
		if err := now.Confirm(t.Context(), n); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "more than one server") {
			t.Errorf("confirming %s elsewhere: %v", what, err)
		}
	}
	if _, err := now.Nodes(t.Context(), page.Origin); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "more than one server") {
		t.Errorf("listing elsewhere: %v", err)
	}
	if list, err := now.Nodes(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("it was confirmed elsewhere: %+v, %v", list, err)
	}
	page, err = now.Entries(t.Context(), 0, 10)
	if err != nil || page.Origin == n.Origin {
		t.Fatalf("the new primary: %+v, %v", page, err)
	}
	n.Lease, n.Origin = time.Second, page.Origin
	if err := now.Confirm(t.Context(), n); err != nil {
		t.Errorf("confirming where it was answered: %v", err)
	}
	if list, err := now.Nodes(t.Context(), page.Origin); err != nil || len(list) != 1 || list[0].Node != "n" {
		t.Errorf("listing where it was answered: %+v, %v", list, err)
	}
}

// What was decided from one server is committed on that server or not at all, by itself
// or in a group: batches of one group may have been decided from different servers.
func TestWhatWasDecidedFromOneServerIsNotCommittedOnAnother(t *testing.T) {
	t.Parallel()
	former, promoted := unfenced(t)
	now, then := storekit.Open(t, promoted, store.Options{}), storekit.Open(t, former, store.Options{})
	origins := make([]string, 2)
	for i, s := range []*store.Store{now, then} {
		page, err := s.Entries(t.Context(), 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		origins[i] = page.Origin
	}
	changed := func(n int) op.Batch {
		return op.Batch{Ops: []op.Op{op.CreateRole{Role: access.Role{Name: fmt.Sprintf("role%d", n)}}}}
	}
	var all sync.WaitGroup
	for what, batch := range map[string]func(n int) op.Batch{
		"a revocation": func(n int) op.Batch { return revoked(fmt.Sprint(n)) }, "a change": changed,
		"an audit event": func(n int) op.Batch { return issued(int64(n)) },
		"of its own": func(int) op.Batch {
			return op.Batch{Ops: []op.Op{op.ChangeKeys{Plan: func([]keyring.Key) ([]keyring.Key, error) { return nil, nil }}}}
		},
	} {
		for n := range 20 {
			all.Go(func() {
				b := batch(n)
				b.Origin = origins[n%2]
				_, err := now.Commit(t.Context(), b)
				if elsewhere := n%2 == 1; elsewhere != fault.Is(err, fault.Unavailable) || !elsewhere && err != nil {
					t.Errorf("%s, decided elsewhere: %t: %v", what, elsewhere, err)
				}
			})
		}
	}
	all.Wait()
	if got := head(t, now); got != store.Raise+1+10 {
		t.Errorf("the log ends at %d, raised by %d", got, store.Raise)
	}
}

// A connection to the new primary isn't used before its log was raised, although what
// raises it reaches the old one, which needs nothing of the sort.
func TestALogIsRaisedOnTheServerThatIsUsed(t *testing.T) {
	t.Parallel()
	former, promoted := unfenced(t)
	p, through := newProxy(t, former)
	s := storekit.Open(t, through, store.Options{})
	host := func(dsn string) string {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return u.Host
	}
	p.redirect(host(promoted), host(former))
	for range 5 {
		page, err := s.Entries(t.Context(), 0, 1)
		if err == nil || !strings.Contains(err.Error(), "leads to another server as well") {
			t.Errorf("read from a log that wasn't raised: %+v, %v", page, err)
		}
	}
	p.redirect(host(promoted), "")
	eventually(t, func() error {
		page, err := s.Entries(t.Context(), 0, 1)
		if err == nil && page.Head <= store.Raise {
			t.Fatalf("the log wasn't raised: %+v", page)
		}
		return err
	})
}

// A store with connections to a former primary reads and writes on the new one as soon as
// the log of that is followed, whatever is asked.
func TestEverythingIsReadAndWrittenWhereTheLogIsFollowed(t *testing.T) {
	t.Parallel()
	former, promoted := unfenced(t)
	p, through := newProxy(t, former)
	s := storekit.Open(t, through, store.Options{Postgres: postgres.Limits{Connections: 4}})
	origin := ""
	s.Follow(func() string { return origin })
	for range 3 {
		if keys, err := s.SigningKeys(t.Context()); err != nil || len(keys) != 0 {
			t.Fatalf("on the former primary: %+v, %v", keys, err)
		}
	}

	now := storekit.Open(t, promoted, store.Options{})
	mustCommit(t, now, op.ChangeKeys{Plan: func([]keyring.Key) ([]keyring.Key, error) {
		return []keyring.Key{{KID: "k", Algorithm: token.EdDSA, State: keyring.Active, CreatedAt: at, ActiveAt: at, GoneAt: at, Sealed: []byte("x")}}, nil
	}})
	if _, err := now.Commit(t.Context(), revoked("here")); err != nil {
		t.Fatal(err)
	}
	page, err := now.Entries(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(promoted)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.target = u.Host // for new connections: the others stay
	p.mu.Unlock()
	origin = page.Origin
	if keys, err := s.SigningKeys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("keys of the former primary: %+v, %v", keys, err)
	}
	if e, found, err := s.LogEntry(t.Context(), revocation.Token, "here"); err != nil || !found {
		t.Errorf("the log of the former primary: %+v, %v", e, err)
	}
	if head, err := s.Settle(t.Context()); err != nil || head < store.Raise {
		t.Errorf("settled on the former primary: %d, %v", head, err)
	}
	if _, err := s.Commit(t.Context(), revoked("through the proxy")); err != nil {
		t.Fatal(err)
	}
	if _, found, err := now.LogEntry(t.Context(), revocation.Token, "through the proxy"); err != nil || !found {
		t.Errorf("written elsewhere: %t, %v", found, err)
	}
	origin = "nowhere"
	if _, err := s.SigningKeys(t.Context()); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "more than one server") {
		t.Errorf("read from a server that isn't followed: %v", err)
	}
	if page, err := s.Entries(t.Context(), 0, 1); err != nil || page.Origin == "" {
		t.Errorf("nobody can find out which server to follow: %+v, %v", page, err)
	}
}
