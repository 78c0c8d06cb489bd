package authority

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Request asks for a token. The zero value of a field means that nothing was
// asked for; Kind must be set.
type Request struct {
	Kind       token.Kind
	Principal  *records.Principal // whom the token will speak for; nil: the caller, read anew
	Client     *records.Principal // the client to which it is issued; nil: none
	Parent     *Token             // what it is made from; nil: what the caller presented, a password or a client secret
	Audience   string             // RFC 8707 resource, or audience
	Scope      []string           // nil: none asked for
	Collection *int64             // where Principal is given: the one that was read with it
	Lifetime   int64              // seconds
	Usual      int64              // seconds when no lifetime is asked for; 0: the kind's own
	Cap        bool               // a lifetime above the ceiling becomes the ceiling
	TaskType   string             // of task tokens
	Name       string             // of stored tokens
	Prefix     string             // of an API token, where a dialect has its own

	// What a dialect adds to a JWT for its ecosystem; it can't replace a claim.
	ScopeAsList bool
	Claims      map[string]any

	id    string         // of a stored token; "": any
	spend []records.Op   // what this uses up, in the same transaction
	alone bool           // no refresh token can be given beside it
	asOf  revocation.Seq // as of which Parent was found good
}

// Issued is a token that was made. Its value is known here and nowhere else.
type Issued struct {
	Value      token.Secret
	ID         string
	Kind       token.Kind
	Name       string // of stored tokens
	Scope      []string
	Audience   string
	Collection *int64
	Lifetime   int64     // seconds; 0: for ever
	Expiry     time.Time // zero: never
}

// maxChain is how many ids a chain may have; verifying looks each of them up.
const maxChain = 16

// grant is a decision to issue: every rule has passed, nothing is signed yet.
type grant struct {
	id         string
	scope      []string
	audience   string
	collection *int64
	lifetime   int64
	issuedAt   time.Time
	chain      []string
	replaces   string // the id of the API token whose value this one renews

	// Of a refresh token that is issued beside it.
	offline      bool
	family       string
	familyEnd    time.Time // zero: never
	refreshScope []string
}

func (g *grant) expiry() time.Time {
	if g.lifetime == 0 {
		return time.Time{}
	}
	return g.issuedAt.Add(time.Duration(g.lifetime) * time.Second)
}

// Issue decides, signs, and records. A refusal signs nothing and leaves nothing
// behind but its audit event.
func (a *Authority) Issue(ctx context.Context, c *Caller, r *Request) (*Issued, error) {
	r.alone = true
	pair, err := a.issuePair(ctx, c, r)
	return pair.Access, err
}

// ground reads whom the token will speak for, with the collection that it would be
// bound to, in one snapshot.
func (a *Authority) ground(ctx context.Context, c *Caller, r *Request) error {
	r.standOn(c)
	if r.Principal != nil {
		return nil
	}
	if c == nil || c.Principal == nil {
		return fault.New(fault.Unauthenticated, "sign in first")
	}
	who := records.Who{UserID: c.Subject(), Collection: r.Collection}
	if c.Principal.User == nil {
		who = records.Who{ClientID: c.Subject(), Collection: r.Collection}
	}
	if r.Parent.bindsCollection() {
		who.Collection = r.Parent.Collection
	}
	p, err := a.Store.Principal(ctx, who)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.InvalidToken, token.ReasonRevoked)
	}
	r.Principal = &p
	return err
}

// standOn makes what the caller presented the parent, and notes as of when that
// was found good: what has been taken back since takes the new token with it.
func (r *Request) standOn(c *Caller) {
	if c != nil && c.Token != nil && r.Parent == nil {
		r.Parent = c.Token
	}
	switch {
	case r.Parent == nil:
	case c != nil && r.Parent == c.Token:
		r.asOf = c.goodAsOf()
	default:
		r.asOf = r.Parent.Seq
	}
}

// bindsCollection reports whether what is made from the token is bound to its
// collection. A session's is only what the user last chose.
func (t *Token) bindsCollection() bool {
	return t != nil && t.Collection != nil && t.Kind != token.KindSession
}

func issueAction(r *Request) string {
	if r.Parent != nil && !kindRules[r.Kind].rooted && r.Parent.Kind != token.KindSession {
		return audit.TokenExchange
	}
	return audit.TokenIssue
}

// issueRemark says in the audit log what was made.
func issueRemark(r *Request, g *grant) string {
	parts := []string{r.Kind.String()}
	if len(g.scope) > 0 {
		parts = append(parts, "scope "+strings.Join(g.scope, " "))
	}
	if g.collection != nil {
		parts = append(parts, "collection "+strconv.FormatInt(*g.collection, 10))
	}
	return strings.Join(parts, ", ")
}

// decide judges a request by every rule, each on its own.
func (a *Authority) decide(ctx context.Context, c *Caller, r *Request) (*grant, error) {
	now := a.Now().Truncate(time.Second)
	if err := r.checkOrigin(c); err != nil {
		return nil, err
	}
	if err := r.checkSubject(); err != nil {
		return nil, err
	}
	g := &grant{id: cmp.Or(r.id, uuid.NewString()), issuedAt: now, chain: r.chain()}
	right, err := a.Policy.taskRight(r)
	if err != nil {
		return nil, err
	}
	if g.lifetime, err = a.Policy.lifetime(r, right, now.Unix()); err != nil {
		return nil, err
	}
	if g.audience, err = a.Policy.audience(r); err != nil {
		return nil, err
	}
	if g.scope, err = a.scope(ctx, r); err != nil {
		return nil, err
	}
	if g.collection, err = r.collection(); err != nil {
		return nil, err
	}
	return g, r.decideFamily(g)
}

