// Package authorizing lets a person authorize a client: in the browser, by the authorization
// code grant, and for a device without a browser, by the device flow. It decides what may
// be asked, stores what the person answers, and issues the tokens once.
package authorizing

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/verification"
)

// Store is what is read of requests and answers.
type Store interface {
	records.PrincipalReader
	contract.Devices
	contract.Authorizations
}

// Guesses counts wrong user codes of devices in the same way as wrong passwords.
type Guesses interface {
	// Check returns fault.Limited when guesses under the key have failed too often.
	Check(ctx context.Context, key string) error
	// Failed counts a failure under the key. The error is fault.Limited when this one was
	// beyond the limit, because of concurrent failures.
	Failed(ctx context.Context, key string) error
}

// Config configures the flows. Every field must be set.
type Config struct {
	Store    Store
	Journal  *journal.Journal
	Verifier *verification.Verifier
	Core     *issuance.Core
	Policy   issuance.Policy
	Guesses  Guesses
	Quota    *quota.Quota // how often clients may begin, and look-ups
	Now      func() time.Time
}

// Flows runs both flows. Its methods may be called from any number of goroutines.
type Flows struct {
	*Authorizations
	*Devices
}

// New returns the flows.
func New(cfg Config) (*Flows, error) {
	switch {
	case cfg.Store == nil || cfg.Journal == nil || cfg.Verifier == nil || cfg.Core == nil:
		return nil, errors.New("authorizing: store, journal, verifier and core must be set")
	case cfg.Guesses == nil || cfg.Quota == nil || cfg.Now == nil:
		return nil, errors.New("authorizing: guesses, quota and now must be set")
	}
	return &Flows{Authorizations: &Authorizations{cfg: cfg}, Devices: newDevices(cfg)}, nil
}
