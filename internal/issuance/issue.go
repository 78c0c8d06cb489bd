package issuance

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Issuer issues tokens for those who ask for them.
type Issuer struct{ *core }

// Request asks for a token. The zero value of a field means that it was not asked for;
// Kind must be set.
type Request struct {
	Kind        token.Kind
	Principal   *records.Principal  // whom the token is issued for; nil: the caller, read from the store
	Client      *records.Principal  // the client to which it is issued; nil: none
	Parent      *verification.Token // what it is made from; nil: what the caller presented, a password or a client secret
	Audience    string              // RFC 8707 resource, or audience
	Scope       []string            // nil: none asked for
	Collection  *int64              // where Principal is set: the one that was read with it
	Networks    networks.List       // that the token may be used from; nil: none asked for
	Lifetime    int64               // seconds
	Usual       int64               // seconds when no lifetime is asked for; 0: the kind's own
	Cap         bool                // a lifetime above the ceiling becomes the ceiling
	TaskType    string              // of task tokens
	Name        string              // of stored tokens
	Description string              // of API tokens
	Prefix      string              // of an API token; "": the operator's

	id     string         // of a stored token; "": any
	renews *Renewal       // the API token whose value this one renews; nil: none
	spend  []op.Op        // what this request uses up, in the same transaction
	again  bool           // a refresh token is used a second time: what is issued is a sibling
	alone  bool           // no refresh token can be issued with it
	asOf   revocation.Seq // as of which Parent was accepted
	actor  *caller.Caller // who acts for the subject, by a token; nil: nobody but those that Parent names
	signIn records.SignIn // of a session: how it begins
	// granting is set of a grant: what it is for, and its code.
	granting  *Granting
	refreshes bool     // a refresh token is issued with it, asked for or not
	trusted   *Trusted // by which rule of a trusted issuer; nil: none
}

// Issued is a token that was issued. Its value is nowhere else.
type Issued struct {
	Value      token.Secret
	ID         string
	Kind       token.Kind
	Name       string // of stored tokens
	Scope      []string
	Audience   string
	Collection *int64
	Networks   networks.List // that it may be used from; nil: any
	Lifetime   int64         // seconds; 0: for ever
	Expiry     time.Time     // zero: never
}

// Pair is an access token and, where one was asked for, a refresh token.
type Pair struct {
	Access  *Issued
	Refresh *Issued // nil: none
}

// Issue decides, signs, and records. The caller's request is not changed. The errors are
// Unauthenticated for an anonymous caller, Forbidden and InsufficientScope where this
// caller may not have such a token, and the kind of the rule that refused it.
func (i *Issuer) Issue(ctx context.Context, c *caller.Caller, r *Request) (*Issued, error) {
	own := *r
	own.alone = true
	pair, err := i.issuePair(ctx, c, &own)
	return pair.Access, err
}

// IssueFor issues a token for a user, named by subject or username, at the operator's
// request. The same rules hold, except those about what was presented.
func (i *Issuer) IssueFor(ctx context.Context, c *caller.Caller, ref string, r *Request) (*Issued, error) {
	if !c.IsOperator() {
		return nil, fault.New(fault.Forbidden, "only the operator issues tokens for others")
	}
	p, err := records.ReadUser(ctx, i.cfg.Store, ref, r.Collection)
	if err != nil {
		return nil, err
	}
	own := *r
	own.Principal = p
	return i.Issue(ctx, c, &own)
}

// StartSession issues a session for a user who has just signed in; its value is for
// a cookie. The collection is what the user has chosen to work in, and may be nil. It is
// named after the program that the user signs in with.
func (i *Issuer) StartSession(ctx context.Context, c *caller.Caller, collection *int64) (*Issued, error) {
	if err := c.RequireSignedIn(); err != nil {
		return nil, err
	}
	name := cmp.Or(audit.OriginOf(ctx).Client(), "session")
	return i.Issue(ctx, c, &Request{Kind: token.KindSession, Principal: c.Principal, Collection: collection, Name: name, signIn: c.SignIn})
}

// ClientCredentials asks for an access token for the client itself (RFC 6749 §4.4).
type ClientCredentials struct {
	Client   *caller.Caller // authenticated by its secret
	Scope    []string       // nil: none
	Audience string         // or resource; "": the default
	Lifetime int64          // seconds; 0: none asked for
}

// ClientCredentials issues the token. The error is InvalidClient for a client that
// did not authenticate, UnauthorizedClient for one that may not use this grant
// type, and otherwise that of Issue.
func (i *Issuer) ClientCredentials(ctx context.Context, x ClientCredentials) (*Issued, error) {
	if x.Client.Client() == nil {
		return nil, caller.ErrBadClient
	}
	return i.Issue(ctx, x.Client, &Request{
		Kind: token.KindAccess, Principal: x.Client.Principal, Client: x.Client.Principal,
		Scope: x.Scope, Audience: x.Audience, Lifetime: x.Lifetime, spend: x.Client.Once(),
	})
}

