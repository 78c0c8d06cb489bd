package verify_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
	"github.com/bearerd/bearerd/verify/verifytest"
)

func TestAnAPITokenIsAskedAboutOnce(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	raw := issuer.APIToken(verifytest.Claims{Collection: 4})
	for range 100 {
		wants(t, judge(v, raw), yes)
	}
	if n := issuer.Introspections(); n != 1 {
		t.Errorf("%d questions", n)
	}
	// What the log says of others costs none.
	issuer.RevokeAll("bob")
	issuer.SetAccess("bob", 4, false)
	wants(t, judge(v, raw), yes)
	if n := issuer.Introspections(); n != 1 {
		t.Errorf("%d questions after news of others", n)
	}
	// What it says of its user's access costs one.
	issuer.SetAccess("ada", 5, true)
	for range 10 {
		wants(t, judge(v, raw), yes)
	}
	if n := issuer.Introspections(); n != 2 {
		t.Errorf("%d questions after news of its user", n)
	}
	issuer.Revoke(raw)
	wants(t, judge(v, raw), revoked)
	if n := issuer.Introspections(); n != 2 {
		t.Errorf("%d questions after its revocation", n)
	}
}

// A JWT for a collection is decided again when the log says so, once, and whatever
// was decided since then needs no question.
func TestAccessIsDecidedAgainWhenTheLogSaysSo(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	raw, free := issuer.Token(verifytest.Claims{Collection: 4}), issuer.Token(verifytest.Claims{})
	wants(t, judge(v, raw), yes)
	if n := issuer.Introspections(); n != 0 {
		t.Errorf("%d questions about a JWT", n)
	}
	issuer.SetAccess("ada", 4, true)
	for range 10 {
		wants(t, judge(v, raw), yes)
		wants(t, judge(v, free), yes)
		wants(t, judge(v, issuer.Token(verifytest.Claims{Collection: 4})), yes)
	}
	if n := issuer.Introspections(); n != 1 {
		t.Errorf("%d questions, want 1", n)
	}
	issuer.SetAccess("ada", 4, false)
	wants(t, judge(v, raw), noAccess)
	wants(t, judge(v, free), yes)
	// What is remembered of a refusal is of before.
	issuer.SetAccess("ada", 4, true)
	wants(t, judge(v, raw), yes)
}

// An entry about any role or group may concern every token for a collection.
func TestRolesAndGroupsAndCollectionsMakeItAskAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, id string
		asks     bool
	}{
		{"role", "reader", true},
		{"group", "staff", true},
		{"access", "ada", true},
		{"collection", "4", true},
		{"access", "bob", false},
		{"collection", "42", false},
		{"subject", "bob", false},
		{"key", "next", false},
	} {
		s := newScript(t)
		v, stream := s.begin(t, newBootClock(), 0)
		four := int64(4)
		raw := s.sign(t, func(c *token.Claims) { c.Collection = &four })
		wants(t, judge(v, raw), yes)
		s.on("/introspect", answers(200, `{"active":false}`))
		stream.entry(1, c.what, c.id)
		applied(t, v, 1)
		want := yes
		if c.asks {
			want = noAccess
		}
		wants(t, judge(v, raw), want)
		wants(t, judge(v, s.sign(t)), yes) // for no collection
		later := s.sign(t, func(c *token.Claims) { c.Collection, c.Seq = &four, 1 })
		wants(t, judge(v, later), yes) // decided afterwards
	}
}

// opaque makes a well-formed API token that nobody issued.
func opaque(t testing.TB) string {
	t.Helper()
	forms, err := token.NewForms(token.PrefixAPIToken)
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := forms.New(token.KindAPIToken)
	if err != nil {
		t.Fatal(err)
	}
	return raw.Reveal()
}

