package authorizing

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Authorizations runs the authorization code grant (RFC 6749 §4.1, with RFC 7636, RFC 8707
// and RFC 9700):
//
//	t0  A person's browser brings a client's request. Before the person is asked, it is decided whether the client, and this person, may have what the request asks for.
//	t1  The person allows it, or a part of it. One transaction stores a grant, which is the root of the chain of everything issued for it, and a code, whose value the client gets.
//	t2  The client brings the code with its verifier, within a minute, once. One
//	    transaction spends the code and issues. A second use of the code revokes the grant.
//
// What is revoked between t0 and t2 revokes what is issued: the grant has the sequence of
// the session's check, and the tokens have the grant's.
type Authorizations struct {
	cfg Config
}

// codeLife is how long a code is valid.
const codeLife = time.Minute

// Asked is an authorization request whose client and redirect URI are known to be good.
type Asked struct {
	Client   *records.Principal
	Redirect identity.Redirect
	Resource issuance.Resource
	Scope    []string // as it was asked for, without offline_access
	Omitted  bool     // the request left the redirect URI out
	Document bool     // nobody registered the client: its document says who it is
	// Challenge is S256 of the verifier (RFC 7636 §4.2).
	Challenge string
	Digest    [32]byte // a digest of what people are shown of the client, for consent that is remembered
}

// Asking is an authorization request as it was sent.
type Asking struct {
	ResponseType, Challenge, ChallengeMethod string
	Scope, Resource                          string
}

// Ask decides whether a person may be asked about a request. The errors are those that a
// client is answered with (RFC 6749 §4.1.2.1, RFC 8707 §2): Invalid, InvalidScope,
// InvalidTarget, UnauthorizedClient, UnsupportedGrantType for another response type than
// code.
func (a *Authorizations) Ask(ctx context.Context, client *records.Principal, redirect identity.Redirect, x Asking) (*Asked, error) {
	switch {
	case !client.Client.MayUse(identity.GrantTypeAuthorizationCode):
		return nil, fault.New(fault.UnauthorizedClient, "the client may not ask people for access")
	case x.ResponseType == "":
		return nil, fault.New(fault.Invalid, "response_type is missing").In("response_type")
	case x.ResponseType != "code":
		return nil, fault.New(fault.UnsupportedGrantType, "the response type is code").In("response_type")
	case x.Challenge == "" || x.ChallengeMethod != "S256":
		return nil, fault.New(fault.Invalid, "a code_challenge with the method S256 is needed (RFC 7636)").In("code_challenge")
	case !isChallenge(x.Challenge):
		return nil, fault.New(fault.Invalid, "the code_challenge is not the S256 of a verifier").In("code_challenge")
	}
	resource, err := a.cfg.Policy.Resource(x.Resource)
	if err != nil {
		return nil, err
	}
	scope, err := identity.ParseScope(x.Scope)
	if err != nil {
		return nil, err
	}
	scope = slices.DeleteFunc(scope, func(name string) bool { return name == identity.ScopeOfflineAccess })
	for _, name := range scope {
		if err := a.checkScope(ctx, client.Client, resource, name); err != nil {
			return nil, err
		}
	}
	return &Asked{
		Client: client, Redirect: redirect, Resource: resource, Scope: scope, Challenge: x.Challenge, Digest: knownAs(client.Client),
	}, nil
}

// checkScope refuses what nobody could allow. Built-in scopes are for registered clients
// that list them.
func (a *Authorizations) checkScope(ctx context.Context, client *identity.Client, resource issuance.Resource, name string) error {
	switch {
	case slices.Contains(identity.BuiltinScopes(), name) && !slices.Contains(client.Scopes, name),
		!issuance.ClientAllows(client, name):
		return fault.New(fault.InvalidScope, "the client may not have the scope %s", name).In("scope")
	case len(resource.Scopes) > 0 && !slices.Contains(resource.Scopes, name) && !slices.Contains(identity.BuiltinScopes(), name):
		return fault.New(fault.InvalidScope, "the resource has no scope %s", name).In("scope")
	}
	return a.cfg.Core.CheckDeclared(ctx, name)
}

// isChallenge reports whether s has the form of an S256 challenge.
func isChallenge(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// knownAs returns the digest of what people are shown of a client.
func knownAs(c *identity.Client) [32]byte {
	uris := slices.Sorted(slices.Values(c.RedirectURIs))
	return sha256.Sum256([]byte(c.Name + "\x00" + strings.Join(uris, "\x00")))
}

// Remembered returns what a person has allowed this client before, when that is all that it
// asks for now; nil otherwise. What anybody on the person's machine could ask for is asked
// each time (RFC 8252 §8.6), and so is a client that is known by another name or redirect
// URI than then.
func (a *Authorizations) Remembered(ctx context.Context, c *caller.Caller, x *Asked) (*Allowed, error) {
	if x.Redirect.Unproven || !c.BySession() {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	known, err := a.cfg.Store.Consent(ctx, c.ID(), x.Client.Client.ID, x.Resource.Audience)
	if fault.Is(err, fault.NotFound) || err == nil && (known.Digest != x.Digest || len(identity.Subset(x.Scope, known.Scope)) > 0) {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	if err != nil {
		return nil, err
	}
	return &Allowed{Scope: x.Scope, Collection: known.Collection}, nil
}

// Allowed is what a person allows of what was asked.
type Allowed struct {
	Scope      []string
	Collection *int64 // nil: all that the person has
	Lifetime   int64  // seconds; 0: the longest
	Remember   bool
}

// Allow stores a grant, and returns the code for the client. The caller is the
// person, by a session.
func (a *Authorizations) Allow(ctx context.Context, c *caller.Caller, x *Asked, allowed Allowed) (token.Secret, error) {
	if !c.BySession() {
		return "", caller.ErrSignIn
	}
	if extra := identity.Subset(allowed.Scope, x.Scope); len(extra) > 0 {
		return "", fault.New(fault.InvalidScope, "the scope %s was not asked for", extra[0]).In("scope")
	}
	if len(x.Scope) > 0 && len(allowed.Scope) == 0 {
		return "", fault.New(fault.AccessDenied, "nothing was allowed")
	}
	code := &records.Code{ClientID: x.Client.Client.ID, Challenge: x.Challenge, ExpiresAt: a.cfg.Now().Add(codeLife)}
	if !x.Omitted {
		code.RedirectURI = x.Redirect.URI
	}
	r := &issuance.Request{
		Kind: token.KindGrant, Client: x.Client, Scope: allowed.Scope, Collection: allowed.Collection, Lifetime: allowed.Lifetime,
		Name: clientName(x.Client.Client),
	}
	terms := issuance.Terms{Granting: &issuance.Granting{Resource: x.Resource, Code: code}, Alone: true}
	if r.Scope == nil {
		r.Scope = []string{}
	}
	// Consent with an end that the person chose isn't remembered: the next grant would
	// have no end.
	if allowed.Remember && allowed.Lifetime == 0 && !x.Redirect.Unproven {
		terms.Spend = append(terms.Spend, op.RememberConsent{Consent: records.Consent{
			UserID: c.ID(), ClientID: x.Client.Client.ID, Audience: x.Resource.Audience, Scope: allowed.Scope,
			Collection: allowed.Collection, Digest: x.Digest, At: a.cfg.Now(),
		}})
	}
	if x.Document { // whose keys the token endpoint must know as long as there is a grant
		terms.Spend = append(terms.Spend, op.KnowDocument{
			ClientID: x.Client.Client.ID, Keys: x.Client.Client.Keys, Until: a.cfg.Now().Add(a.cfg.Policy.AuthorizationMax),
		})
	}
	pair, err := a.cfg.Core.Issue(ctx, c, r, terms)
	if err != nil {
		return "", err
	}
	return pair.Access.Value, nil
}

func clientName(c *identity.Client) string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

// CodeUse is a use of an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5).
type CodeUse struct {
	Client                      *caller.Caller // authenticated, or public
	Code, RedirectURI, Verifier string
	Audience                    string // of resource; "": none named
	Lifetime                    int64
}

// RedeemCode issues the tokens of a grant for its code, once: a second use revokes the
// grant, and a wrong verifier or redirect URI uses the code up (RFC 9700 §2.1.1). The
// error is InvalidGrant where the code isn't valid.
func (a *Authorizations) RedeemCode(ctx context.Context, x CodeUse) (issuance.Pair, error) {
	if err := caller.RequireCodeGrant(x.Client); err != nil {
		return issuance.Pair{}, err
	}
	if err := a.cfg.Quota.LookUp(ctx); err != nil {
		return issuance.Pair{}, err
	}
	asOf := a.cfg.Verifier.Standing().AsOf
	code, row, seq, err := a.cfg.Store.Code(ctx, token.Digest(x.Code))
	if fault.Is(err, fault.NotFound) {
		a.cfg.Quota.NotFound(ctx)
		return issuance.Pair{}, fault.New(fault.InvalidGrant, "unknown code")
	}
	if err != nil {
		return issuance.Pair{}, err
	}
	grant := source.TokenOf(row, seq)
	now := a.cfg.Now()
	switch {
	case code.ClientID != x.Client.Principal.Client.ID:
		return issuance.Pair{}, fault.New(fault.InvalidGrant, "the code was issued to another client")
	case !code.UsedAt.IsZero():
		return issuance.Pair{}, a.usedTwice(ctx, x.Client, grant)
	case !now.Before(code.ExpiresAt) || grant.Ended != "":
		return issuance.Pair{}, fault.New(fault.InvalidGrant, "the code is no longer valid")
	case x.RedirectURI != code.RedirectURI:
		return issuance.Pair{}, a.spoilt(ctx, x.Client, code, "the redirect URI is not that of the request")
	case !verifies(x.Verifier, code.Challenge):
		return issuance.Pair{}, a.spoilt(ctx, x.Client, code, "the code_verifier is not that of the request")
	case x.Audience != "" && !a.cfg.Policy.IsFor(grant, x.Audience):
		return issuance.Pair{}, fault.New(fault.InvalidTarget, "the code is for another resource").In("resource")
	}
	subject, err := a.cfg.Verifier.Subject(ctx, grant)
	if fault.Is(err, fault.NotFound) {
		return issuance.Pair{}, fault.New(fault.InvalidGrant, token.ReasonRevoked)
	}
	if err != nil {
		return issuance.Pair{}, err
	}
	pair, err := a.cfg.Core.Issue(ctx, caller.ByToken(&verification.Identity{Token: grant, Subject: subject, AsOf: asOf}), &issuance.Request{
		Kind: token.KindAccess, Parent: grant, Client: x.Client.Principal, Lifetime: x.Lifetime,
	}, issuance.Terms{
		Refreshes: x.Client.Principal.Client.MayUse(identity.GrantTypeRefreshToken),
		Spend:     append(x.Client.Once(), op.SpendCode{Digest: code.Digest, At: now}),
	})
	switch {
	case fault.Is(err, fault.Conflict):
		return issuance.Pair{}, a.usedTwice(ctx, x.Client, grant)
	case fault.Is(err, fault.InvalidToken), fault.Is(err, fault.Forbidden):
		return issuance.Pair{}, fault.Wrap(err, fault.InvalidGrant, "%s", fault.Message(err))
	}
	return pair, err
}

// verifies reports whether a verifier is the one of a challenge (RFC 7636 §4.6). It has 43
// to 128 characters (§4.1).
func verifies(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	good := subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
	return good && len(verifier) >= 43 && len(verifier) <= 128
}

// spoilt uses up a code that was presented with something wrong, and returns the reason.
func (a *Authorizations) spoilt(ctx context.Context, client *caller.Caller, code records.Code, reason string) error {
	refusal := fault.New(fault.InvalidGrant, "%s", reason)
	e := a.cfg.Journal.Event(ctx, client.Actor(), audit.TokenIssue)
	e.Target, e.TokenID, e.Outcome, e.Reason = client.ID(), code.GrantID, audit.Refused, reason
	_, err := a.cfg.Journal.Commit(ctx, op.Batch{
		Ops: append(client.Once(), op.SpendCode{Digest: code.Digest, At: a.cfg.Now()}), Audit: []audit.Event{e},
	})
	if err != nil && !fault.Is(err, fault.Conflict) {
		return err
	}
	return refusal
}

// usedTwice revokes a grant whose code was presented a second time: one of the two uses
// may be a thief's (RFC 6749 §4.1.2).
func (a *Authorizations) usedTwice(ctx context.Context, client *caller.Caller, grant *verification.Token) error {
	read := a.cfg.Journal.Reading()
	ops, entries := a.cfg.Journal.Kill(journal.Kill{
		ID: grant.ID, Expiry: grant.Expiry, Opaque: true, Reason: "code used twice",
		Consent: &op.ForgetConsent{UserID: grant.Subject, ClientID: grant.ClientID},
	})
	e := a.cfg.Journal.Event(ctx, client.Actor(), audit.TokenReuse)
	e.Target, e.TokenID, e.Reason = grant.Subject, grant.ID, "an authorization code was used twice"
	_, err := a.cfg.Journal.RevokeRest(ctx, op.Batch{Ops: append(client.Once(), ops...), Log: entries, Audit: []audit.Event{e}}, read, revocation.WaitDefault)
	if err != nil {
		return err
	}
	return fault.New(fault.InvalidGrant, "the code was used before; what was issued for it is revoked")
}
