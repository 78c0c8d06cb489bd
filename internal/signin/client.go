package signin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// ClientAuthenticator authenticates OAuth clients. Its methods may be called from any number of
// goroutines.
type ClientAuthenticator struct {
	cfg     *Config
	clients *cache.Cache[*records.Principal]
}

// AuthenticateClient authenticates an OAuth client by its secret (RFC 6749 §2.3).
// The error is caller.ErrBadClient, alike for an unknown client, a public one, and a
// wrong secret, or Unavailable. An old secret ends with its overlap by the ledger's
// clock, which never goes back.
func (a *ClientAuthenticator) AuthenticateClient(ctx context.Context, id, secret string) (*caller.Caller, error) {
	p, err := a.client(ctx, id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err != nil || !p.Client.HasSecret() {
		// The work of comparing a secret with none.
		sum := sha256.Sum256([]byte(secret))
		_ = subtle.ConstantTimeCompare(sum[:], make([]byte, len(sum)))
		return nil, caller.ErrBadClient
	}
	if !p.Client.CheckSecret(secret, a.cfg.Ledger.Now()) {
		return nil, caller.ErrBadClient
	}
	return caller.ByPrincipal(p), nil
}

// IdentifyClient returns a public client, which has neither a secret nor keys, by its id. The
// error is that of AuthenticateClient.
func (a *ClientAuthenticator) IdentifyClient(ctx context.Context, id string) (*caller.Caller, error) {
	p, _, err := a.KnownClient(ctx, id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err != nil || !p.Client.Public() {
		return nil, caller.ErrBadClient
	}
	return caller.PublicClient(p), nil
}

// KnownClient returns a client by its id: one that is registered or, where its document may be
// read, one that nobody registered, with the keys that it had when somebody allowed it
// something. It says nothing about who sent the request. The error is NotFound.
func (a *ClientAuthenticator) KnownClient(ctx context.Context, id string) (p *records.Principal, registered bool, err error) {
	p, err = a.client(ctx, id)
	if !fault.Is(err, fault.NotFound) || a.cfg.ClientURL == nil || !a.cfg.ClientURL(id) {
		return p, err == nil, err
	}
	// What it may have is decided by the code or the grant that it presents.
	p = &records.Principal{Client: identity.ClientOfURL(id), Seq: a.cfg.Ledger.Applied()}
	p.Client.Keys, err = a.cfg.Store.DocumentKeys(ctx, id)
	return p, false, err
}

// ClientNamed returns a registered client by its id, for pages that show which client
// asks. It says nothing about who sent the request. The error is NotFound.
func (a *ClientAuthenticator) ClientNamed(ctx context.Context, id string) (*records.Principal, error) {
	return a.client(ctx, id)
}

// What is kept of clients: bounds in bytes, and for how long.
const (
	clientCache   = 4 << 20
	typicalClient = 1 << 10
	maxClientAge  = time.Hour
)

// client returns a client: from memory while the log has no newer entry about it and this
// node holds a lease, otherwise from the store. Every change of a client is in the log.
func (a *ClientAuthenticator) client(ctx context.Context, id string) (*records.Principal, error) {
	ledger, now := a.cfg.Ledger, a.cfg.Now()
	lease, asOf, epoch := ledger.Lease(), ledger.Applied(), ledger.Epoch()
	if p, ok := a.clients.Get(id, now); ok && a.unchangedSince(p.Seq, id) && lease.Holds() {
		known := *p
		known.Seq = max(p.Seq, asOf) // what is issued by it is based on a reading as new as that
		return &known, nil
	}
	if err := a.cfg.Quota.LookUp(ctx); err != nil {
		return nil, err
	}
	p, err := a.cfg.Store.Principal(ctx, records.Who{ClientID: id})
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			a.cfg.Quota.NotFound(ctx)
		}
		return nil, err
	}
	if epoch == ledger.Epoch() {
		a.clients.Put(id, &p, now)
	}
	return &p, nil
}

// unchangedSince reports whether the log has said nothing about a client since.
func (a *ClientAuthenticator) unchangedSince(seq revocation.Seq, id string) bool {
	for _, what := range []revocation.What{revocation.Client, revocation.Subject, revocation.Access} {
		if a.cfg.Ledger.Set().CutOff(revocation.KeyOf(what, id)) > seq {
			return false
		}
	}
	return true
}

// applied drops what was read of clients when entries of the log were missed.
func (a *ClientAuthenticator) applied(c revocation.Change) {
	if c.Missed {
		a.clients.Flush()
	}
}
