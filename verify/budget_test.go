package verify_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
)

// Past their memory budget revocations stay exact: each is honoured, the issuer is
// asked about no token, and the log says once that there are many.
func TestPastTheMemoryBudgetRevocationsStayExact(t *testing.T) {
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
	var lines bytes.Buffer
	c := s.config()
	c.Logger = slog.New(slog.NewTextHandler(&lines, nil))
	v, err := verify.NewWithBudget(t.Context(), c, b.read, budget)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	stream := <-first
	if h := v.Health(); h.Revocations != kills || h.RevocationBytes <= budget || h.Seq != kills {
		t.Fatalf("%+v", h)
	}
	sign := func(n int) string {
		return s.sign(t, func(c *token.Claims) { c.ID, c.Seq = id(n), kills })
	}
	for n := 0; n < kills; n += 97 {
		wants(t, judge(v, sign(n)), revoked)
	}
	for n := kills; n < kills+1000; n++ {
		wants(t, judge(v, sign(n)), yes)
	}
	stream.entry(kills+1, "token", id(kills))
	applied(t, v, kills+1)
	wants(t, judge(v, sign(kills)), revoked)
	if n := s.asked.Load(); n != 0 {
		t.Errorf("the issuer was asked about %d tokens", n)
	}
	v.Close()
	if got := lines.String(); strings.Count(got, "more memory than expected") != 1 || !strings.Contains(got, "WARN") {
		t.Errorf("logged:\n%s", got)
	}
}
