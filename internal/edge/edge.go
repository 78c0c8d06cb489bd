// Package edge makes the decisions of "bearerd edge": it verifies tokens like a node, without a
// database. It follows the issuer's revocation log, asks the issuer once for what a token
// doesn't say, and keeps that under the log.
//
// Package [issuerclient], which the public package verify uses too, follows and asks the
// issuer. This package has the state that is reported, and the checks of a configuration
// against an issuer.
package edge

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/issuerclient"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Config says for which issuer an edge verifies, and as which client of that issuer. All fields
// except CAFile, SecretFile, Meter and CacheBytes must be set.
type Config struct {
	Issuer           string
	Audience         string // the default audience
	ClientID         string
	ClientSecretFile string
	CAFile           string   // "": the system's
	SecretFile       string   // with the secret of an issuer that signs with HS256; "": it publishes its keys
	Label            string   // the name of this edge for people
	Scopes           []string // those that routes and requirements ask for
	CacheBytes       int64
	Meter            verification.Meter
	Now              func() time.Time
	Log              *slog.Logger
}

// askedPerSecond is how often the issuer may be asked about tokens that this edge has not
// seen, and ten times as often about those that it has.
const askedPerSecond = 500

// Edge verifies for one issuer. New returns one, Follow runs it.
type Edge struct {
	*issuerclient.Client

	cfg  Config
	stop sync.Once
}

// New returns an edge. It refuses everything with 503 until Follow has reached the issuer.
func New(ctx context.Context, c Config) (*Edge, error) {
	roots, err := remote.Roots(c.CAFile)
	if err != nil {
		return nil, err
	}
	const wait = 10 * time.Second
	client, err := issuerclient.New(ctx, issuerclient.Config{
		Issuer: c.Issuer, Audience: c.Audience, ClientID: c.ClientID, ClientSecretFile: c.ClientSecretFile, SharedSecretFile: c.SecretFile,
		Confirm: c.Label, CacheBytes: c.CacheBytes, NewTokensPerSecond: askedPerSecond, Logger: c.Log, Now: c.Now,
		HTTPClient: &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: wait}).DialContext,
			ForceAttemptHTTP2: true, TLSHandshakeTimeout: wait, ResponseHeaderTimeout: wait,
			MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		}},
		Edge: &issuerclient.Edge{AddressOf: func(ctx context.Context) netip.Addr { return audit.OriginOf(ctx).Addr() }, Meter: c.Meter},
	})
	if err != nil {
		return nil, err
	}
	return &Edge{Client: client, cfg: c}, nil
}

// Follow follows the issuer until ctx ends.
func (e *Edge) Follow(ctx context.Context) error {
	e.Begin()
	<-ctx.Done()
	e.stop.Do(e.Close)
	return nil
}

// CheckSession checks a session. The error is fault.InvalidToken for one that isn't valid.
func (e *Edge) CheckSession(ctx context.Context, raw string) error {
	_, err := e.Decision().Identify(ctx, raw, verification.Requirements{Kinds: []token.Kind{token.KindSession}})
	return err
}

// Status returns how far the issuer's log has been applied here.
func (e *Edge) Status() revocation.Status {
	l, h := e.Ledger(), e.Health()
	s := revocation.Status{
		Applied: l.Applied(), Head: l.Applied(), LeaseAge: l.LeaseAge(), Fresh: h.Ready,
		Live: h.Revocations, LiveBytes: h.RevocationBytes, OverBudget: l.Set().OverBudget(), Err: h.Err,
	}
	select {
	case <-l.Ready():
		s.Ready = true
	default:
	}
	return s
}

// Unready returns why this edge should get no requests; "" when it should.
func (e *Edge) Unready() string {
	h := e.Health()
	switch {
	case h.Ready:
		return ""
	case h.Err != nil:
		return "no news of the issuer: " + h.Err.Error()
	case h.Age < 0:
		return "the issuer has not been reached yet"
	}
	return "no news of the issuer"
}
