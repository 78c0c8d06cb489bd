package issuance

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// create creates the token that was decided, signed or opaque, with the row to store
// where one is kept.
func (i *core) create(ctx context.Context, r *Request, d *decision) (*Issued, []op.Op, error) {
	issued := &Issued{
		ID: d.id, Kind: r.Kind, Name: r.Name, Scope: d.scope, Audience: d.audience, Collection: d.collection, Networks: d.networks,
		Lifetime: d.lifetime, Expiry: d.expiry(),
	}
	var o token.Opaque
	var err error
	switch {
	case kindRules[r.Kind].typ != "":
		issued.Value, err = i.sign(ctx, r, d)
	case r.Prefix != "":
		issued.Value, o, err = i.cfg.Forms.NewAPIToken(r.Prefix)
	default:
		issued.Value, o, err = i.cfg.Forms.New(r.Kind)
	}
	if err != nil || !kindRules[r.Kind].stored {
		return issued, nil, err
	}
	if r.granting != nil {
		return issued, r.grant(o, d), nil
	}
	row := r.row(o, d)
	row.ID, row.Kind, row.Name, row.Scope = d.id, r.Kind, r.Name, d.scope
	row.Description = r.Description
	row.ExpiresAt = d.expiry()
	if r.renews != nil && !r.renews.Beside {
		row.Replaces = r.renews.ID
	}
	return issued, []op.Op{op.AddToken{Token: row}}, nil
}

// grant returns what is stored of a grant: its row, which has no value, and the code that
// it can be redeemed by.
func (r *Request) grant(o token.Opaque, d *decision) []op.Op {
	row := r.row(token.Opaque{}, d)
	row.ID, row.Kind, row.Name, row.Scope = d.id, token.KindGrant, r.Name, d.scope
	row.ExpiresAt, row.Audience = d.expiry(), d.audience
	code := *r.granting.Code
	code.Digest, code.GrantID = o.Digest, d.id
	return []op.Op{op.AddToken{Token: row}, op.AddCode{Code: code}}
}

// sign signs with the active key. When another node has just revoked that key, the next
// one is read first. The log must be applied up to the sequence as of which the token is
// decided: a node that was disconnected may not have read yet that its key was revoked,
// and no node would accept the token.
func (i *core) sign(ctx context.Context, r *Request, d *decision) (token.Secret, error) {
	if err := i.cfg.Verifier.Reach(ctx, r.Principal.Seq); err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "the revocation log can't be read now").Retry(time.Second)
	}
	key, err := i.signing(ctx)
	if err != nil {
		return "", err
	}
	claims := token.Claims{
		Issuer: i.cfg.Policy.Issuer, Subject: r.Principal.Subject(), Audience: []string{d.audience},
		IssuedAt: d.issuedAt, Expiry: d.expiry(), ID: d.id, ClientID: r.clientID(),
		Scope: d.scope, Collection: d.collection, Chain: d.chain, Actors: r.actors(), Networks: d.networks, Seq: r.seq(),
		TaskTokenType: r.TaskType, AsLists: i.cfg.Policy.Profile.AsLists, Extra: i.cfg.Policy.Profile.claims(r),
	}
	if r.Principal.User != nil {
		claims.Username = r.Principal.User.Username
	}
	raw, err := token.Sign(key, kindRules[r.Kind].typ, claims)
	if err != nil {
		return "", err
	}
	return token.Secret(raw), nil
}

// signing returns the active key.
func (i *core) signing(ctx context.Context) (token.SigningKey, error) {
	key, err := i.cfg.Ring.Signing()
	if err != nil && i.cfg.Ring.Refresh(ctx) == nil {
		key, err = i.cfg.Ring.Signing()
	}
	if err != nil {
		return token.SigningKey{}, fault.Wrap(err, fault.Unavailable, "no signing key is active")
	}
	return key, nil
}

