package authority_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// TestRememberedTokenIsJudgedEachTime: what was said of a token a moment ago is no
// answer to what is asked now.
func TestRememberedTokenIsJudgedEachTime(t *testing.T) {
	t.Parallel()
	four, five := int64(4), int64(5)
	kinds := map[string]func(*testing.T, *authoritytest.Fixture, *authority.Caller) *authority.Issued{
		"access token": func(t *testing.T, f *authoritytest.Fixture, c *authority.Caller) *authority.Issued {
			return made(t, f, c, authority.Request{Kind: token.KindAccess, Collection: &four, Scope: []string{"read"}})
		},
		"API token": func(t *testing.T, f *authoritytest.Fixture, c *authority.Caller) *authority.Issued {
			return apiToken(t, f, c, authority.NewCredential{Collection: &four, Scope: []string{"read"}, Lifetime: 1800})
		},
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, f *authoritytest.Fixture, ada *authority.Caller, issued *authority.Issued)
		demand authority.Demand
		kind   fault.Kind
		reason string
	}{
		"another audience":   {demand: authority.Demand{Audience: "https://other.example.org"}, kind: fault.InvalidToken, reason: "wrong audience"},
		"more scope":         {demand: authority.Demand{Scope: []string{"read", "write"}}, kind: fault.InsufficientScope, reason: "write"},
		"another collection": {demand: authority.Demand{Collection: &five}, kind: fault.InsufficientScope, reason: "collection"},
		"a permission":       {demand: authority.Demand{Action: "delete", Path: "/x"}, kind: fault.InsufficientScope, reason: "/x"},
		"another kind":       {demand: authority.Demand{Kinds: []token.Kind{token.KindSession}}, kind: fault.InvalidToken, reason: "wrong type"},
		"its end": {
			change: func(_ *testing.T, f *authoritytest.Fixture, _ *authority.Caller, _ *authority.Issued) {
				f.Advance(30 * time.Minute)
			},
			kind: fault.InvalidToken, reason: "expired",
		},
		"revoked": {
			change: func(t *testing.T, f *authoritytest.Fixture, ada *authority.Caller, issued *authority.Issued) {
				must(t, second(f.Revoke(t.Context(), ada, authority.Revocation{Token: issued.Value.Reveal()})))
			},
			kind: fault.InvalidToken, reason: "revoked",
		},
		"all revoked": {
			change: func(t *testing.T, f *authoritytest.Fixture, _ *authority.Caller, _ *authority.Issued) {
				revokeAll(t, f, "ada")
			},
			kind: fault.InvalidToken, reason: "revoked",
		},
		"access lost": {
			change: func(t *testing.T, f *authoritytest.Fixture, _ *authority.Caller, _ *authority.Issued) {
				_, _, err := f.RemoveAccess(t.Context(), operator, "ada", "/collections/4")
				must(t, err)
			},
			kind: fault.InsufficientScope, reason: "no access to the collection",
		},
		"the collection removed": {
			change: func(t *testing.T, f *authoritytest.Fixture, _ *authority.Caller, _ *authority.Issued) {
				must(t, second(f.RemoveCollection(t.Context(), operator, 4)))
			},
			kind: fault.InsufficientScope, reason: "no access to the collection",
		},
	} {
		for kind, issue := range kinds {
			t.Run(name+" of an "+kind, func(t *testing.T) {
				t.Parallel()
				f := authoritytest.New(t, authoritytest.Options{})
				f.Freeze()
				f.Collection(t, 4, "Fish")
				f.Collection(t, 5, "Birds")
				ada := person(t, f, "ada", authoritytest.May("access", "/collections/4"))
				issued := issue(t, f, ada)
				raw := issued.Value.Reveal()
				for range 5 {
					must(t, second(f.Verify(t.Context(), raw, authority.Demand{Scope: []string{"read"}, Collection: &four})))
				}
				if c.change != nil {
					c.change(t, f, ada, issued)
				}
				for range 3 {
					_, err := f.Verify(t.Context(), raw, c.demand)
					wantFault(t, "the remembered token", err, c.kind, c.reason)
				}
			})
		}
	}
}

// TestForgeriesOfARememberedTokenAreNone: the value as a whole is what is remembered.
func TestForgeriesOfARememberedTokenAreNone(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ada := person(t, f, "ada")
	for kind, issued := range map[string]*authority.Issued{"JWT": accessToken(t, f, ada), "API token": apiToken(t, f, ada, authority.NewCredential{})} {
		raw := issued.Value.Reveal()
		wantAlive(t, f, kind, issued)
		held := f.TokenCacheBytes()
		for i := range raw {
			forged := []byte(raw)
			forged[i] ^= 1
			for range 2 {
				if _, err := f.Verify(t.Context(), string(forged), authority.Demand{}); !fault.Is(err, fault.InvalidToken) {
					t.Fatalf("%s, changed at %d: %v", kind, i, err)
				}
			}
		}
		for _, more := range []string{raw + "A", "A" + raw, raw[:len(raw)-1], raw + "=", strings.ToUpper(raw), raw + " "} {
			if _, err := f.Verify(t.Context(), more, authority.Demand{}); !fault.Is(err, fault.InvalidToken) {
				t.Fatalf("%s as %q: %v", kind, more, err)
			}
		}
		if now := f.TokenCacheBytes(); now != held {
			t.Errorf("forgeries of a %s took %d bytes of the cache", kind, now-held)
		}
		wantAlive(t, f, kind, issued)
	}
}

