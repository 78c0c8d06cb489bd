package issuance

import (
	"context"
	"errors"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// Trusted is the issuer and the rule that a token is issued by. Package trust has judged what
// the issuer said.
type Trusted struct {
	Issuer   string // its name
	Rule     records.IssuerRule
	Exchange bool // by token exchange
}

// String names the issuer and the rule for the audit log.
func (t *Trusted) String() string { return t.Issuer + ", rule " + t.Rule.Name }

// refuseBy records a refusal with the issuer and the rule, which the answer doesn't name.
func (i *core) refuseBy(ctx context.Context, e audit.Event, by string, reason error) error {
	if by == "" {
		return i.cfg.Journal.Refuse(ctx, e, reason)
	}
	noted := fault.Wrap(reason, fault.KindOf(reason), "issuer %s: %s", by, fault.Message(reason))
	if err := i.cfg.Journal.Refuse(ctx, e, noted); !errors.Is(err, noted) {
		return err
	}
	return reason
}

// audience returns an audience that the rule allows to be asked for, as it is written in
// the rule, because its verifiers compare that.
func (t *Trusted) audience(asked string) (string, error) {
	for _, listed := range t.Rule.Audiences {
		if token.SameAudience(asked, listed) {
			return listed, nil
		}
	}
	return "", fault.New(fault.InvalidTarget, "this audience may not be asked for").In("audience")
}
