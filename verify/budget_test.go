package verify_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	var dead, about numbers
	var hold atomic.Bool
	s.on("/introspect", func(w http.ResponseWriter, r *http.Request) {
		j, err := token.Verify(r.PostFormValue("token"), func(string) (token.VerificationKey, bool) { return s.key.Verification(), true })
		var n int
		if err == nil {
			_, err = fmt.Sscanf(j.Claims.ID, "%08x-", &n)
		}
		n -= 1 << 20
		isDead := err != nil || n < kills || dead.has(n)
		if !isDead {
			about.add(n)
			if hold.Load() {
				about.hook(n)
			}
		}
		if isDead {
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
	// One that is killed now is refused, although the issuer said yes to it before.
	known := about.list()
	for i, n := range known {
		dead.add(n)
		stream.entry(int64(kills+i+1), "token", id(n))
		applied(t, v, int64(kills+i+1))
		wants(t, judge(v, sign(n)), revoked)
	}
	if len(known) == 0 {
		t.Error("no token was asked about")
	}

	// And a question that was under way when it was killed says nothing of that.
	asking, release := make(chan int), make(chan struct{})
	hold.Store(true)
	about.hook = func(n int) {
		if hold.Swap(false) {
			asking <- n
			<-release
		}
	}
	one, two := make(chan error, 1), make(chan error, 1)
	for n := kills + 4000; ; n++ {
		raw := sign(n)
		go func() { one <- judge(v, raw) }()
		select {
		case err := <-one:
			wants(t, err, yes)
			continue
		case <-asking:
		}
		dead.add(n)
		stream.entry(int64(kills+len(known)+1), "token", id(n))
		applied(t, v, int64(kills+len(known)+1))
		go func() { two <- judge(v, raw) }()
		time.Sleep(50 * time.Millisecond) // let it find the question that is under way
		close(release)
		wants(t, <-one, revoked)
		wants(t, <-two, revoked)
		return
	}
}

// numbers is a set of tokens' numbers.
type numbers struct {
	mu   sync.Mutex
	set  map[int]bool
	hook func(int)
}

func (n *numbers) add(i int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.set == nil {
		n.set = map[int]bool{}
	}
	n.set[i] = true
}

func (n *numbers) has(i int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.set[i]
}

func (n *numbers) list() []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.set))
}