// DeclaredScopes returns the scopes that a user may ask for, each with its
// description: the operator's, and credentials and admin.
func (i *Issuer) DeclaredScopes() map[string]string {
	out := map[string]string{
		identity.ScopeCredentials: "create API keys and API tokens, and manage all of your tokens",
		identity.ScopeAdmin:       "use administrative rights on the management API",
	}
	maps.Copy(out, i.cfg.Policy.Scopes)
	return out
}

// issuePair issues a token and, when its scope asks for offline access, a refresh token,
// in one transaction with what the request uses up.
func (i *core) issuePair(ctx context.Context, c *caller.Caller, r *Request) (Pair, error) {
	if err := i.admit(ctx, c, r); err != nil {
		return Pair{}, err
	}
	if err := i.limit(c, r); err != nil {
		return Pair{}, err
	}
	if err := i.loadSubject(ctx, c, r); err != nil {
		return Pair{}, err
	}
	d, err := i.decide(ctx, r)
	if err != nil {
		return Pair{}, i.refuse(ctx, c, r, err)
	}
	var pair Pair
	ops := r.spend
	if d.offline {
		refresh, o, err := i.createRefresh(r, d)
		if err != nil {
			return Pair{}, err
		}
		pair.Refresh, ops = refresh, append(ops, o)
	}
	read := i.cfg.Journal.Reading()
	issued, stored, err := i.create(ctx, r, d)
	if err != nil {
		return Pair{}, err
	}
	e := i.cfg.Journal.Event(ctx, c.Actor(), r.action())
	e.Target, e.TokenID, e.Reason = r.Principal.Subject(), d.id, d.remark(r)
	// It is committed in the database that has the signing key: another one may have lost it.
	_, err = i.cfg.Journal.Commit(ctx, op.Batch{
		Ops: append(ops, stored...), Audit: []audit.Event{e}, Origin: read.Origin(),
	})
	if err != nil {
		return Pair{}, err
	}
	i.cfg.Meter.Issued(r.Kind)
	pair.Access = issued
	return pair, nil
}

// admit is the first step of every operation that issues: it makes what the caller
// presented the parent and decides whether this caller may have such a token; with a strong
// scope, by a session, only after a fresh sign-in. The refusal of a known caller is
// recorded.
func (i *core) admit(ctx context.Context, c *caller.Caller, r *Request) error {
	if c == nil {
		return caller.ErrSignIn
	}
	r.useParent(c)
	err := r.checkOrigin(c)
	if err == nil && slices.ContainsFunc(r.Scope, identity.StrongScope) {
		err = c.RequireFresh(i.cfg.Now(), i.cfg.Policy.Fresh)
	}
	if err != nil {
		return i.refuse(ctx, c, r, err)
	}
	return nil
}

// limit counts what is issued to a user who presented a token or session. Checking a
// password is slow enough to need no further limit.
func (i *core) limit(c *caller.Caller, r *Request) (err error) {
	switch {
	case r.Parent == nil || c.Unlimited():
		return nil
	case r.Kind == token.KindAPIToken || r.Kind == token.KindExchangeKey:
		err = i.cfg.Quota.Create(c.ID())
	default:
		err = i.cfg.Quota.Exchange(c.ID())
	}
	if err != nil {
		i.cfg.Meter.IssueRefused(fault.KindOf(err))
	}
	return err
}

// useParent makes what the caller presented the parent, and records the sequence as of
// which it was accepted: what was revoked since then revokes the new token too.
func (r *Request) useParent(c *caller.Caller) {
	if r.Parent == nil {
		r.Parent = c.Token
	}
	switch r.Parent {
	case nil:
	case c.Token:
		r.asOf = c.AsOf()
	default:
		r.asOf = r.Parent.Seq
	}
}

// loadSubject reads whom the token is issued for, with the collection that it would be
// bound to, in one snapshot.
func (i *core) loadSubject(ctx context.Context, c *caller.Caller, r *Request) error {
	if r.Principal != nil {
		return nil
	}
	if c.Subject == nil {
		return caller.ErrSignIn
	}
	who := records.Who{UserID: c.ID(), Collection: r.Collection}
	if c.Subject.Client {
		who = records.Who{ClientID: c.ID(), Collection: r.Collection}
	}
	if r.Parent.BindsCollection() {
		who.Collection = r.Parent.Collection
	}
	p, err := i.cfg.Store.Principal(ctx, who)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.InvalidToken, token.ReasonRevoked)
	}
	r.Principal = &p
	return err
}

// refuse records that a known caller was refused a token, and returns the reason.
func (i *core) refuse(ctx context.Context, c *caller.Caller, r *Request, reason error) error {
	i.cfg.Meter.IssueRefused(fault.KindOf(reason))
	e := i.cfg.Journal.Event(ctx, c.Actor(), r.action())
	e.Target = c.ID()
	if r.Principal != nil {
		e.Target = r.Principal.Subject()
	}
	if r.trusted != nil {
		return i.refuseBy(ctx, e, r.trusted.String(), reason)
	}
	return i.cfg.Journal.Refuse(ctx, e, reason)
}

