package issuerclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// maxEdgeFactAge is how long an edge keeps what the log says nothing about.
const maxEdgeFactAge = verification.DefaultMaxFactAge

// ErrOtherKeys is the error when a token that the issuer has just signed doesn't verify with its
// keys.
var ErrOtherKeys = errors.New("the token that it has just issued was signed with another key")

// Probe is what a look at the issuer found.
type Probe struct {
	Scopes []string      // those that people can have; empty: any
	Skew   time.Duration // by how much the clock here is ahead of the issuer's
}

// Probe asks the issuer for its metadata and keys, gets a token as the client, and
// introspects it, without following the log. The error is the first that would keep this
// edge from accepting tokens.
func (v *Client) Probe(ctx context.Context) (Probe, error) {
	s, err := v.web.discover(ctx, v.cfg)
	if err != nil {
		return Probe{}, err
	}
	p := Probe{Scopes: s.scopes}
	if !s.date.IsZero() {
		p.Skew = v.cfg.Now().Sub(s.date)
	}
	v.site.CompareAndSwap(nil, s)
	if err := v.keys.fetch(ctx); err != nil {
		return p, err
	}
	raw, _, err := v.stream.own.bearer(ctx, s)
	if err != nil {
		return p, err
	}
	if _, err := token.Verify(raw, v.keys.find); err != nil {
		return p, fmt.Errorf("%w: %w", ErrOtherKeys, err)
	}
	f, err := v.asker.question(ctx, question{raw: raw})
	switch {
	case err != nil:
		if cause := errors.Unwrap(err); cause != nil {
			err = cause
		}
		return p, err
	case !f.active:
		return p, errors.New("it says that the token that it has just issued is not active")
	}
	return p, nil
}

// OtherIssuer returns the name in an error that the metadata is that of another issuer; ""
// for every other error.
func OtherIssuer(err error) string {
	if e, ok := errors.AsType[*otherIssuerError](err); ok {
		return e.name
	}
	return ""
}

// IsRefused reports whether an error is that the issuer answered and refused, with that
// error code of OAuth.
func IsRefused(err error, code string) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && e.code == code
}

// factsOf asks who the token's user is and, where a collection is named, whether that
// exists.
func (s *source) factsOf(ctx context.Context, raw string, t *verification.Token, collection *int64) (*verification.Subject, error) {
	if raw == "" {
		return nil, unavailable(errors.New("the value of the token is not known"), cantAsk)
	}
	q := question{raw: raw, known: true}
	if collection != nil {
		q.collection = strconv.FormatInt(*collection, 10)
	}
	found, err := s.ask(ctx, q, t)
	if err != nil {
		return nil, err
	}
	return found.facts, nil
}

// spreadOver is the time over which edges ask again after the log has said that facts which
// all of them keep may have changed.
const spreadOver = 100 * time.Millisecond

// accessNews is when the log last had an entry by which facts are asked for again, on the
// clock.
type accessNews struct{ at atomic.Int64 }

// watch notes such entries.
func (n *accessNews) watch(l *revocation.Ledger) {
	l.OnApply(func(c revocation.Change) {
		for _, e := range c.Entries {
			switch e.What { //nolint:exhaustive // what revokes needs no question
			case revocation.Access, revocation.Role, revocation.Group, revocation.Collection:
				n.at.Store(int64(l.Clock()))
			}
		}
	})
}

// latest returns when that was; 0: there was none.
func (n *accessNews) latest() time.Duration { return time.Duration(n.at.Load()) }

// spread waits for a random part of what is left of spreadOver since the last news, so that
// many edges don't ask at one moment.
func (n *accessNews) spread(ctx context.Context, now time.Duration) {
	news := n.latest()
	if left := news + spreadOver - now; news > 0 && left > 0 {
		sleep.For(ctx, rand.N(left)) //nolint:gosec // spreads the questions, hides nothing
	}
}

// errNoFacts is the error of an issuer that doesn't know facts=true.
var errNoFacts = errors.New("it does not say what the user may do (the version of the issuer is too old)")

// parseFacts reads what an introspection says of the user of an active token.
func parseFacts(body []byte, t *verification.Token) (*verification.Subject, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return nil, err
	}
	if !o.Has("permissions") || !o.Has("groups") {
		return nil, errNoFacts
	}
	s := &verification.Subject{ID: t.Subject, Client: t.OfClient(), Username: t.Username, Seq: t.AsOf}
	var permissions []struct {
		Action string `json:"action"`
		Path   string `json:"path"`
	}
	if err := firstError(
		o.Optional("name", &s.Name), o.Optional("email", &s.Email), o.Read("groups", &s.Groups), o.Read("permissions", &permissions),
		o.Optional("collection_exists", &s.CollectionExists),
	); err != nil {
		return nil, err
	}
	for _, p := range permissions {
		permission := access.Permission{Action: p.Action, Path: access.Path(p.Path)}
		if err := permission.Validate(); err != nil {
			return nil, fmt.Errorf("a permission: %w", err)
		}
		s.Grants = append(s.Grants, access.Grant{Action: p.Action, Path: permission.Path, Via: access.ViaUser})
	}
	return s, nil
}
