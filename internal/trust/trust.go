// Package trust judges the JWTs of issuers that the operator trusts, finds the rule by which
// one becomes a token, and issues that token.
//
// The iss that a JWT claims selects the issuer; everything else is read after that
// issuer's signature was checked. The first rule whose claims are all there, with the
// same types and values, decides.
package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/token"
)

// typeIDJAG is the typ of identity assertion authorization grants
// (draft-ietf-oauth-identity-assertion-authz-grant).
const typeIDJAG = "oauth-id-jag+jwt"

// plainTypes are the other values of typ. An access token of another issuer, of typ at+jwt,
// is not among them: it was given to an API, not to us.
func plainTypes() []string { return []string{"", "JWT", "jwt", "JOSE"} }

// Judge judges JWTs. It keeps the keys of each issuer, and its methods may be called from
// any number of goroutines.
type Judge struct {
	cfg Config

	mu    sync.Mutex
	known map[string]known // by the issuer's name
}

// Config configures a Judge. All fields must be set.
type Config struct {
	Audience []string // of JWTs whose issuer has no audience of its own
	Now      func() time.Time
}

type known struct {
	version  string
	verifier *assertion.Verifier
}

// New returns a Judge.
func New(cfg Config) (*Judge, error) {
	if len(cfg.Audience) == 0 || cfg.Now == nil {
		return nil, errors.New("trust: audience and now must be set")
	}
	return &Judge{cfg: cfg, known: map[string]known{}}, nil
}

// Asked is a JWT to be judged.
type Asked struct {
	Value    string
	ClientID string // of the client that has authenticated; "": none
	Grant    bool   // it is an authorization grant (RFC 7523 §2.1), which an ID-JAG is too
}

// Statement is what follows from an accepted JWT.
type Statement struct {
	Rule       records.IssuerRule
	ExternalID string // of the user, for the rule's source; "": the rule is for a client

	Once  records.Once // the name of the JWT
	Until time.Time    // until when it is remembered
}

// Judge returns what follows from a JWT of an issuer. A fault of kind InvalidToken is a
// refusal of what was not signed by the issuer, and InvalidGrant of what was;
// InvalidClient is one of an ID-JAG without its client; Unavailable means that the keys
// could not be read.
func (j *Judge) Judge(ctx context.Context, issuer records.Issuer, x Asked) (*Statement, error) {
	verifier, err := j.verifier(ctx, issuer)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the keys of the issuer %s can't be read now", issuer.Name)
	}
	expect := assertion.Expect{Types: plainTypes(), Audience: j.cfg.Audience, AnyNonce: true, NoIssuedAt: true, MaxAge: issuer.MaxAge}
	if x.Grant {
		expect.Types = append(expect.Types, typeIDJAG)
	}
	if issuer.Audience != "" {
		expect.Audience = []string{issuer.Audience}
	}
	claims, err := verifier.Verify(ctx, x.Value, expect)
	if _, forged := errors.AsType[*token.Refusal](err); forged || err != nil && !fault.Is(err, fault.InvalidToken) {
		return nil, err
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidGrant, "%s", fault.Message(err))
	}
	if err := checkClient(claims, x.ClientID); err != nil {
		return nil, err
	}
	return state(issuer, claims, x.Value)
}

// checkClient refuses an ID-JAG that is presented by a client other than its own.
func checkClient(claims *assertion.Claims, clientID string) error {
	if claims.Type != typeIDJAG {
		return nil
	}
	id, err := claims.Text("client_id")
	switch {
	case err != nil || id == "":
		return fault.New(fault.InvalidGrant, "the assertion has no client_id")
	case clientID == "":
		return fault.New(fault.InvalidClient, "the client must authenticate: an assertion of the type %s is for one client", typeIDJAG)
	case clientID != id:
		return fault.New(fault.InvalidGrant, "the assertion is for another client")
	}
	return nil
}

// maxRemembered is how long a JWT that was used is remembered at most: a year is the
// longest that one is accepted after it was issued.
const maxRemembered = 10 * 366 * 24 * time.Hour

// until returns until when a JWT that was used is remembered: as long as it could be used.
func until(claims *assertion.Claims) time.Time {
	issuedAt := claims.IssuedAt
	if issuedAt.IsZero() {
		issuedAt = claims.NotBefore
	}
	if latest := issuedAt.Add(maxRemembered); claims.Expiry.After(latest) {
		return latest
	}
	return claims.Expiry
}

// state finds the rule of accepted claims.
func state(issuer records.Issuer, claims *assertion.Claims, raw string) (*Statement, error) {
	for _, rule := range issuer.Rules {
		if !rule.Matches(claims.Members()) {
			continue
		}
		s := &Statement{Rule: rule, Once: nameOf(claims, raw), Until: until(claims)}
		if rule.UserClaim == "" {
			return s, nil
		}
		var err error
		if s.ExternalID, err = claims.Text(rule.UserClaim); err != nil || s.ExternalID == "" {
			return nil, fault.New(fault.InvalidGrant, "the assertion doesn't say who the user is: the claim %s is missing or no text", rule.UserClaim)
		}
		return s, nil
	}
	return nil, fault.New(fault.InvalidGrant, "no rule of the issuer %s matches; its rules look at the claims %s",
		issuer.Name, strings.Join(issuer.ClaimsLookedAt(), ", "))
}

// nameOf names a JWT: by its jti or, without one, by what was signed. The signature itself
// may have several spellings.
func nameOf(claims *assertion.Claims, raw string) records.Once {
	if claims.ID != "" {
		return records.OnceOf("trusted jti", claims.Issuer, claims.ID)
	}
	sum := sha256.Sum256([]byte(token.Signed(raw)))
	return records.OnceOf("trusted digest", claims.Issuer, hex.EncodeToString(sum[:]))
}

// verifier returns the verifier of a version of an issuer. A secret is read from its file
// each time, so that it can be changed while the server runs.
func (j *Judge) verifier(ctx context.Context, issuer records.Issuer) (*assertion.Verifier, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if k := j.known[issuer.Name]; k.version == issuer.Version && k.verifier != nil {
		return k.verifier, nil
	}
	keys, err := j.keys(ctx, issuer)
	if err != nil {
		return nil, err
	}
	v, err := assertion.New(assertion.Config{Issuer: issuer.Issuer, Keys: keys, Now: j.cfg.Now})
	if err == nil && issuer.SecretFile == "" {
		j.known[issuer.Name] = known{version: issuer.Version, verifier: v}
	}
	return v, err
}

func (j *Judge) keys(ctx context.Context, issuer records.Issuer) (assertion.Keys, error) {
	switch {
	case issuer.SecretFile != "":
		return assertion.SecretFile("secret_file", issuer.SecretFile)
	case issuer.JWKS != "" && !strings.Contains(issuer.JWKS, "://"):
		return assertion.SetFile(ctx, "jwks", issuer.JWKS, j.cfg.Now)
	}
	client, err := remote.NewClient(issuer.CAFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("of the issuer %s: %w", issuer.Name, err)
	case issuer.JWKS != "":
		return assertion.SetURL(assertion.SetConfig{Name: issuer.Name, Address: issuer.JWKS, Client: client, Now: j.cfg.Now})
	}
	return assertion.Discover(assertion.DiscoverConfig{Name: issuer.Name, Issuer: issuer.Issuer, Client: client, Now: j.cfg.Now})
}
