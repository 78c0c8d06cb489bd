// Package clientauth authenticates OAuth clients by JWTs that they sign with a key of their own
// (private_key_jwt, RFC 7523 §2.2 as draft-ietf-oauth-rfc7523bis changes it).
//
// An assertion is the client's when iss and sub are its id and one of its keys signed it;
// it is only for bearerd when aud is bearerd's issuer, as one string; it expires within
// five minutes, and its jti can be used once. What a request does uses it up, in the same
// transaction: of two requests that present it, at any nodes, one is refused, and a
// request that is refused for another reason uses nothing up.
//
// The keys are those that an operator registered or, for a client that nobody registered,
// those that its document named when somebody allowed it something. A set at an address
// is fetched when it is needed and kept as assertion.SetURL says; that of a document is
// fetched by the reader of documents, which connects only to public addresses.
package clientauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/token"
)

// Type is the client_assertion_type of a JWT (RFC 7523 §2.2).
const Type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Algorithms are those that an assertion may be signed with. None has a shared key.
func Algorithms() []token.Algorithm {
	return []token.Algorithm{token.EdDSA, token.ES256, token.RS256, token.PS256}
}

// types are the values of typ: the one for the purpose, and those that say nothing, which most
// libraries send.
func types() []string { return []string{"client-authentication+jwt", "JWT", "jwt", ""} }

const (
	maxAhead = 5 * time.Minute // from now to exp
	// afterExpiry is for how long after its expiry an assertion is remembered, because
	// nodes' clocks differ.
	afterExpiry = 2 * time.Minute

	keyCache   = 8 << 20
	typicalSet = 8 << 10
	maxSetAge  = 24 * time.Hour
)

// Config configures an Authenticator. Every field but Fetch must be set.
type Config struct {
	Issuer string // aud
	// Client returns the client of an id, and whether somebody registered it. The error is
	// NotFound.
	Client  func(ctx context.Context, id string) (p *records.Principal, registered bool, err error)
	Journal *journal.Journal
	// Fetch reads the key set that the document of a client names; nil: there are no such
	// clients.
	Fetch func(ctx context.Context, address string) ([]byte, http.Header, error)
	Now   func() time.Time
}

// Authenticator authenticates clients. Its methods may be called from any number of goroutines.
type Authenticator struct {
	cfg    Config
	client *http.Client // for the addresses that operators name

	mu   sync.Mutex
	sets *cache.Cache[assertion.Keys]
}

// New returns an Authenticator.
func New(cfg Config) (*Authenticator, error) {
	if cfg.Issuer == "" || cfg.Client == nil || cfg.Journal == nil || cfg.Now == nil {
		return nil, errors.New("clientauth: issuer, client, journal and now must be set")
	}
	client, err := remote.NewClient("")
	if err != nil {
		return nil, err
	}
	return &Authenticator{cfg: cfg, client: client, sets: cache.New(cache.Config[assertion.Keys]{
		Budget: keyCache, Typical: typicalSet, MaxAge: maxSetAge,
		Cost: func(string, assertion.Keys) int64 { return typicalSet },
	})}, nil
}

// Credential is the credential in a request.
type Credential struct {
	Type      string // client_assertion_type
	Assertion string // client_assertion
	ClientID  string // client_id; "": only the assertion names the client
}

