package verify_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bearerd/bearerd/verify/verifytest"
)

// No Verify that begins after an entry was applied accepts what it revokes, with many
// tokens of both forms under many callers.
func TestNothingIsAcceptedAfterItsRevocationWasApplied(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	acts := []func(raw, subject string){
		func(raw, _ string) { issuer.Revoke(raw) },
		func(_, subject string) { issuer.RevokeAll(subject) },
		func(_, subject string) { issuer.SetAccess(subject, 4, false) },
		func(_, subject string) { issuer.Revoke("session-of-" + subject) },
	}
	const rounds = 24
	for i := range rounds {
		subject := string(rune('a'+i%26)) + string(rune('a'+i/26))
		c := verifytest.Claims{Subject: subject, Collection: 4, Parent: "session-of-" + subject}
		raw := issuer.Token(c)
		if i%2 == 1 {
			raw = issuer.APIToken(c)
		}
		var taken atomic.Bool // the revocation counts here
		var yeses atomic.Int64
		var wg sync.WaitGroup
		begun := make(chan struct{}, 1)
		for range 4 {
			wg.Go(func() {
				for n := 0; n < 50; {
					late := taken.Load()
					err := judge(v, raw)
					if err == nil && late {
						t.Errorf("round %d: accepted after its revocation", i)
					}
					if err == nil {
						yeses.Add(1)
						select {
						case begun <- struct{}{}:
						default:
						}
					}
					if late {
						n++
					}
				}
			})
		}
		<-begun
		acts[i%len(acts)](raw, subject)
		taken.Store(true)
		wg.Wait()
		if yeses.Load() == 0 {
			t.Errorf("round %d: never accepted", i)
		}
	}
}

// Keys, log and tokens change at once.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = judge(v, issuer.Token(verifytest.Claims{}))
				_ = judge(v, issuer.APIToken(verifytest.Claims{Subject: "eve"}))
				_ = v.Health()
			}
		})
	}
	for range 4 {
		issuer.RotateKey()
		issuer.RevokeAll("ada")
		issuer.SetDown(true)
		issuer.SetDown(false)
		issuer.RetireKey()
	}
	close(stop)
	wg.Wait()
	eventually(t, "a yes", func() bool { return judge(v, issuer.Token(verifytest.Claims{})) == nil })
}
