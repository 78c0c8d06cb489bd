package verify_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
)

// Beyond its budget the set can only say that a token may have been taken back: then
// the issuer is asked, once for each token until the log says something new.
func TestBeyondTheBudgetTheIssuerKnows(t *testing.T) {
	t.Parallel()
	s, b := newScript(t), newBootClock()
	s.set(func() { s.auto, s.boot, s.extra = false, b, `"revocations_max_staleness":300` })
	const kills, budget = 30_000, 600 << 10
	id := func(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n+1<<20) }
	first := make(chan *stream, 1)
	go func() {
		c := <-s.streams
		var text strings.Builder
		for n := range kills {
			text.WriteString(entryText(int64(n+1), "token", id(n)))
			if n%1000 == 999 {
				c.lines <- text.String()
				text.Reset()
			}
		}
		c.beat(kills)
		first <- c
	}()
	dead := func(n int) bool { return n < kills }
	s.on("/introspect", func(w http.ResponseWriter, r *http.Request) {
		j, err := token.Verify(r.PostFormValue("token"), func(string) (token.VerificationKey, bool) { return s.key.Verification(), true })
		var n int
		if err == nil {
			_, err = fmt.Sscanf(j.Claims.ID, "%08x-", &n)
		}
		if err != nil || dead(n-1<<20) {
			_, _ = w.Write([]byte(`{"active":false}`))
			return
		}
		_, _ = fmt.Fprintf(w, `{"active":true,"jti":%q,"sub":"ada","iss":%q,"aud":%q,"token_kind":"access","seq":0,"log_seq":%d}`,
			j.Claims.ID, s.URL, audience, kills)
	})
	c := s.config()
	c.NewTokensPerSecond = 1000
	v, err := verify.NewWithBudget(t.Context(), c, b.read, budget)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	stream := <-first
	if h := v.Health(); h.RevocationBytes > 2*budget || h.Seq != kills {
		t.Fatalf("%+v", h)
	}
	sign := func(n int) string {
		return s.sign(t, func(c *token.Claims) { c.ID, c.Seq = id(n), kills })
	}
	for n := 0; n < kills; n += 97 {
		wants(t, judge(v, sign(n)), revoked)
	}
	asked := s.asked.Load()
	if asked == 0 {
		t.Error("all is exact: the budget does nothing")
	}
	var live []string
	for n := kills; n < kills+4000; n++ {
		live = append(live, sign(n))
	}
	for _, raw := range live {
		wants(t, judge(v, raw), yes)
	}
	maybes := s.asked.Load() - asked
	if maybes > 400 {
		t.Errorf("%d of 4000 tokens were asked about", maybes)
	}
	for _, raw := range live {
		wants(t, judge(v, raw), yes)
	}
	if again := s.asked.Load() - asked - maybes; again != 0 {
		t.Errorf("%d were asked about again", again)
	}
	// One that is killed now is refused although the issuer said yes to it before.
	dead = func(n int) bool { return n < kills+4000 }
	for i, raw := range live[:300] {
		stream.entry(int64(kills+i+1), "token", id(kills+i))
		applied(t, v, int64(kills+i+1))
		wants(t, judge(v, raw), revoked)
	}
}
