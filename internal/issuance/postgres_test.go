package issuance_test

import (
	"sync"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
)

// TestNodesOnPostgres runs the tests of two nodes once more, on PostgreSQL, where
// their writes happen at the same time.
func TestNodesOnPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"concurrent uses": TestOfConcurrentUsesOneIsAnswered,
		"a second use":    TestSecondUseIsNoticedOnAnotherNode,
		"a lost answer":   TestALostAnswerToARefreshIsAskedForAgain,
		"two tabs":        TestConcurrentUsesAreAllAnsweredWithinTheGrace,
		"siblings":        TestOfConcurrentSiblingsOneIsAnswered,
		"nothing rescued": TestTheGraceRescuesNothingThatWasRevoked,
	} {
		t.Run(name, test)
	}
}

// However issuing on one node and revoking on another meet, nothing stays valid that was
// made from what was revoked.
func TestNothingSurvivesARevocationOnAnotherNode(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{Postgres: true})
	here.Person(t, "ada")
	for range 10 {
		var mu sync.Mutex
		var made []*issuance.Issued
		var all sync.WaitGroup
		owner := there.SignedIn(t, "ada")
		for range 4 {
			all.Go(func() {
				for range 5 {
					issued, err := there.CreateAPIToken(t.Context(), owner, credentials.NewCredential{Name: "x"})
					if err != nil {
						return // the session is revoked by now
					}
					mu.Lock()
					made = append(made, issued)
					mu.Unlock()
				}
			})
		}
		nodetest.Must(t, nodetest.Second(here.RevokeAllOf(t.Context(), caller.Operator(), "ada")))
		all.Wait()
		// The rows themselves are revoked, and not only while the log has the entry.
		page, err := here.Store.StoredTokens(t.Context(), records.TokenQuery{Owner: owner.ID(), Limit: 1000})
		nodetest.Must(t, err)
		for _, row := range page.Items {
			if row.RevokedAt.IsZero() {
				t.Errorf("the %s %s lives on", row.Kind, row.ID)
			}
		}
		for _, issued := range made {
			there.WantDead(t, "made meanwhile", issued)
		}
	}
}