func (s *script) active(logSeq int64) string {
	return fmt.Sprintf(`{"active":true,"jti":%q,"sub":"ada","client_id":"ci","iss":%q,"aud":%q,"iat":1,"token_kind":"api-token","seq":0,"log_seq":%d}`,
		"the-id", s.name(), audience, logSeq)
}

// A look-up that was under way during a revocation must not bring the token back.
func TestAnAnswerOlderThanARevocationBringsNothingBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ what, id, want string }{
		{"token", "the-id", revoked}, {"subject", "ada", revoked}, {"client", "ci", revoked},
	} {
		s := newScript(t)
		v, stream := s.begin(t, newBootClock(), 0)
		raw := opaque(t)
		asked, release := make(chan struct{}), make(chan struct{})
		s.on("/introspect", func(w http.ResponseWriter, _ *http.Request) {
			close(asked)
			<-release
			_, _ = w.Write([]byte(s.active(0)))
		})
		verdict := make(chan error)
		go func() { verdict <- judge(v, raw) }()
		<-asked
		stream.entry(1, c.what, c.id)
		applied(t, v, 1)
		close(release)
		wants(t, <-verdict, c.want)
		wants(t, judge(v, raw), c.want)
	}
}

// An answer of a node that hasn't heard yet what is known here is no answer to it.
func TestAnAnswerOfANodeThatIsBehindIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, stream := s.begin(t, newBootClock(), 0)
	raw := opaque(t)
	s.on("/introspect", answers(200, s.active(0)))
	wants(t, judge(v, raw), yes)
	stream.entry(1, "access", "ada")
	applied(t, v, 1)
	behind := 2
	var mu sync.Mutex
	s.on("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if behind--; behind >= 0 {
			_, _ = w.Write([]byte(s.active(0)))
			return
		}
		_, _ = w.Write([]byte(s.active(1)))
	})
	wants(t, judge(v, raw), yes)
	mu.Lock()
	defer mu.Unlock()
	if behind >= 0 {
		t.Error("the answer of the node that is behind was taken")
	}
}

func TestANodeThatStaysBehindGivesNoYes(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, stream := s.begin(t, newBootClock(), 0)
	raw := opaque(t)
	stream.entry(1, "access", "ada")
	applied(t, v, 1)
	s.on("/introspect", answers(200, s.active(0)))
	if e := errorOf(t, judge(v, raw)); e.Status != http.StatusServiceUnavailable {
		t.Errorf("%v", e)
	}
}

// When the log had to be read again, something may have been missed.
func TestWhatWasKnownBeforeAGapIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, stream := s.begin(t, newBootClock(), 5)
	raw := opaque(t)
	s.on("/introspect", answers(200, s.active(5)))
	wants(t, judge(v, raw), yes)
	s.on("/introspect", answers(200, `{"active":false}`))
	wants(t, judge(v, raw), yes)
	stream.entry(9, "token", "x")
	stream.gone(t)
	s.take(t).beat(9)
	applied(t, v, 9)
	if e := errorOf(t, judge(v, raw)); e.Status != http.StatusUnauthorized || e.Code != verify.CodeInvalidToken {
		t.Errorf("%v", e)
	}
}

func TestWhatTheIssuerSaidGrowsOld(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	var passed atomic.Int64 // on the wall clock too
	v, stream := s.begin(t, b, 0, func(c *verify.Config) {
		c.MaxStaleness = time.Hour
		c.Now = func() time.Time { return time.Unix(1_800_000_000, passed.Load()) }
	})
	raw := opaque(t)
	s.on("/introspect", answers(200, s.active(0)))
	wants(t, judge(v, raw), yes)
	b.skip(4 * time.Minute)
	passed.Store(int64(4 * time.Minute))
	stream.beat(0)
	wants(t, judge(v, raw), yes)
	if n := s.asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
	b.skip(2 * time.Minute)
	passed.Store(int64(6 * time.Minute))
	wants(t, judge(v, raw), yes)
	if n := s.asked.Load(); n != 2 {
		t.Errorf("%d questions after six minutes", n)
	}
}

