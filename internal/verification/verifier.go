package verification

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
)

// Config configures a verifier. Every field but AddressOf, Meter, Uses, Book, CacheBytes
// and MaxFactAge must be set.
type Config struct {
	Source          Source
	Ledger          *revocation.Ledger // what this process knows of the log, and its lease
	Issuer          string
	DefaultAudience string

	// AddressOf returns the client's address of the request that the context belongs to, the
	// zero Addr when it has none; nil: no address is known but that of Requirements.From.
	AddressOf func(context.Context) netip.Addr

	Meter      Meter         // nil: nothing is counted
	Uses       *Uses         // nil: last uses are not noted
	Book       *uses.Book    // nil: what tokens are used for is not noted
	CacheBytes int64         // for facts about tokens; 0: DefaultCacheBytes
	MaxFactAge time.Duration // older facts are read again; 0: DefaultMaxFactAge

	// InsecureWithoutRevocation judges claims only and never asks for the log: a revoked
	// token is accepted until it expires.
	InsecureWithoutRevocation bool
}

// Meter counts what a verifier decides.
type Meter interface {
	Verified(kind token.Kind)
	VerifyRefused(check token.Check)
}

// How much memory facts about tokens and subjects take, in bytes, and for how long they
// are kept.
const (
	DefaultCacheBytes = 32 << 20
	MinCacheBytes     = 64 << 10
	DefaultMaxFactAge = time.Hour

	subjectCache    = 8 << 20
	collectionCache = 256 << 10
)

// Verifier decides whether a token may do something now. Its methods may be called
// from any number of goroutines.
type Verifier struct {
	cfg    Config
	ledger *revocation.Ledger
	log    *revocation.Set // the ledger's
	facts  *facts
	judge  *judge
}

// New returns a verifier that follows the ledger. The caller runs what feeds the ledger.
func New(cfg Config) (*Verifier, error) {
	switch {
	case cfg.Source == nil || cfg.Ledger == nil:
		return nil, errors.New("verification: source and ledger must be set")
	case cfg.Issuer == "" || cfg.DefaultAudience == "":
		return nil, errors.New("verification: issuer and default audience must be set")
	case cfg.CacheBytes != 0 && cfg.CacheBytes < MinCacheBytes:
		return nil, fmt.Errorf("verification: a cache of %d bytes is too small, it must have %d", cfg.CacheBytes, MinCacheBytes)
	}
	if cfg.Meter == nil {
		cfg.Meter = noMeter{}
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = DefaultCacheBytes
	}
	if cfg.MaxFactAge == 0 {
		cfg.MaxFactAge = DefaultMaxFactAge
	}
	v := &Verifier{cfg: cfg, ledger: cfg.Ledger, log: cfg.Ledger.Set(), facts: newFacts(&cfg)}
	v.judge = &judge{cfg: &v.cfg, log: v.log, facts: v.facts}
	return v, nil
}

// Flush drops every fact that was read. Call it when the source was replaced.
func (v *Verifier) Flush() { v.facts.flush() }

// CacheBytes returns the memory that facts about tokens take.
func (v *Verifier) CacheBytes() int64 { return v.facts.tokens.Bytes() }

type noMeter struct{}

func (noMeter) Verified(token.Kind)       {}
func (noMeter) VerifyRefused(token.Check) {}
