package verification_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// The kill of a token is forgotten once the token has expired. A decision that began
// before that, and looks the kill up afterwards, must not take the token for unexpired.
func TestADecisionUnderWayWhenAKillIsForgottenFindsTheTokenExpired(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	raw := s.jwt(t, func(c *token.Claims) { c.ID, c.Expiry, c.Seq = "doomed", s.now.Add(time.Minute), 2 })
	s.reach = func(seq revocation.Seq) error {
		s.ledger.Apply([]revocation.Entry{
			{Seq: 1, What: revocation.Token, ID: "doomed", At: s.now, Until: s.now.Add(time.Minute)},
			{Seq: 2, What: revocation.Token, ID: "other", At: s.now, Until: s.now.Add(24 * time.Hour)},
		})
		s.ledger.Advance(seq)
		s.now = s.now.Add(2 * time.Hour)
		s.ledger.Renew(s.boot, lease)
		if s.ledger.Set().Killed(revocation.KeyOf(revocation.Token, "doomed")) {
			t.Error("the kill is not forgotten, so nothing is tested")
		}
		return nil
	}
	nodetest.WantFault(t, "the decision", s.judge(t, raw), fault.InvalidToken, "expired")
}