// Many requests with one new token are one question; many tokens that nobody made are a
// bounded number, and don't affect tokens that were accepted before.
func TestRandomTokensCantFloodTheIssuer(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	stop := make(chan struct{})
	v := s.start(t, func(c *verify.Config) { c.NewTokensPerSecond = 20 })
	known := opaque(t)
	s.on("/introspect", answers(200, s.active(0)))
	wants(t, judge(v, known), yes)
	s.on("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		<-stop
		_, _ = w.Write([]byte(`{"active":false}`))
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	count := func(raw string) {
		e := errorOf(t, judge(v, raw))
		mu.Lock()
		defer mu.Unlock()
		got[e.Status]++
	}
	one := opaque(t)
	for range 100 {
		wg.Go(func() { count(one) })
	}
	eventually(t, "the question", func() bool { return s.asked.Load() == 2 })
	for range 500 {
		raw := opaque(t)
		wg.Go(func() { count(raw) })
	}
	eventually(t, "the refusals", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return got[http.StatusServiceUnavailable] >= 500-20
	})
	wants(t, judge(v, known), yes)
	wants(t, judge(v, s.sign(t)), yes)
	close(stop)
	wg.Wait()
	if n := s.asked.Load(); n > 2+20+10 {
		t.Errorf("%d questions", n)
	}
	if got[0] != 0 {
		t.Errorf("%v", got)
	}
	// A no is remembered for a moment.
	asked := s.asked.Load()
	for range 10 {
		wants(t, judge(v, one), malformed)
	}
	if n := s.asked.Load(); n > asked+1 {
		t.Errorf("%d questions about one bad token", n-asked)
	}
}

func TestMemoryIsBoundedWhateverIsPresented(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	c := issuer.Config()
	c.CacheBytes = 256 << 10
	v, err := verify.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for range 2000 {
		wants(t, judge(v, issuer.Token(typical())), yes)
		if h := v.Health(); h.CacheBytes > c.CacheBytes || h.CacheBytes < 0 {
			t.Fatalf("%d bytes", h.CacheBytes)
		}
	}
	if h := v.Health(); h.CacheBytes < c.CacheBytes/2 {
		t.Errorf("only %d bytes are used", h.CacheBytes)
	}
	// What is used often stays.
	hot := issuer.APIToken(typical())
	for range 2000 {
		wants(t, judge(v, issuer.Token(typical())), yes)
		wants(t, judge(v, hot), yes)
	}
	if n := issuer.Introspections(); n > 20 {
		t.Errorf("a hot token was forgotten %d times", n-1)
	}
}

// A token that the issuer has imported from another system is asked about once it has a
// shape that the service declares, and a value of no shape never is.
func TestAnImportedTokenIsAskedAbout(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	raw := strings.Repeat("0a", 20)
	issuer.ImportedToken(raw, verifytest.Claims{})
	wants(t, judge(issuer.Verifier(t), raw), malformed)
	if n := issuer.Introspections(); n != 0 {
		t.Errorf("%d questions about a value of no shape", n)
	}
	cfg := issuer.Config()
	cfg.ForeignTokens = []verify.ForeignToken{{Name: "drf", Pattern: "[0-9a-f]{40}"}}
	v, err := verify.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	issuer.Watch(v)
	for range 10 {
		wants(t, judge(v, raw), yes)
		wants(t, judge(v, raw+"00"), malformed)
	}
	if n := issuer.Introspections(); n != 1 {
		t.Errorf("%d questions, want 1", n)
	}
	issuer.Revoke(raw)
	wants(t, judge(v, raw), revoked)

	cfg.ForeignTokens = []verify.ForeignToken{{Name: "own", Prefix: "bda_"}}
	if _, err := verify.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "ForeignTokens") {
		t.Errorf("a shape of bearerd's own: %v", err)
	}
}
