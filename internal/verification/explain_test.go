package verification_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// What Explain says of each check is tested in package explain. Without a lease it says
// how old its knowledge is, and that nothing is accepted.
func TestAnExplanationWithoutALeaseAllowsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subject = func(*int64) (*verification.Subject, error) {
		return &verification.Subject{ID: "ada", Seq: s.ledger.Applied()}, nil
	}
	seq := s.says(revocation.Role, "curator")
	raw := s.jwt(t)
	for age, fresh := range map[time.Duration]bool{0: true, lease - 1: true, lease: false} {
		s.boot = s.ledger.AsOf() + age
		x, err := s.Explain(t.Context(), raw, verification.Requirements{})
		nodetest.Must(t, err)
		if x.Allowed != fresh || x.Fresh != fresh || x.LeaseAge != age || x.Seq != seq {
			t.Errorf("after %s: allowed %t, fresh %t, %s old at %d", age, x.Allowed, x.Fresh, x.LeaseAge, x.Seq)
		}
		for _, check := range x.Checks {
			if check.OK == nil || !*check.OK {
				t.Errorf("after %s: the check %s has not passed: %s", age, check.Check, check.Detail)
			}
		}
	}
}

// To explain a token is to decide about it, by the same source: where that can't be
// asked there is no explanation.
func TestWhatCantBeDecidedCantBeExplained(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opaque = func(*verification.Token) (*verification.Token, error) {
		return nil, fault.New(fault.Unavailable, "away")
	}
	for name, raw := range map[string]string{"an API token": apiToken, "a JWT whose user can't be read": s.jwt(t)} {
		if x, err := s.Explain(t.Context(), raw, verification.Requirements{}); err == nil {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

// What another node has issued a moment ago is explained as it is decided: after this
// process has applied the log so far.
func TestATokenOfAnotherNodeIsExplainedOnceTheLogIsThere(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subject = func(*int64) (*verification.Subject, error) {
		return &verification.Subject{ID: "ada", Seq: s.ledger.Applied()}, nil
	}
	ahead := s.ledger.Applied() + 1
	raw := s.jwt(t, func(c *token.Claims) { c.Seq = ahead })
	s.reach = func(revocation.Seq) error { return fault.New(fault.Unavailable, "away") }
	if x, err := s.Explain(t.Context(), raw, verification.Requirements{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("while the log can't be read: %+v, %v", x, err)
	}
	s.reach = func(revocation.Seq) error { return token.Malformed() }
	x, err := s.Explain(t.Context(), raw, verification.Requirements{})
	nodetest.Must(t, err)
	if x.Allowed || x.Checks[0].OK == nil || *x.Checks[0].OK {
		t.Errorf("of a sequence that the log does not have: %+v", x)
	}
	s.reach = func(seq revocation.Seq) error {
		if s.says(revocation.Token, "another") != seq {
			t.Errorf("asked for %d", seq)
		}
		return nil
	}
	x, err = s.Explain(t.Context(), raw, verification.Requirements{})
	nodetest.Must(t, err)
	if !x.Allowed || x.Seq != ahead {
		t.Errorf("after the log was read: %+v", x)
	}
}
