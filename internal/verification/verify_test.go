package verification_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

var operator = caller.Operator()

// TestPasswordBecomesATokenThatIsRevoked is the main job in one story.
func TestPasswordBecomesATokenThatIsRevoked(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	f.User(t, "ada", "correct horse", nodetest.May("access", "/collections/4"))
	ctx := t.Context()

	c := f.Login(t, "ada", "correct horse", 4)
	four := int64(4)
	issued, err := f.Issue(ctx, c, &issuance.Request{Kind: token.KindAccess, Principal: c.Principal, Collection: &four})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Verify(ctx, issued.Value.Reveal(), verification.Requirements{Collection: &four})
	if err != nil {
		t.Fatal(err)
	}
	if got.Username != "ada" || *got.Collection != 4 {
		t.Errorf("token speaks for %q in %d", got.Username, *got.Collection)
	}

	r, err := f.Revoke(ctx, c, revoking.Revocation{Token: issued.Value.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Revoked || r.Nodes == nil || r.Nodes.Confirmed != 1 {
		t.Errorf("receipt: %+v %+v", r, r.Nodes)
	}
	if _, err := f.Verify(ctx, issued.Value.Reveal(), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) || fault.Message(err) != "revoked" {
		t.Errorf("a revoked token: %v", err)
	}
}

// A revocation is judged from memory: under a lease, a JWT and all that it was made
// from cost the store no question, whether they are revoked or not.
func TestRevocationIsJudgedWithoutAskingTheStore(t *testing.T) {
	t.Parallel()
	g, store := nodetest.Hook()
	f := nodetest.New(t, nodetest.Options{Store: store})
	ada := f.Person(t, "ada")
	good, bad := f.MadeAccess(t, ada), f.MadeAccess(t, ada)
	parent := f.APIToken(t, ada, credentials.NewCredential{})
	child := f.MadeAccess(t, f.ByBearer(t, parent))
	for _, raw := range []string{bad.Value.Reveal(), parent.Value.Reveal()} {
		nodetest.Must(t, nodetest.Second(f.Revoke(t.Context(), ada, revoking.Revocation{Token: raw})))
	}
	g.Fail(errors.New("connection refused"))
	f.WantAlive(t, "a good token", good)
	f.WantDead(t, "a revoked token", bad)
	f.WantDead(t, "the child of a revoked token", child)
	if gone, err := f.Denylisted(t.Context(), bad.Value.Reveal()); err != nil || !gone {
		t.Errorf("the denylist: %v, %v", gone, err)
	}
}

// What was decided about a token a moment ago is no answer to what is asked now.
func TestATokenIsJudgedEachTime(t *testing.T) {
	t.Parallel()
	four, five := int64(4), int64(5)
	kinds := map[string]func(*testing.T, *nodetest.Fixture, *caller.Caller) *issuance.Issued{
		"access token": func(t *testing.T, f *nodetest.Fixture, c *caller.Caller) *issuance.Issued {
			return f.Made(t, c, issuance.Request{Kind: token.KindAccess, Collection: &four, Scope: []string{"read"}})
		},
		"API token": func(t *testing.T, f *nodetest.Fixture, c *caller.Caller) *issuance.Issued {
			return f.APIToken(t, c, credentials.NewCredential{Collection: &four, Scope: []string{"read"}, Lifetime: 1800})
		},
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, f *nodetest.Fixture, ada *caller.Caller, issued *issuance.Issued)
		demand verification.Requirements
		kind   fault.Kind
		reason string
	}{
		"another audience":   {demand: verification.Requirements{Audience: "https://other.example.org"}, kind: fault.InvalidToken, reason: "wrong audience"},
		"more scope":         {demand: verification.Requirements{Scope: []string{"read", "write"}}, kind: fault.InsufficientScope, reason: "write"},
		"another collection": {demand: verification.Requirements{Collection: &five}, kind: fault.InsufficientScope, reason: "collection"},
		"a permission":       {demand: verification.Requirements{Action: "delete", Path: "/x"}, kind: fault.InsufficientScope, reason: "/x"},
		"another kind":       {demand: verification.Requirements{Kinds: []token.Kind{token.KindSession}}, kind: fault.InvalidToken, reason: "wrong type"},
		"its end": {
			change: func(_ *testing.T, f *nodetest.Fixture, _ *caller.Caller, _ *issuance.Issued) {
				f.Advance(30 * time.Minute)
			},
			kind: fault.InvalidToken, reason: "expired",
		},
		"revoked": {
			change: func(t *testing.T, f *nodetest.Fixture, ada *caller.Caller, issued *issuance.Issued) {
				nodetest.Must(t, nodetest.Second(f.Revoke(t.Context(), ada, revoking.Revocation{Token: issued.Value.Reveal()})))
			},
			kind: fault.InvalidToken, reason: "revoked",
		},
		"all revoked": {
			change: func(t *testing.T, f *nodetest.Fixture, _ *caller.Caller, _ *issuance.Issued) {
				f.RevokeAllOfUser(t, "ada")
			},
			kind: fault.InvalidToken, reason: "revoked",
		},
		"access lost": {
			change: func(t *testing.T, f *nodetest.Fixture, _ *caller.Caller, _ *issuance.Issued) {
				_, _, err := f.RemoveAccess(t.Context(), operator, "ada", "/collections/4")
				nodetest.Must(t, err)
			},
			kind: fault.InsufficientScope, reason: "no access to the collection",
		},
		"the collection removed": {
			change: func(t *testing.T, f *nodetest.Fixture, _ *caller.Caller, _ *issuance.Issued) {
				nodetest.Must(t, nodetest.Second(f.RemoveCollection(t.Context(), operator, 4)))
			},
			kind: fault.InsufficientScope, reason: "no access to the collection",
		},
	} {
		for kind, issue := range kinds {
			t.Run(name+" of an "+kind, func(t *testing.T) {
				t.Parallel()
				f := nodetest.New(t, nodetest.Options{})
				f.Freeze()
				f.Collection(t, 4, "Fish")
				f.Collection(t, 5, "Birds")
				ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"))
				issued := issue(t, f, ada)
				raw := issued.Value.Reveal()
				for range 5 {
					nodetest.Must(t, nodetest.Second(f.Verify(t.Context(), raw, verification.Requirements{Scope: []string{"read"}, Collection: &four})))
				}
				if c.change != nil {
					c.change(t, f, ada, issued)
				}
				for range 3 {
					_, err := f.Verify(t.Context(), raw, c.demand)
					nodetest.WantFault(t, "the token, once more", err, c.kind, c.reason)
				}
			})
		}
	}
}

// TestVerifyingWhileEverythingChanges has many verify at once while tokens are
// revoked and bindings come and go. After an acknowledgement nobody gets a yes.
func TestVerifyingWhileEverythingChanges(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Staleness = 500 * time.Millisecond }})
	f.Collection(t, 4, "Fish")
	four := int64(4)
	ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"))
	lasting := f.MadeAccess(t, ada)
	const generations, readers = 12, 8
	var current atomic.Pointer[issuance.Issued]
	var stop atomic.Bool
	var dead sync.Map // by value: acknowledged as revoked
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for !stop.Load() {
				f.WantAlive(t, "the lasting token", lasting)
				issued := current.Load()
				if issued == nil {
					continue
				}
				_, gone := dead.Load(issued.Value.Reveal()) // before the question
				_, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{})
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
			_, err := f.Verify(t.Context(), lasting.Value.Reveal(), verification.Requirements{Collection: &four})
			if after := bound.Load(); before == after && before%4 == 0 && err != nil {
				t.Errorf("with access: %v", err)
			} else if before == after && before%4 == 2 && !fault.Is(err, fault.InsufficientScope) {
				t.Errorf("without access: %v", err)
			}
		}
	})
	for i := range generations {
		issued := f.MadeAccess(t, ada)
		if i%2 == 1 {
			issued = f.APIToken(t, ada, credentials.NewCredential{Name: fmt.Sprint("token ", i)})
		}
		current.Store(issued)
		f.WantAlive(t, "a new token", issued)
		bound.Add(1)
		toggleAccess(t, f, ada, i%2 == 1)
		bound.Add(1)
		nodetest.Must(t, nodetest.Second(f.Revoke(t.Context(), ada, revoking.Revocation{Token: issued.Value.Reveal()})))
		dead.Store(issued.Value.Reveal(), true)
	}
	stop.Store(true)
	all.Wait()
}