// action returns how the audit log names what the request asks for.
func (r *Request) action() string {
	if r.trusted != nil && r.trusted.Exchange || r.Parent != nil && !kindRules[r.Kind].credential && r.Parent.Kind != token.KindSession {
		return audit.TokenExchange
	}
	return audit.TokenIssue
}

// maxChain is how many ids a chain may have; verifying looks each of them up.
const maxChain = 16

// decision is what will be issued: every rule has passed, nothing is signed yet.
type decision struct {
	id         string
	scope      []string
	audience   string
	collection *int64
	networks   networks.List
	lifetime   int64 // seconds; 0: for ever
	issuedAt   time.Time
	chain      []string // what it was made from, root first

	// Of a refresh token that is issued with it.
	offline      bool
	family       string
	familyEnd    time.Time // zero: never
	refreshScope []string
}

// expiry returns when the token ends; zero: never.
func (d *decision) expiry() time.Time {
	if d.lifetime == 0 {
		return time.Time{}
	}
	return d.issuedAt.Add(time.Duration(d.lifetime) * time.Second)
}

// remark returns the audit log's description of what was issued.
func (d *decision) remark(r *Request) string {
	parts := []string{r.Kind.String()}
	if r.again {
		parts = append(parts, "for a refresh token used again within its grace")
	}
	if len(d.scope) > 0 {
		parts = append(parts, "scope "+strings.Join(d.scope, " "))
	}
	if d.collection != nil {
		parts = append(parts, "collection "+strconv.FormatInt(*d.collection, 10))
	}
	if d.networks != nil {
		parts = append(parts, "from "+d.networks.String())
	}
	if r.trusted != nil {
		parts = append(parts, "by the issuer "+r.trusted.String())
	}
	if actor := r.actorRemark(); actor != "" {
		parts = append(parts, actor)
	}
	return strings.Join(parts, ", ")
}

// decide applies all other rules to an admitted request, one after another.
func (i *core) decide(ctx context.Context, r *Request) (*decision, error) {
	if err := r.checkSubject(); err != nil {
		return nil, err
	}
	d := &decision{id: cmp.Or(r.id, uuid.NewString()), issuedAt: i.cfg.Now().Truncate(time.Second), chain: r.chain()}
	right, err := i.cfg.Policy.taskRight(r)
	if err != nil {
		return nil, err
	}
	if d.lifetime, err = i.cfg.Policy.lifetime(r, right, d.issuedAt.Unix()); err != nil {
		return nil, err
	}
	if d.audience, err = i.cfg.Policy.audience(r); err != nil {
		return nil, err
	}
	if d.scope, err = i.scope(ctx, r); err != nil {
		return nil, err
	}
	if d.collection, err = r.collection(); err != nil {
		return nil, err
	}
	if d.networks, err = r.networks(); err != nil {
		return nil, err
	}
	return d, r.decideFamily(d)
}

// decideFamily decides about the refresh token that the scope may ask for, and about the
// chain: the parent of what is made from a refresh token is its family.
func (r *Request) decideFamily(d *decision) error {
	fromRefresh := r.Parent != nil && r.Parent.Kind == token.KindRefresh
	if fromRefresh || r.refreshes || slices.Contains(d.scope, identity.ScopeOfflineAccess) {
		if err := r.checkOffline(); err != nil {
			return err
		}
		d.offline, d.refreshScope = true, d.scope
		if fromRefresh {
			d.family, d.familyEnd, d.refreshScope = r.Parent.Family, r.Parent.FamilyEnd, r.Parent.Scope
		} else {
			d.family = uuid.NewString()
			d.chain = append(d.chain, d.family)
			if r.Parent != nil {
				d.familyEnd = r.Parent.Expiry
			}
		}
	}
	if len(d.chain) > maxChain {
		return fault.New(fault.Invalid, "the token was traded too many times")
	}
	return nil
}

// chain returns what the token is made from, root first: its parent, then the token of
// who acts for its subject. A regenerated token has the chain of the old one.
// The chain of a trusted issuer's token begins with the version of the rule.
func (r *Request) chain() []string {
	switch {
	case r.renews != nil:
		return slices.Clone(r.renews.Chain)
	case r.trusted != nil:
		return []string{r.trusted.Rule.ID}
	case !r.hasParent():
		return nil
	case r.Parent.Kind == token.KindRefresh:
		return slices.Clone(r.Parent.Chain) // the chain ends with its family, which represents it
	}
	chain := linksOf(r.Parent, r.clientID())
	if r.actor == nil {
		return chain
	}
	for _, link := range linksOf(r.actor.Token, r.clientID()) {
		if !slices.Contains(chain, link) {
			chain = append(chain, link)
		}
	}
	return chain
}
