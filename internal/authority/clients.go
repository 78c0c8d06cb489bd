package authority

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// NewClient is an OAuth client to be made, or its new state.
type NewClient struct {
	ID                        string
	Grants, Scopes, Audiences []string
	Secret                    token.Secret // at least 32 characters; "" keeps or makes none
}

// CreateClient adds an OAuth client. With generate and no secret of its own, one
// is made and given back, this once; with neither, the client is public.
func (a *Authority) CreateClient(ctx context.Context, c *Caller, n NewClient, generate bool) (identity.Client, token.Secret, error) {
	var made token.Secret
	if generate && n.Secret == "" {
		secret, err := a.newSecret()
		if err != nil {
			return identity.Client{}, "", err
		}
		n.Secret, made = secret, secret
	}
	one, client, err := a.createClientAct(n)
	if err != nil {
		return client, "", err
	}
	if _, err := a.administer(ctx, c, one); err != nil {
		return client, "", err
	}
	return client, made, nil
}

func (a *Authority) createClientAct(n NewClient) (act, identity.Client, error) {
	client, err := n.client()
	if err != nil {
		return act{}, client, err
	}
	return act{action: audit.ClientCreate, target: client.ID, ops: []Op{CreateClient{client}}}, client, nil
}

// client validates. An id that could be a user's subject, or that stands for no
// client, would let one speak for the other.
func (n NewClient) client() (identity.Client, error) {
	client := identity.Client{ID: n.ID, Grants: n.Grants, Scopes: n.Scopes, Audiences: n.Audiences}
	if _, err := uuid.Parse(n.ID); err == nil || n.ID == OwnClientID {
		return client, fault.New(fault.Invalid, "a client's id can be neither a UUID nor %q", OwnClientID).In("id")
	}
	if n.Secret != "" {
		digest, err := identity.DigestSecret(n.Secret.Reveal())
		if err != nil {
			return client, err
		}
		client.SecretDigest = digest
	}
	return client, client.Validate()
}

// UpdateClient replaces a client's grants, scopes and audiences, and its secret
// when one is given. What narrows the client voids the tokens issued to it.
func (a *Authority) UpdateClient(ctx context.Context, c *Caller, n NewClient) (identity.Client, error) {
	if err := a.admit(ctx, c, audit.ClientUpdate, n.ID); err != nil {
		return identity.Client{}, err
	}
	p, err := a.Store.Principal(ctx, Who{ClientID: n.ID})
	if err != nil {
		return identity.Client{}, err
	}
	one, client, err := a.updateClientAct(*p.Client, n)
	if err != nil {
		return client, err
	}
	_, err = a.administer(ctx, c, one)
	return client, err
}

// RenewClientSecret gives a client a new secret, which is told this once. Whoever had
// the old one loses what they got by it. A public client is one no more.
func (a *Authority) RenewClientSecret(ctx context.Context, c *Caller, id string) (token.Secret, error) {
	client, err := a.Client(ctx, c, id)
	if err != nil {
		return "", err
	}
	secret, err := a.newSecret()
	if err != nil {
		return "", err
	}
	n := NewClient{ID: id, Grants: client.Grants, Scopes: client.Scopes, Audiences: client.Audiences, Secret: secret}
	if _, err := a.UpdateClient(ctx, c, n); err != nil {
		return "", err
	}
	return secret, nil
}

func (a *Authority) updateClientAct(old identity.Client, n NewClient) (act, identity.Client, error) {
	client := identity.Client{ID: n.ID, SecretDigest: old.SecretDigest, Grants: n.Grants, Scopes: n.Scopes, Audiences: n.Audiences}
	if n.Secret != "" {
		digest, err := identity.DigestSecret(n.Secret.Reveal())
		if err != nil {
			return act{}, client, err
		}
		client.SecretDigest = digest
	}
	if err := client.Validate(); err != nil {
		return act{}, client, err
	}
	one := act{
		action: audit.ClientUpdate, target: client.ID, ops: []Op{UpdateClient{client}},
		log: []revocation.Entry{a.cutOff(revocation.Access, client.ID)}, // nodes remember clients
	}
	if narrows(old, client) {
		one.log = []revocation.Entry{a.cutOff(revocation.Client, client.ID)}
		one.ops = append(one.ops, KillTokens{ClientID: client.ID, At: a.Now(), Reason: "client changed"})
	}
	return one, client, nil
}

// narrows reports whether something that the client could have before is gone. A
// new secret is one: whoever had the old one loses what they got by it.
func narrows(old, now identity.Client) bool {
	scopes := len(identity.Subset(old.Scopes, now.Scopes)) > 0 || len(old.Scopes) == 0 && len(now.Scopes) > 0
	return scopes || len(identity.Subset(old.Grants, now.Grants)) > 0 ||
		len(identity.Subset(old.Audiences, now.Audiences)) > 0 ||
		!slices.Equal(old.SecretDigest, now.SecretDigest)
}

// RemoveClient removes a client; what was issued to it is void.
func (a *Authority) RemoveClient(ctx context.Context, c *Caller, id string) (Receipt, error) {
	return a.administer(ctx, c, a.removeClientAct(id))
}

func (a *Authority) removeClientAct(id string) act {
	return act{
		action: audit.ClientRemove, target: id,
		ops: []Op{RemoveClient{id}, KillTokens{ClientID: id, At: a.Now(), Reason: "client removed"}},
		log: []revocation.Entry{a.cutOff(revocation.Client, id)},
	}
}

// ClientList gives every client, to administrators.
func (a *Authority) ClientList(ctx context.Context, c *Caller) ([]identity.Client, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.Store.Clients(ctx)
}

// KeyList gives every signing key without its private half, to administrators.
func (a *Authority) KeyList(ctx context.Context, c *Caller) ([]keyring.Key, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	if err := a.Ring.Refresh(ctx); err != nil {
		return nil, err
	}
	keys := a.Ring.Keys()
	for i := range keys {
		keys[i].Sealed = nil
	}
	return keys, nil
}

// keyNews is the id of a log entry that voids nothing and tells every node to read
// the signing keys anew. No kid looks like it: they are thumbprints.
const keyNews = "next"

// RotateKeys shows a next signing key at once; it signs when it has been shown for
// the JWK Set's cache time, or at once with atOnce. Tokens live on.
func (a *Authority) RotateKeys(ctx context.Context, c *Caller, atOnce bool) error {
	_, err := a.administer(ctx, c, act{
		action: audit.KeyRotate, ops: []Op{ChangeKeys{Plan: a.Ring.PlanRotate(atOnce)}},
		log: []revocation.Entry{a.cutOff(revocation.SigningKey, keyNews)},
	})
	if err != nil {
		return err
	}
	return a.Ring.Refresh(ctx)
}

// RetireKey takes a signing key back with all that it signed. When it was active,
// the next key signs at once.
func (a *Authority) RetireKey(ctx context.Context, c *Caller, kid string) (Receipt, error) {
	r, err := a.administer(ctx, c, act{
		action: audit.KeyRetire, target: kid, ops: []Op{ChangeKeys{Plan: a.Ring.PlanRetire(kid)}},
		log: []revocation.Entry{a.cutOff(revocation.SigningKey, kid)},
	})
	if err != nil {
		return r, err
	}
	return r, a.Ring.Refresh(ctx)
}
