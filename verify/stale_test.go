package verify_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
	"github.com/bearerd/bearerd/verify/verifytest"
)

// outage makes a verifier that loses its issuer after it has seen a JWT and an API
// token, and the clock by which its lease runs out.
func outage(t *testing.T, change func(*verify.Config)) (issuer *verifytest.Issuer, v *verify.Verifier, b *bootClock) {
	t.Helper()
	issuer, b = verifytest.NewIssuer(t), newBootClock()
	c := issuer.Config()
	change(&c)
	v, err := verify.NewWithClock(t.Context(), c, b.read)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return issuer, v, b
}

func TestAnOutageIsRiddenOutForNoLongerThanTheStaleness(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*verify.Config)
		lasts  time.Duration
	}{
		"the issuer's":   {func(*verify.Config) {}, verifytest.MaxStaleness},
		"one of its own": {func(c *verify.Config) { c.MaxStaleness = time.Minute }, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer, v, b := outage(t, c.change)
			jwt, opaque := issuer.Token(verifytest.Claims{}), issuer.APIToken(verifytest.Claims{})
			wants(t, judge(v, jwt), yes)
			wants(t, judge(v, opaque), yes)
			issuer.SetDown(true)
			eventually(t, "the end of the stream", func() bool { return v.Health().Err != nil })
			b.skip(c.lasts * 8 / 10)
			wants(t, judge(v, jwt), yes)
			wants(t, judge(v, opaque), yes)
			wants(t, judge(v, issuer.Token(verifytest.Claims{})), yes)

			b.skip(c.lasts * 2 / 10)
			wants(t, judge(v, jwt), noNews)
			wants(t, judge(v, opaque), noNews)
			wants(t, judge(v, issuer.Token(verifytest.Claims{})), noNews)
			// What is bad is bad without any news.
			wants(t, judge(v, "junk"), malformed)
			wants(t, judge(v, issuer.Token(verifytest.Claims{Lifetime: -time.Second})), expired)

			issuer.SetDown(false)
			eventually(t, "a yes", func() bool { return judge(v, jwt) == nil })
			wants(t, judge(v, opaque), yes)
		})
	}
}

func TestWithoutALeaseTheMiddlewareSays503(t *testing.T) {
	t.Parallel()
	issuer, v, b := outage(t, func(*verify.Config) {})
	raw := issuer.Token(verifytest.Claims{})
	issuer.SetDown(true)
	eventually(t, "the end of the stream", func() bool { return v.Health().Err != nil })
	b.skip(time.Minute)
	a := ask(t, v.Middleware(hello), with("Bearer "+raw))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "1" || a.challenge != "" ||
		a.body["error"] != "temporarily_unavailable" || a.header.Get("Subject") != "" {
		t.Errorf("%+v", a)
	}
	// The way for what has no token stays open.
	if a := ask(t, v.Optional(hello)); a.status != http.StatusTeapot {
		t.Errorf("%+v", a)
	}
	if a := ask(t, v.Middleware(hello)); a.status != http.StatusUnauthorized {
		t.Errorf("%+v", a)
	}
}

// A revocation that comes while the stream is cut is honoured without a lease: the
// issuer is asked about each token.
func TestAskIssuerAsksAboutEveryTokenAnew(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	v, c := s.begin(t, b, 0, func(c *verify.Config) { c.OnStale = verify.AskIssuer })
	raw := s.sign(t)
	wants(t, judge(v, raw), yes)
	if n := s.asked.Load(); n != 0 {
		t.Errorf("%d questions with a lease", n)
	}
	s.on("/stream", answers(503, ""))
	close(c.lines)
	b.skip(10 * time.Second)

	id := claimsOf(t, s, raw).ID
	active := `{"active":true,"jti":"` + id + `","sub":"ada","iss":"` + s.URL + `","aud":"` + audience + `","iat":1,"token_kind":"access","seq":0,"log_seq":0}`
	s.on("/introspect", answers(200, active))
	for range 3 {
		wants(t, judge(v, raw), yes)
	}
	if n := s.asked.Load(); n != 3 {
		t.Errorf("%d questions, want 3", n)
	}
	s.on("/introspect", answers(200, `{"active":false}`))
	wants(t, judge(v, raw), revoked)
	s.on("/introspect", answers(200, active))
	wants(t, judge(v, raw), yes) // a no isn't remembered either
	for name, text := range map[string]string{
		"another token":   `{"active":true,"jti":"x","sub":"ada","iss":"` + s.URL + `","token_kind":"access","seq":0,"log_seq":0}`,
		"another subject": `{"active":true,"jti":"` + id + `","sub":"bob","iss":"` + s.URL + `","token_kind":"access","seq":0,"log_seq":0}`,
		"another issuer":  `{"active":true,"jti":"` + id + `","sub":"ada","iss":"x","token_kind":"access","seq":0,"log_seq":0}`,
		"no bool":         `{"active":"true"}`,
		"no JSON":         `yes`,
		"an API key":      `{"active":true,"jti":"` + id + `","sub":"ada","iss":"` + s.URL + `","token_kind":"api-key","seq":0,"log_seq":0}`,
		"no log_seq":      `{"active":true,"jti":"` + id + `","sub":"ada","iss":"` + s.URL + `","token_kind":"access","seq":0}`,
		"two answers":     `{"active":false,"active":true}`,
	} {
		s.on("/introspect", answers(200, text))
		if e := errorOf(t, judge(v, raw)); e.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %v", name, e)
		}
	}
	s.on("/introspect", answers(500, ""))
	if e := errorOf(t, judge(v, raw)); e.Status != http.StatusServiceUnavailable {
		t.Errorf("%v", e)
	}
}

