package verification_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// A row that was read before a revocation and comes back after it says that the
// token lives. Neither this request nor any after it may rely on that.
func TestLookUpUnderWayDuringARevocationCantBringTheTokenBack(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(f *nodetest.Fixture, owner *caller.Caller, issued *issuance.Issued) error{
		"by value": func(f *nodetest.Fixture, owner *caller.Caller, issued *issuance.Issued) error {
			return nodetest.Second(f.Revoke(t.Context(), owner, revoking.Revocation{Token: issued.Value.Reveal()}))
		},
		"by id": func(f *nodetest.Fixture, owner *caller.Caller, issued *issuance.Issued) error {
			return nodetest.Second(f.RevokeID(t.Context(), owner, issued.ID))
		},
		"all of the user's": func(f *nodetest.Fixture, owner *caller.Caller, _ *issuance.Issued) error {
			return nodetest.Second(f.RevokeAll(t.Context(), owner, owner.ID()))
		},
		"the user removed": func(f *nodetest.Fixture, owner *caller.Caller, _ *issuance.Issued) error {
			return nodetest.Second(f.RemoveUser(t.Context(), operator, owner.ID()))
		},
		"the user disabled": func(f *nodetest.Fixture, owner *caller.Caller, _ *issuance.Issued) error {
			return nodetest.Second(f.UpdateUser(t.Context(), operator, owner.ID(), identity.UserPatch{Disabled: new(true)}))
		},
		"reported as leaked": func(f *nodetest.Fixture, _ *caller.Caller, issued *issuance.Issued) error {
			return f.Leaked(t.Context(), []string{issued.Value.Reveal()})
		},
		"regenerated": func(f *nodetest.Fixture, owner *caller.Caller, issued *issuance.Issued) error {
			return nodetest.Second(f.Regenerate(t.Context(), owner, issued.ID, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, store := nodetest.Hook()
			f := nodetest.New(t, nodetest.Options{Store: store})
			ada := f.Person(t, "ada")
			issued := f.APIToken(t, ada, credentials.NewCredential{})
			g.At(nodetest.TokenRead, func() { nodetest.Must(t, take(f, ada, issued)) })
			f.WantDead(t, "the look-up that was under way", issued)
			f.WantDead(t, "the next", issued)
			f.Advance(2 * time.Hour)
			f.WantDead(t, "later", issued)
		})
	}
}

func TestLookUpUnderWayDuringARegenerationCantMakeTheOldTokenLast(t *testing.T) {
	t.Parallel()
	g, store := nodetest.Hook()
	f := nodetest.New(t, nodetest.Options{Store: store})
	ada := f.Person(t, "ada")
	old := f.APIToken(t, ada, credentials.NewCredential{})
	g.At(nodetest.TokenRead, func() {
		nodetest.Must(t, nodetest.Second(f.Regenerate(t.Context(), ada, old.ID, 60)))
		f.Advance(61 * time.Second)
	})
	for _, when := range []string{"the look-up that was under way", "the next"} {
		_, err := f.Judge(t, old)
		nodetest.WantFault(t, when, err, fault.InvalidToken, "expired")
	}
}

// Genuine is for revoking: what has expired or been revoked is as genuine as before.
// What a revoked key signed, or another issuer, is not, for anybody could have.
func TestGenuineIsWhatWeIssuedWhateverBecameOfIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	api := s.answer(0)
	api.Ended = "regenerated"
	s.opaque = func(*verification.Token) (*verification.Token, error) { return api, nil }
	expired := s.jwt(t, func(c *token.Claims) { c.Expiry = s.now.Add(time.Minute) })
	killed := s.jwt(t, func(c *token.Claims) { c.ID = "killed" })
	elsewhere := s.jwt(t, func(c *token.Claims) { c.Audience = []string{"https://elsewhere.example"} })
	s.says(revocation.Token, "killed")
	s.says(revocation.Subject, "ada")
	s.now = s.now.Add(10 * time.Minute)
	for name, raw := range map[string]string{"expired": expired, "revoked": killed, "for another audience": elsewhere, "an ended API token": apiToken} {
		got, err := s.Genuine(t.Context(), raw)
		if err != nil || got.Subject != "ada" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, raw := range map[string]string{"junk": "junk", "a forgery": killed[:len(killed)-4] + "AAAA", "another issuer's": s.jwt(t, func(c *token.Claims) { c.Issuer = "https://x.example" })} {
		if _, err := s.Genuine(t.Context(), raw); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if fresh, err := s.Genuine(t.Context(), s.jwt(t)); err != nil || s.Void(fresh) {
		t.Errorf("a good token: %v", err)
	}
	s.says(revocation.SigningKey, "k")
	for name, raw := range map[string]string{"seen before": killed, "new": s.jwt(t)} {
		_, err := s.Genuine(t.Context(), raw)
		nodetest.WantFault(t, "what a revoked key signed, "+name, err, fault.InvalidToken, "revoked")
	}
}

// A resource server that introspects judges the audience itself. What can't call an API
// is not live, and why is not said.
func TestInspectJudgesAllButTheAudience(t *testing.T) {
	t.Parallel()
	f := nodetest.NewFamily(t)
	revoked := f.MadeAccess(t, f.Owner)
	nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), operator, revoked.ID)))
	abroad := f.Claims(f.Owner.ID(), f.Ledger.Applied())
	abroad.Audience = []string{"https://elsewhere.example"}
	for name, c := range map[string]struct {
		issued *issuance.Issued
		live   bool
	}{
		"an access token":  {f.All["access"], true},
		"an API token":     {f.All["apitoken"], true},
		"a task token":     {f.All["key.task"], true},
		"another audience": {f.Sign(t, abroad), true},
		"an API key":       {f.All["key"], false},
		"a session":        {f.All["session"], false},
		"a refresh token":  {f.All["apitoken.refresh"], false},
		"a revoked token":  {revoked, false},
		"junk":             {&issuance.Issued{Value: "junk"}, false},
	} {
		got, live, err := f.Inspect(t.Context(), c.issued.Value.Reveal())
		if live != c.live || err != nil || (got != nil) != c.live {
			t.Errorf("%s: live %t, %+v, %v", name, live, got, err)
		}
	}
}

