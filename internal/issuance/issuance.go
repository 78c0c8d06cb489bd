// Package issuance decides what is issued: whether this caller may have this token, for
// how long and with which scope. It signs it, stores what must be stored, and trades one
// token for another: exchange, refresh, client credentials.
//
// Edges ask an Issuance. Packages credentials (the tokens that users keep), authorizing (the
// answers of people to clients) and trust (the JWTs of trusted issuers) issue on terms that no
// edge can set, by the Core.
//
// Decide, then sign: nothing is signed, stored or recorded as issued before every rule
// has passed, judged on the principal that the token will be issued for. A refusal writes
// nothing but its audit event.
//
// What a token is based on (the reading of a user, of a client, the check of the token
// that was presented) is true as of a sequence of the revocation log. The earliest of
// these is the token's own sequence: what was revoked between that reading and the
// signature revokes the new token too.
package issuance

import (
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Store is what issuance reads.
type Store interface {
	contract.Directory
	contract.Tokens
}

// Meter counts what is issued, and refusals by their reason.
type Meter interface {
	Issued(kind token.Kind)
	IssueRefused(kind fault.Kind)
}

// Config configures issuance. Every field but Meter must be set.
type Config struct {
	Store    Store
	Journal  *journal.Journal
	Verifier *verification.Verifier
	Ring     *keyring.Ring
	Forms    token.Forms
	Policy   Policy
	Quota    *quota.Quota // how often clients and users may ask for tokens
	Meter    Meter        // nil: nothing is counted
	Now      func() time.Time
}

// Issuance issues tokens. Its methods may be called from any number of goroutines.
type Issuance struct {
	*Issuer
	*Refresher
	*Exchanger
}

// New returns an Issuance.
func New(c *Core) *Issuance {
	return &Issuance{
		Issuer: &Issuer{c.core}, Refresher: &Refresher{c.core}, Exchanger: &Exchanger{c.core},
	}
}

// NewCore returns a Core.
func NewCore(cfg Config) (*Core, error) {
	switch {
	case cfg.Store == nil || cfg.Journal == nil || cfg.Verifier == nil || cfg.Ring == nil:
		return nil, errors.New("issuance: store, journal, verifier and ring must be set")
	case cfg.Quota == nil || cfg.Now == nil:
		return nil, errors.New("issuance: quota and now must be set")
	}
	if err := cfg.Policy.check(); err != nil {
		return nil, err
	}
	if cfg.Meter == nil {
		cfg.Meter = noMeter{}
	}
	return &Core{core: &core{cfg: cfg}}, nil
}

type noMeter struct{}

func (noMeter) Issued(token.Kind)       {}
func (noMeter) IssueRefused(fault.Kind) {}