func toggleAccess(t *testing.T, f *nodetest.Fixture, c *caller.Caller, give bool) {
	t.Helper()
	if !give {
		_, _, err := f.RemoveAccess(t.Context(), operator, "ada", "/collections/4")
		nodetest.Must(t, err)
		return
	}
	b := nodetest.May("access", "/collections/4")
	b.ID, b.User = uuid.NewString(), c.ID()
	nodetest.Must(t, nodetest.Second(f.CreateBinding(t.Context(), operator, b)))
}

// Who has stolen a key can date a token after the key's own retirement, and present
// it before.
func TestRetiredKeySignsNothingHoweverItIsDated(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	good := f.MadeAccess(t, ada)
	head := f.Ledger.Applied()
	now, ahead := f.Forge(t, ada.ID(), head), f.Forge(t, ada.ID(), head+3)
	f.WantAlive(t, "a forged token", now)
	_, err := f.Judge(t, ahead)
	nodetest.WantFault(t, "one beyond the log", err, fault.InvalidToken, "malformed or unknown token")

	key, err := f.Ring.Signing()
	nodetest.Must(t, err)
	_, err = f.RetireKey(t.Context(), operator, key.KID)
	nodetest.Must(t, err)
	for range 5 { // the log goes on past what was forged
		nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), operator, uuid.NewString())))
	}
	for name, issued := range map[string]*issuance.Issued{"forged": now, "forged ahead": ahead, "good": good} {
		f.WantDead(t, name, issued)
		_, err := f.Revoke(t.Context(), operator, revoking.Revocation{Token: issued.Value.Reveal()})
		nodetest.WantFault(t, "revoking what a stolen key signed", err, fault.InvalidToken, "revoked")
	}
	f.WantAlive(t, "the session", f.SessionOf(t, "ada"))
	f.WantAlive(t, "a token of the next key", f.MadeAccess(t, ada))
}

func TestSequenceBeyondTheLogIsMalformed(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	head := f.Ledger.Applied()
	f.WantAlive(t, "the head's", f.Forge(t, ada.ID(), head))
	ahead := f.Forge(t, ada.ID(), head+1)
	for _, issued := range []*issuance.Issued{ahead, f.Forge(t, ada.ID(), 1<<53)} {
		for range 2 {
			_, err := f.Judge(t, issued)
			nodetest.WantFault(t, "beyond the head", err, fault.InvalidToken, "malformed or unknown token")
		}
		_, active, err := f.Introspect(t.Context(), f.NewClient(t, identity.NewClient{ID: uuid.NewString()[:8], Secret: nodetest.ClientSecret}), issued.Value.Reveal())
		if active || err != nil {
			t.Errorf("introspected: %t, %v", active, err)
		}
	}
	nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), operator, uuid.NewString())))
	f.WantAlive(t, "when the log is there", ahead)
}
