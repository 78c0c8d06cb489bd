package main

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestNoAcknowledgedRevocationIsLost kills a server that is revoking, again and
// again, at any moment: everything it acknowledged is refused by the next one, and
// what nobody revoked is still good.
func TestNoAcknowledgedRevocationIsLost(t *testing.T) {
	t.Parallel()
	const rounds, inOneRound, timeout = 100, 24, 50 * time.Second
	b := newBench(t, t.TempDir(), "revocation: {max_staleness: 100ms}\n")
	p := b.serve()
	control := b.token(p)
	var acknowledged []string
	begun, round := time.Now(), 0
	for ; round < rounds && time.Since(begun) < timeout; round++ {
		tokens := make([]string, inOneRound)
		for i := range tokens {
			tokens[i] = b.token(p)
		}
		acknowledged = append(acknowledged, b.revokeAndKill(p, tokens, round%2 == 0)...)
		p = b.serve()
		b.allRefused(p, acknowledged[max(0, len(acknowledged)-inOneRound):])
		if a, err := b.verify(p, control); err != nil || a.status != http.StatusOK {
			t.Fatalf("a token that nobody revoked: %v, %+v", err, a)
		}
	}
	b.allRefused(p, acknowledged)
	t.Logf("%d revocations were acknowledged in %d rounds", len(acknowledged), round)
	if len(acknowledged) < rounds/2 {
		t.Errorf("that is too few to show anything")
	}
}

// revokeAndKill revokes tokens, four at a time, and kills the server while it does.
// It returns those whose revocation was acknowledged. To wait is to wait for the one
// that was killed before, too.
func (b *bench) revokeAndKill(p *process, tokens []string, wait bool) (acknowledged []string) {
	b.Helper()
	work := make(chan string)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for token := range work {
				a, err := b.post(p.base+"/oauth2/revoke", url.Values{"token": {token}, "wait": {strconv.FormatBool(wait)}})
				if err == nil && a.status == http.StatusOK && a.body["revoked"] == true {
					mu.Lock()
					acknowledged = append(acknowledged, token)
					mu.Unlock()
				}
			}
		})
	}
	longest := 20 * time.Millisecond
	if wait {
		longest = 250 * time.Millisecond
	}
	time.AfterFunc(rand.N(longest), func() { _ = p.cmd.Process.Kill() })
	for _, token := range tokens {
		work <- token
	}
	close(work)
	workers.Wait()
	<-p.done
	return acknowledged
}

func (b *bench) allRefused(p *process, tokens []string) {
	b.Helper()
	for _, token := range tokens {
		a, err := b.verify(p, token)
		if err != nil || a.status != http.StatusUnauthorized || a.body["error_description"] != "revoked" {
			b.Fatalf("an acknowledged revocation was lost: %v, %+v", err, a)
		}
	}
}