// What the issuer says without a lease is judged by what is known here, and by what
// this service wants.
func TestWithoutALeaseTheAnswerIsJudged(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	v, c := s.begin(t, b, 0, func(c *verify.Config) { c.OnStale = verify.AskIssuer })
	four := int64(4)
	jwt, raw := s.sign(t, func(c *token.Claims) { c.Collection = &four }), opaque(t)
	s.on("/introspect", answers(200, s.active(0)))
	wants(t, judge(v, raw), yes)
	c.entry(1, "access", "ada")
	applied(t, v, 1)
	s.on("/stream", answers(503, ""))
	close(c.lines)
	b.skip(10 * time.Second)

	// A node that doesn't know of a change that is known here can't decide on access.
	id := claimsOf(t, s, jwt).ID
	answer := `{"active":true,"jti":"` + id + `","sub":"ada","iss":"` + s.URL + `","token_kind":"access","seq":0,"log_seq":`
	s.on("/introspect", answers(200, answer+"0}"))
	if e := errorOf(t, judge(v, jwt)); e.Status != http.StatusServiceUnavailable {
		t.Errorf("%v", e)
	}
	s.on("/introspect", answers(200, answer+"1}"))
	wants(t, judge(v, jwt), yes)

	s.on("/introspect", answers(200, strings.Replace(s.active(1), audience, "https://other.example.org", 1)))
	wants(t, judge(v, raw), wrongAud)
}

// An answer to a question that began before the call says nothing of what was taken
// back in between.
func TestWithoutALeaseNoAnswerIsOlderThanTheCall(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	v, c := s.begin(t, b, 0, func(c *verify.Config) { c.OnStale = verify.AskIssuer })
	raw := s.sign(t)
	id := claimsOf(t, s, raw).ID
	s.on("/stream", answers(503, ""))
	close(c.lines)
	b.skip(10 * time.Second)

	asked, release := make(chan struct{}), make(chan struct{})
	s.on("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		s.on("/introspect", answers(200, `{"active":false}`)) // for requests from now on
		close(asked)
		<-release
		_, _ = w.Write([]byte(`{"active":true,"jti":"` + id + `","sub":"ada","iss":"` + s.URL + `","token_kind":"access","seq":0,"log_seq":0}`))
	})
	first, second := make(chan error), make(chan error)
	go func() { first <- judge(v, raw) }()
	<-asked
	go func() { second <- judge(v, raw) }()
	time.Sleep(50 * time.Millisecond) // let it find the question that is under way
	close(release)
	wants(t, <-first, yes)
	wants(t, <-second, revoked)
}

func TestARequestThatGivesUpWaitsForNobody(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v := s.start(t)
	hang := make(chan struct{})
	defer close(hang)
	s.on("/introspect", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := v.Verify(ctx, verifytest.NewIssuer(t).APIToken(verifytest.Claims{}))
	if e := errorOf(t, err); e.Status != http.StatusServiceUnavailable || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func TestTheWallClockDoesntBringTokensBack(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	ahead := newBootClock() // a wall clock that is set, too
	c := issuer.Config()
	c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.offset.Load())) }
	v, err := verify.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	raw := issuer.Token(verifytest.Claims{Lifetime: time.Minute})
	wants(t, judge(v, raw), yes)
	ahead.skip(time.Hour)
	wants(t, judge(v, raw), expired)
	issuer.Watch(v)
	issuer.RevokeAll("somebody") // a heartbeat, at which the log forgets
	ahead.skip(-time.Hour)
	wants(t, judge(v, raw), expired)
}

func TestServingGoesOnWhileTheIssuerRestarts(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	server := httptest.NewServer(v.Middleware(hello))
	defer server.Close()
	raw := issuer.Token(verifytest.Claims{})
	for i := range 20 {
		issuer.SetDown(i%2 == 0)
		wants(t, judge(v, raw), yes)
		time.Sleep(10 * time.Millisecond)
	}
	issuer.Revoke(raw)
	eventually(t, "the revocation", func() bool { return judge(v, raw) != nil })
	wants(t, judge(v, raw), revoked)
}