// Who redeems a token needs its facts also when it is refused: a second use of it is
// known by them.
func TestRedeemReturnsTheFactsBesideARefusal(t *testing.T) {
	t.Parallel()
	f := nodetest.NewFamily(t)
	asks := verification.Requirements{Kinds: []token.Kind{token.KindRefresh}, AnyAudience: true}
	f.Flush()
	for name, c := range map[string]struct {
		of    string
		check token.Check // 0: accepted
	}{
		"a refresh token": {"apitoken.refresh", 0},
		"a used one":      {"apitoken.used", token.CheckRevoked}, // as its row says
		"another kind":    {"apitoken", token.CheckType},
	} {
		got, err := f.Redeem(t.Context(), f.All[c.of].Value.Reveal(), asks)
		refusal, refused := verification.RefusalOf(err)
		if got == nil || got.ID != f.All[c.of].ID || refused != (c.check != 0) || refused && refusal.Check != c.check {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	got, err := f.Redeem(t.Context(), "junk", asks)
	if _, refused := verification.RefusalOf(err); got != nil || !refused {
		t.Errorf("junk: %+v, %v", got, err)
	}
}

// Facts are kept under the value as a whole.
func TestForgeriesOfAKeptTokenAreRefused(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	for kind, issued := range map[string]*issuance.Issued{"JWT": f.MadeAccess(t, ada), "API token": f.APIToken(t, ada, credentials.NewCredential{})} {
		raw := issued.Value.Reveal()
		f.WantAlive(t, kind, issued)
		held := f.CacheBytes()
		for i := range raw {
			forged := []byte(raw)
			forged[i] ^= 1
			for range 2 {
				if _, err := f.Verify(t.Context(), string(forged), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
					t.Fatalf("%s, changed at %d: %v", kind, i, err)
				}
			}
		}
		for _, more := range []string{raw + "A", "A" + raw, raw[:len(raw)-1], raw + "=", strings.ToUpper(raw), raw + " "} {
			if _, err := f.Verify(t.Context(), more, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
				t.Fatalf("%s as %q: %v", kind, more, err)
			}
		}
		if now := f.CacheBytes(); now != held {
			t.Errorf("forgeries of a %s took %d bytes of the cache", kind, now-held)
		}
		f.WantAlive(t, kind, issued)
	}
}

// The first use of an API token on a node costs one query, and each further one none.
func TestTheFirstUseOfAnAPITokenIsOneQuery(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir})
	issued := f.APIToken(t, f.Person(t, "ada"), credentials.NewCredential{})
	other := nodetest.New(t, nodetest.Options{
		Dir: dir, Still: true, Settings: func(s *node.Settings) { s.Staleness = time.Hour },
	})
	for i, want := range []int64{1, 0, 0} {
		before := other.Store.Queries()
		other.WantAlive(t, "the token", issued)
		if asked := other.Store.Queries() - before; asked != want {
			t.Errorf("use %d costs %d queries, want %d", i+1, asked, want)
		}
	}
}

// The estimate of what facts take is held against the heap.
func TestKeptFactsTakeTheMemoryThatIsReported(t *testing.T) {
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	raws := make([]*issuance.Issued, 4000)
	for i := range raws {
		raws[i] = f.Forge(t, ada.ID(), f.Ledger.Applied())
	}
	before := heap()
	for i, issued := range raws {
		// As net/http has it: a part of a string that nothing else holds.
		if _, err := f.Verify(t.Context(), string([]byte(issued.Value.Reveal())), verification.Requirements{}); err != nil {
			t.Fatal(i, err)
		}
	}
	taken, reported := float64(heap()-before), float64(f.CacheBytes())
	t.Logf("%.0f bytes a token, estimated as %.0f", taken/float64(len(raws)), reported/float64(len(raws)))
	if taken > 1.1*reported || taken < 0.4*reported {
		t.Errorf("the facts take %.0f bytes and %.0f are reported", taken, reported)
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