// TestFirstSightOfAnAPITokenIsOneQuery: and every further one is none.
func TestFirstSightOfAnAPITokenIsOneQuery(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := authoritytest.New(t, authoritytest.Options{Dir: dir})
	issued := apiToken(t, f, person(t, f, "ada"), authority.NewCredential{})
	other := authoritytest.New(t, authoritytest.Options{
		Dir: dir, Still: true, Policy: func(p *authority.Policy) { p.Staleness = time.Hour },
	})
	for i, want := range []int64{1, 0, 0} {
		before := other.Store.Queries()
		wantAlive(t, other, "the token", issued)
		if asked := other.Store.Queries() - before; asked != want {
			t.Errorf("sight %d costs %d queries, want %d", i+1, asked, want)
		}
	}
}

// TestCacheTakesTheMemoryThatItSays holds the estimate against the heap.
func TestCacheTakesTheMemoryThatItSays(t *testing.T) {
	f := authoritytest.New(t, authoritytest.Options{})
	ada := person(t, f, "ada")
	raws := make([]*authority.Issued, 4000)
	for i := range raws {
		raws[i] = forge(t, f, ada.Subject(), f.Follower.Applied())
	}
	before := heap()
	for i, issued := range raws {
		// As net/http has it: a part of a string that nothing else holds.
		if _, err := f.Verify(t.Context(), string([]byte(issued.Value.Reveal())), authority.Demand{}); err != nil {
			t.Fatal(i, err)
		}
	}
	taken, said := float64(heap()-before), float64(f.TokenCacheBytes())
	t.Logf("%.0f bytes a token, estimated as %.0f", taken/float64(len(raws)), said/float64(len(raws)))
	if taken > 1.1*said || taken < 0.4*said {
		t.Errorf("the cache takes %.0f bytes and says %.0f", taken, said)
	}
	runtime.KeepAlive(raws)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestVerifyingWhileEverythingChanges has many verify at once while tokens are
// revoked and bindings come and go. After an acknowledgement nobody gets a yes.
func TestVerifyingWhileEverythingChanges(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{Policy: func(p *authority.Policy) { p.Staleness = 500 * time.Millisecond }})
	f.Collection(t, 4, "Fish")
	four := int64(4)
	ada := person(t, f, "ada", authoritytest.May("access", "/collections/4"))
	lasting := accessToken(t, f, ada)
	const generations, readers = 12, 8
	var current atomic.Pointer[authority.Issued]
	var stop atomic.Bool
	var dead sync.Map // by value: acknowledged as revoked
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for !stop.Load() {
				wantAlive(t, f, "the lasting token", lasting)
				issued := current.Load()
				if issued == nil {
					continue
				}
				_, gone := dead.Load(issued.Value.Reveal()) // before the question
				_, err := f.Verify(t.Context(), issued.Value.Reveal(), authority.Demand{})
				switch {
				case gone && !fault.Is(err, fault.InvalidToken):
					t.Errorf("a revoked token: %v", err)
				case err != nil && !fault.Is(err, fault.InvalidToken):
					t.Errorf("a token: %v", err)
				}
			}
		})
	}
	var bound atomic.Int64 // even: with access, acknowledged; odd: changing
	all.Go(func() {
		for !stop.Load() {
			before := bound.Load()
			_, err := f.Verify(t.Context(), lasting.Value.Reveal(), authority.Demand{Collection: &four})
			if after := bound.Load(); before == after && before%4 == 0 && err != nil {
				t.Errorf("with access: %v", err)
			} else if before == after && before%4 == 2 && !fault.Is(err, fault.InsufficientScope) {
				t.Errorf("without access: %v", err)
			}
		}
	})
	for i := range generations {
		issued := accessToken(t, f, ada)
		if i%2 == 1 {
			issued = apiToken(t, f, ada, authority.NewCredential{Name: fmt.Sprint("token ", i)})
		}
		current.Store(issued)
		wantAlive(t, f, "a new token", issued)
		bound.Add(1)
		toggleAccess(t, f, ada, i%2 == 1)
		bound.Add(1)
		must(t, second(f.Revoke(t.Context(), ada, authority.Revocation{Token: issued.Value.Reveal(), Wait: true})))
		dead.Store(issued.Value.Reveal(), true)
	}
	stop.Store(true)
	all.Wait()
}

func toggleAccess(t *testing.T, f *authoritytest.Fixture, c *authority.Caller, give bool) {
	t.Helper()
	if !give {
		_, _, err := f.RemoveAccess(t.Context(), operator, "ada", "/collections/4")
		must(t, err)
		return
	}
	b := authoritytest.May("access", "/collections/4")
	b.ID, b.User = uuid.NewString(), c.Subject()
	must(t, second(f.CreateBinding(t.Context(), operator, b)))
}