// Authenticate returns the client that signed an assertion. What the request does must use up
// caller.Caller.Once. The error is Invalid where a parameter is missing, InvalidClient
// for an assertion that isn't valid (caller.ErrBadClient, the same for an unknown client
// and another's signature), and Unavailable where the client's keys can't be read now.
func (a *Authenticator) Authenticate(ctx context.Context, x Credential) (*caller.Caller, error) {
	switch {
	case x.Type == "":
		return nil, fault.New(fault.Invalid, "client_assertion_type is missing").In("client_assertion_type")
	case x.Assertion == "":
		return nil, fault.New(fault.Invalid, "client_assertion is missing").In("client_assertion")
	case x.Type != Type:
		return nil, fault.New(fault.InvalidClient, "the client_assertion_type is %s", Type)
	}
	id := token.UnverifiedIssuer(x.Assertion)
	switch {
	case identity.ValidateClientID(id) != nil:
		return nil, caller.ErrBadClient
	case x.ClientID != "" && x.ClientID != id:
		return nil, fault.New(fault.InvalidClient, "client_id is not the client whose assertion it is")
	}
	p, registered, err := a.cfg.Client(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && !p.Client.Keys.Any() {
		return nil, caller.ErrBadClient
	}
	if err != nil {
		return nil, err
	}
	once, err := a.judge(ctx, p.Client, registered, x.Assertion)
	if err != nil {
		return nil, err
	}
	if !registered {
		return caller.DocumentClient(p, once), nil
	}
	return caller.ByAssertion(p, once), nil
}

// judge returns the operations that use up an assertion of a client, if it is valid.
func (a *Authenticator) judge(ctx context.Context, c *identity.Client, registered bool, raw string) (op.Spend, error) {
	keys, err := a.keysOf(c.Keys, registered)
	if err != nil {
		return op.Spend{}, fault.Wrap(err, fault.Unavailable, "the keys of the client can't be read")
	}
	v, err := assertion.New(assertion.Config{Issuer: c.ID, Keys: keys, Now: a.cfg.Now})
	if err != nil {
		return op.Spend{}, err
	}
	claims, err := v.Verify(ctx, raw, assertion.Expect{
		Types: types(), Audience: []string{a.cfg.Issuer}, SoleAudience: true, OneAudience: true, AnyNonce: true,
		MaxAhead: maxAhead, NeedID: true, NoIssuedAt: true,
	})
	if _, forged := errors.AsType[*token.Refusal](err); forged {
		return op.Spend{}, caller.ErrBadClient
	}
	if fault.Is(err, fault.InvalidToken) { // the client's own: it may know why
		return op.Spend{}, fault.Wrap(err, fault.InvalidClient, "%s", fault.Message(err))
	}
	if err != nil {
		return op.Spend{}, err
	}
	if claims.Subject != c.ID {
		return op.Spend{}, fault.New(fault.InvalidClient, "the sub of the assertion is not its iss")
	}
	return op.Spend{
		Once: records.OnceOf("client assertion", c.ID, claims.ID), Until: claims.Expiry.Add(afterExpiry),
		Else: fault.New(fault.InvalidClient, "the client assertion was used before"),
	}, nil
}

// UseUp uses up the assertion of a caller whose request changes nothing else. The error is
// InvalidClient where it was used before.
func (a *Authenticator) UseUp(ctx context.Context, c *caller.Caller) error {
	once := c.Once()
	if len(once) == 0 {
		return nil
	}
	_, err := a.cfg.Journal.Commit(ctx, op.Batch{Ops: once})
	return err
}

// keysOf returns the keys of a client. Clients with the same set share it, so that it is
// fetched once.
func (a *Authenticator) keysOf(k identity.ClientKeys, registered bool) (assertion.Keys, error) {
	name := strconv.FormatBool(registered) + " " + k.URI
	if k.JWKS != "" {
		sum := sha256.Sum256([]byte(k.JWKS))
		name = "set " + string(sum[:])
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if keys, ok := a.sets.Get(name, a.cfg.Now()); ok {
		return keys, nil
	}
	keys, err := a.newKeys(k, registered)
	if err == nil {
		a.sets.Put(name, keys, a.cfg.Now())
	}
	return keys, err
}

// newKeys returns the keys of a client for the first time.
func (a *Authenticator) newKeys(k identity.ClientKeys, registered bool) (assertion.Keys, error) {
	switch {
	case k.JWKS != "":
		return assertion.Set([]byte(k.JWKS))
	case registered:
		return assertion.SetURL(assertion.SetConfig{Name: "the client", Address: k.URI, Client: a.client, Now: a.cfg.Now})
	case a.cfg.Fetch == nil:
		return nil, errors.New("clientauth: nothing reads the keys of documents")
	}
	return assertion.SetFrom("the client", a.cfg.Now, func(ctx context.Context) ([]byte, http.Header, error) {
		return a.cfg.Fetch(ctx, k.URI)
	}), nil
}