// decideFamily decides about the refresh token that the scope may ask for, and
// about the chain: what comes of a refresh token has its family for a parent.
func (r *Request) decideFamily(g *grant) error {
	fromRefresh := r.Parent != nil && r.Parent.Kind == token.KindRefresh
	if fromRefresh || slices.Contains(g.scope, identity.ScopeOfflineAccess) {
		if err := r.checkOffline(); err != nil {
			return err
		}
		g.offline, g.refreshScope = true, g.scope
		if fromRefresh {
			g.family, g.familyEnd, g.refreshScope = r.Parent.family, r.Parent.ends, r.Parent.Scope
		} else {
			g.family = uuid.NewString()
			g.chain = append(g.chain, g.family)
			if r.Parent != nil {
				g.familyEnd = r.Parent.Expiry
			}
		}
	}
	if len(g.chain) > maxChain {
		return fault.New(fault.Invalid, "the token was traded too many times")
	}
	return nil
}

// make gives the token its form: signed, or opaque with a row to store.
func (a *Authority) make(ctx context.Context, r *Request, g *grant) (*Issued, []records.Op, error) {
	issued := &Issued{
		ID: g.id, Kind: r.Kind, Name: r.Name, Scope: g.scope, Audience: g.audience, Collection: g.collection,
		Lifetime: g.lifetime, Expiry: g.expiry(),
	}
	var row records.StoredToken
	var err error
	if kindRules[r.Kind].typ != "" {
		issued.Value, err = a.sign(ctx, r, g)
	} else {
		issued.Value, row, err = a.opaque(r)
	}
	if err != nil || !kindRules[r.Kind].stored {
		return issued, nil, err
	}
	return issued, []records.Op{records.AddToken{Token: r.complete(row, g)}}, nil
}

// sign signs with the active key. Where that was just taken back by another node, the
// one that follows is read first.
func (a *Authority) sign(ctx context.Context, r *Request, g *grant) (token.Secret, error) {
	key, err := a.Ring.Signing()
	if err != nil && a.Ring.Refresh(ctx) == nil {
		key, err = a.Ring.Signing()
	}
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "no signing key is active")
	}
	raw, err := token.Sign(key, kindRules[r.Kind].typ, a.claims(r, g))
	if err != nil {
		return "", err
	}
	return token.Secret(raw), nil
}

func (a *Authority) claims(r *Request, g *grant) token.Claims {
	c := token.Claims{
		Issuer: a.Policy.Issuer, Subject: r.Principal.Subject(), Audience: []string{g.audience},
		IssuedAt: g.issuedAt, Expiry: g.expiry(), ID: g.id, ClientID: r.clientID(),
		Scope: g.scope, Collection: g.collection, Chain: g.chain, Seq: r.seq(),
		TaskTokenType: r.TaskType, ScopeAsList: r.ScopeAsList, Extra: r.Claims,
	}
	if r.Principal.User != nil {
		c.Username = r.Principal.User.Username
	}
	return c
}

// clientID is the client_id claim. RFC 9068 requires one: a token that a user
// got for themselves, with no client, names the issuer's own pages and command line.
// What has no parent is the user's own, whichever client's token it was made with.
func (r *Request) clientID() string {
	switch {
	case r.Client != nil:
		return r.Client.Client.ID
	case r.Parent != nil && r.Parent.ClientID != "" && !kindRules[r.Kind].rooted:
		return r.Parent.ClientID
	default:
		return OwnClientID
	}
}

// OwnClientID is the client_id of tokens that are issued to no OAuth client. It
// can't be registered as one.
const OwnClientID = "bearerd"

// seq is the sequence as of which the token is decided: the earliest of the
// readings that it rests on.
func (r *Request) seq() revocation.Seq {
	seq := r.Principal.Seq
	if r.Client != nil {
		seq = min(seq, r.Client.Seq)
	}
	if r.Parent != nil {
		seq = min(seq, r.asOf)
	}
	return seq
}

// chain is what the token was made from, root first.
func (r *Request) chain() []string {
	switch {
	case r.Parent == nil || kindRules[r.Kind].rooted:
		return nil
	case r.Parent.Kind == token.KindRefresh:
		return slices.Clone(r.Parent.Chain) // the family, which is its last link, stands for it
	}
	return append(slices.Clone(r.Parent.Chain), r.Parent.ID)
}

func (a *Authority) opaque(r *Request) (token.Secret, records.StoredToken, error) {
	var value token.Secret
	var o token.Opaque
	var err error
	if r.Prefix != "" {
		value, o, err = a.Forms.NewAPIToken(r.Prefix)
	} else {
		value, o, err = a.Forms.New(r.Kind)
	}
	return value, records.StoredToken{Digest: o.Digest, Prefix: o.Prefix, Last4: o.Last4}, err
}

// complete fills in what the row says besides the form of the value.
func (r *Request) complete(row records.StoredToken, g *grant) records.StoredToken {
	row.ID, row.Kind, row.Owner, row.Name = g.id, r.Kind, r.Principal.Subject(), r.Name
	row.Scope, row.Collection, row.Chain, row.Replaces = g.scope, g.collection, g.chain, g.replaces
	row.Seq, row.CreatedAt, row.ExpiresAt = r.seq(), g.issuedAt, g.expiry()
	if r.Client != nil {
		row.ClientID = r.Client.Client.ID
	}
	return row
}

func formatSeconds(n int64) string { return strconv.FormatInt(n, 10) }
