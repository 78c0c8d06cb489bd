package authority_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
)

// onPostgres is what the names of tests begin with whose nodes are on PostgreSQL.
const onPostgres = "TestNodesOnPostgres/"

// TestNodesOnPostgres runs the tests of two nodes once more, on PostgreSQL, where
// their writes go side by side.
func TestNodesOnPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"acknowledged revocations":   TestAcknowledgedRevocationIsHonouredByEveryNode,
		"revocations not waited for": TestRevocationThatIsNotWaitedForIsHonouredWithinTheStaleness,
		"concurrent uses":            TestOfConcurrentUsesOneIsAnswered,
		"a second use":               TestSecondUseIsNoticedOnAnotherNode,
		"device codes":               TestDeviceCodeIsUsedOnceHoweverManyTry,
		"regenerations":              TestOfConcurrentRegenerationsOneIsAnswered,
		"applied files":              TestApplyReachesEveryNode,
		"removed clients":            TestRemovedClientIsForgottenEverywhere,
		"new secrets":                TestNewSecretCountsEverywhereAtOnce,
		"widened clients":            TestWidenedClientMayMoreEverywhereAtOnce,
	} {
		t.Run(name, test)
	}
}

// pgNodes gives two nodes on one PostgreSQL database, complete with their housekeeping.
func pgNodes(t *testing.T, o authoritytest.Options) (here, there *authoritytest.Fixture) {
	t.Helper()
	o.Dir, o.Postgres = t.TempDir(), true
	here, there = authoritytest.New(t, o), authoritytest.New(t, o)
	var running sync.WaitGroup
	for _, f := range []*authoritytest.Fixture{here, there} {
		running.Go(func() { _ = f.Run(t.Context()) })
	}
	t.Cleanup(running.Wait)
	return here, there
}