// assertionLife is how long an assertion may be presented.
const assertionLife = 30 * time.Second

// Assert signs an assertion of who is calling, for the application of that audience,
// which then doesn't need to trust its network. It can't be used as a token, because of
// its type.
func (i *Issuer) Assert(ctx context.Context, id *verification.Identity, audience string) (string, error) {
	key, err := i.signing(ctx)
	if err != nil {
		return "", err
	}
	now := i.cfg.Now().Truncate(time.Second)
	claims := token.Claims{
		Issuer: i.cfg.Policy.Issuer, Subject: id.Token.Subject, Audience: []string{audience},
		IssuedAt: now, Expiry: now.Add(assertionLife), ID: uuid.NewString(),
		Scope: id.Token.Scope, Collection: id.Token.Collection, Seq: id.Token.Seq, Extra: map[string]any{"token_id": id.Token.ID},
	}
	if !id.Subject.Client {
		claims.Username = id.Subject.Username
	}
	return token.Sign(key, token.TypeAssertion, claims)
}

// createRefresh creates the refresh token of a pair. The first one of a family has the
// family's id, which is then in the chain of everything made from it. Each may be unused
// for as long as the first, but none outlives what the first was made from.
func (i *core) createRefresh(r *Request, d *decision) (*Issued, op.Op, error) {
	value, o, err := i.cfg.Forms.New(token.KindRefresh)
	if err != nil {
		return nil, nil, err
	}
	row := r.row(o, d)
	row.ID, row.Kind, row.Name, row.Scope = uuid.NewString(), token.KindRefresh, "refresh token", d.refreshScope
	row.Audience, row.Family, row.EndsAt = d.audience, d.family, d.familyEnd
	row.Granted = r.ofGrant()
	if r.Parent != nil && r.Parent.Kind == token.KindRefresh {
		row.IssuedFor = r.Parent.ID
	}
	row.ExpiresAt = d.issuedAt.Add(i.cfg.Policy.RefreshIdle)
	if !row.EndsAt.IsZero() && row.EndsAt.Before(row.ExpiresAt) {
		row.ExpiresAt = row.EndsAt
	}
	issued := &Issued{Value: value, ID: row.ID, Kind: row.Kind, Scope: row.Scope, Expiry: row.ExpiresAt}
	return issued, op.AddToken{Token: row}, nil
}

// row returns what every row of a request has in common: the form of the value, its
// owner, and what it was decided on.
func (r *Request) row(o token.Opaque, d *decision) records.StoredToken {
	row := records.StoredToken{
		Digest: o.Digest, Prefix: o.Prefix, Last4: o.Last4, Owner: r.Principal.Subject(),
		Collection: d.collection, Networks: d.networks, Chain: d.chain, Seq: r.seq(), CreatedAt: d.issuedAt,
		SignIn: r.signIn,
	}
	if id := r.clientID(); id != identity.OwnClientID {
		row.ClientID = id
	}
	return row
}

// clientID returns the client_id claim. RFC 9068 requires one: a token that a user got
// without a client names the issuer's own pages and command line. What is made from a
// client's token belongs to that client too, and is revoked with it.
func (r *Request) clientID() string {
	switch {
	case r.Client != nil:
		return r.Client.Client.ID
	case r.renews != nil && r.renews.ClientID != "":
		return r.renews.ClientID
	case r.renews == nil && r.hasParent() && r.Parent.ClientID != "":
		return r.Parent.ClientID
	}
	return identity.OwnClientID
}

// seq returns the sequence as of which the token is decided: the earliest sequence of the
// readings that it is based on.
func (r *Request) seq() revocation.Seq {
	seq := r.Principal.Seq
	if r.Client != nil {
		seq = min(seq, r.Client.Seq)
	}
	if r.Parent != nil {
		seq = min(seq, r.asOf)
	}
	if r.actor != nil {
		seq = min(seq, r.actor.AsOf())
	}
	return seq
}