func TestGuessesOnAllNodesCountTogether(t *testing.T) {
	t.Parallel()
	here, there := pgNodes(t, authoritytest.Options{Policy: limits(5, 1000)})
	_, err := here.CreateUser(t.Context(), operator, authority.NewUser{Username: "ada", PasswordHash: cheapHash(t)})
	must(t, err)
	var told, limited atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		f := []*authoritytest.Fixture{here, there}[i%2]
		wg.Go(func() {
			switch err := login(t, f, "ada", fmt.Sprint(i), ""); {
			case fault.Is(err, fault.BadCredentials):
				told.Add(1)
			case fault.Is(err, fault.Limited):
				limited.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if told.Load() != 5 || limited.Load() != 35 {
		t.Errorf("%d guesses were told that they are wrong, %d limited; want 5 and 35", told.Load(), limited.Load())
	}
	for _, f := range []*authoritytest.Fixture{here, there} {
		wantFault(t, "the right password", login(t, f, "ada", "right", ""), fault.Limited, "")
	}
}

func TestASoleTokenIsOneAmongNodes(t *testing.T) {
	t.Parallel()
	here, there := pgNodes(t, authoritytest.Options{})
	here.User(t, "ada", "correct horse")
	c := []*authority.Caller{session(t, here, "ada", "correct horse"), session(t, there, "ada", "correct horse")}
	values := make([]string, 8)
	var all sync.WaitGroup
	for i := range values {
		f := []*authoritytest.Fixture{here, there}[i%2]
		all.Go(func() {
			issued, err := f.RenewSole(t.Context(), c[i%2], sole)
			if err == nil {
				values[i] = issued.Value.Reveal()
			} else if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Unavailable) { // or the store is busy
				t.Error(err)
			}
		})
	}
	all.Wait()
	living := map[string]int{}
	for _, value := range values {
		for name, f := range map[string]*authoritytest.Fixture{"here": here, "there": there} {
			if _, err := f.Verify(t.Context(), value, authority.Demand{}); err == nil {
				living[name]++
			}
		}
	}
	if living["here"] != 1 || living["there"] != 1 {
		t.Errorf("so many values are good: %v", living)
	}
}

// One node rotates: every other publishes the next key before anything is signed
// with it, and finds it when something is. Several that rotate at once make one.
func TestARotatedKeyIsPublishedEverywhereBeforeItSigns(t *testing.T) {
	t.Parallel()
	here, there := pgNodes(t, authoritytest.Options{})
	person(t, here, "ada")
	before := signer(t, here)
	var all sync.WaitGroup
	for i := range 6 {
		f := []*authoritytest.Fixture{here, there}[i%2]
		all.Go(func() { must(t, f.RotateKeys(t.Context(), operator, false)) })
	}
	all.Wait()
	shown := func(f *authoritytest.Fixture) (kids []string) {
		for _, k := range f.Ring.Public() {
			kids = append(kids, k.KID)
		}
		return kids
	}
	for name, f := range map[string]*authoritytest.Fixture{"here": here, "there": there} {
		eventually(t, func() error {
			if n := len(shown(f)); n != 2 {
				return fmt.Errorf("%s %d keys are shown", name, n)
			}
			return nil
		})
		if signer(t, f) != before {
			t.Errorf("%s the next key signs at once", name)
		}
	}
	must(t, here.RotateKeys(t.Context(), operator, true))
	issued := accessToken(t, here, signedIn(t, here, "ada"))
	wantAlive(t, there, "signed by the new key", issued)
	if signer(t, here) == before {
		t.Error("the new key doesn't sign")
	}
	eventually(t, func() error {
		if signer(t, there) != signer(t, here) {
			return errors.New("the nodes sign with different keys")
		}
		return nil
	})
}

func TestARetiredKeyIsRetiredEverywhere(t *testing.T) {
	t.Parallel()
	here, there := pgNodes(t, authoritytest.Options{})
	person(t, here, "ada")
	issued := accessToken(t, there, signedIn(t, there, "ada"))
	wantAlive(t, here, "before", issued)
	must(t, second(here.RetireKey(t.Context(), operator, signer(t, here))))
	wantDead(t, there, "by a retired key", issued)
	eventually(t, func() error { // for a moment the other node has no key to sign with
		_, err := there.Ring.Signing()
		return err
	})
	wantAlive(t, here, "by the next key", accessToken(t, there, signedIn(t, there, "ada")))
}

// With LISTEN and NOTIFY an acknowledgement waits for no node's clock.
func TestNodesHearOfARevocationAtOnce(t *testing.T) {
	t.Parallel()
	slow := func(p *authority.Policy) { p.Staleness = time.Minute } // asks by itself every 15 s
	here, there := pgNodes(t, authoritytest.Options{Policy: slow})
	person(t, here, "ada")
	for range 5 {
		issued := accessToken(t, here, signedIn(t, here, "ada"))
		wantAlive(t, there, "before", issued)
		begun := time.Now()
		r, err := here.RevokeID(t.Context(), operator, issued.ID, true)
		if took := time.Since(begun); err != nil || took > 5*time.Second || r.Nodes == nil {
			t.Errorf("%+v after %s, %v", r, took, err)
		}
		wantDead(t, there, "acknowledged", issued)
	}
}

// Whatever two nodes do at the same time with what is somebody's, nothing that was
// made from what was taken back lives on.
func TestNothingSurvivesARevocationOnAnotherNode(t *testing.T) {
	t.Parallel()
	here, there := pgNodes(t, authoritytest.Options{})
	person(t, here, "ada")
	for range 10 {
		var mu sync.Mutex
		var made []*authority.Issued
		var all sync.WaitGroup
		owner := signedIn(t, there, "ada")
		for range 4 {
			all.Go(func() {
				for range 5 {
					issued, err := there.CreateAPIToken(t.Context(), owner, authority.NewCredential{Name: "x"})
					if err != nil {
						return // the session is dead by now
					}
					mu.Lock()
					made = append(made, issued)
					mu.Unlock()
				}
			})
		}
		must(t, second(here.RevokeAllOf(t.Context(), operator, "ada", true)))
		all.Wait()
		// The rows are dead by themselves, and not only while the log says so.
		page, err := here.Store.StoredTokens(t.Context(), records.TokenQuery{Owner: owner.Subject(), Limit: 1000})
		must(t, err)
		for _, row := range page.Items {
			if row.RevokedAt.IsZero() {
				t.Errorf("the %s %s lives on", row.Kind, row.ID)
			}
		}
		for _, issued := range made {
			wantDead(t, there, "made meanwhile", issued)
		}
	}
}

// eventually wants something to be so within a while.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	var err error
	for range 2000 {
		if err = check(); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error(err)
}
