package directory

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Clients reads and changes OAuth clients.
type Clients struct {
	store  records.Directory
	editor *editor
	forms  token.Forms
}

// NewClient is an OAuth client to be created, or its new state.
type NewClient struct {
	ID                        string
	Grants, Scopes, Audiences []string
	Secret                    token.Secret // at least 32 characters; "": keep the secret, or create none
}

// CreateClient creates an OAuth client. With generate and no secret in n, a secret is
// generated and returned, this once. Without either, the client is public.
func (cl *Clients) CreateClient(ctx context.Context, c *caller.Caller, n NewClient, generate bool) (identity.Client, token.Secret, error) {
	if err := cl.editor.admit(ctx, c, audit.ClientCreate, n.ID); err != nil {
		return identity.Client{}, "", err
	}
	var generated token.Secret
	if generate && n.Secret == "" {
		secret, err := cl.newSecret()
		if err != nil {
			return identity.Client{}, "", err
		}
		n.Secret, generated = secret, secret
	}
	creation, client, err := createClient(n, "")
	if err != nil {
		return client, "", err
	}
	if _, err := cl.editor.commit(ctx, c, creation); err != nil {
		return client, "", err
	}
	return client, generated, nil
}

// UpdateClient replaces a client's grants, scopes and audiences, and its secret when
// n has one. When the client loses something by it, the tokens issued to it are
// revoked.
func (cl *Clients) UpdateClient(ctx context.Context, c *caller.Caller, n NewClient) (identity.Client, error) {
	if err := cl.editor.admit(ctx, c, audit.ClientUpdate, n.ID); err != nil {
		return identity.Client{}, err
	}
	old, err := cl.find(ctx, n.ID)
	if err != nil {
		return identity.Client{}, err
	}
	return cl.update(ctx, c, old, n)
}

// RenewClientSecret replaces a client's secret by a new one and returns it, this once.
// What was issued to the client is revoked. A public client becomes a confidential
// one.
func (cl *Clients) RenewClientSecret(ctx context.Context, c *caller.Caller, id string) (token.Secret, error) {
	if err := cl.editor.admit(ctx, c, audit.ClientUpdate, id); err != nil {
		return "", err
	}
	old, err := cl.find(ctx, id)
	if err != nil {
		return "", err
	}
	secret, err := cl.newSecret()
	if err != nil {
		return "", err
	}
	n := NewClient{ID: id, Grants: old.Grants, Scopes: old.Scopes, Audiences: old.Audiences, Secret: secret}
	if _, err := cl.update(ctx, c, old, n); err != nil {
		return "", err
	}
	return secret, nil
}

// RemoveClient removes a client. Everything that was issued to it is revoked.
func (cl *Clients) RemoveClient(ctx context.Context, c *caller.Caller, id string) (revocation.Receipt, error) {
	if err := cl.editor.admit(ctx, c, audit.ClientRemove, id); err != nil {
		return revocation.Receipt{}, err
	}
	return cl.editor.commit(ctx, c, cl.editor.removeClient(id))
}

// Client returns the client that has this id, for administrators.
func (cl *Clients) Client(ctx context.Context, c *caller.Caller, id string) (identity.Client, error) {
	if err := c.RequireAdministrator(); err != nil {
		return identity.Client{}, err
	}
	return cl.find(ctx, id)
}

// ClientList returns every client, for administrators.
func (cl *Clients) ClientList(ctx context.Context, c *caller.Caller) ([]identity.Client, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return cl.store.Clients(ctx)
}

func (cl *Clients) find(ctx context.Context, id string) (identity.Client, error) {
	p, err := cl.store.Principal(ctx, records.Who{ClientID: id})
	if err != nil {
		return identity.Client{}, err
	}
	return *p.Client, nil
}

func (cl *Clients) update(ctx context.Context, c *caller.Caller, old identity.Client, n NewClient) (identity.Client, error) {
	update, client, err := cl.editor.updateClient(old, n)
	if err != nil {
		return client, err
	}
	_, err = cl.editor.commit(ctx, c, update)
	return client, err
}

func (cl *Clients) newSecret() (token.Secret, error) {
	value, _, err := cl.forms.New(token.KindClientSecret)
	return value, err
}

// createClient validates a new client. An id that could be a user's subject, or that
// stands for no client, would let one speak for the other.
func createClient(n NewClient, owner string) (change, identity.Client, error) {
	if _, err := uuid.Parse(n.ID); err == nil || n.ID == identity.OwnClientID {
		return change{}, identity.Client{}, fault.New(fault.Invalid, "a client's id can be neither a UUID nor %q", identity.OwnClientID).In("id")
	}
	client, err := n.client(nil)
	if err != nil {
		return change{}, client, err
	}
	client.Owner = owner
	return change{action: audit.ClientCreate, target: client.ID, ops: []records.Op{records.CreateClient{Client: client}}}, client, nil
}

// client returns the client that n describes, which keeps the digest of its present
// secret when n has no secret.
func (n NewClient) client(secretDigest []byte) (identity.Client, error) {
	client := identity.Client{ID: n.ID, SecretDigest: secretDigest, Grants: n.Grants, Scopes: n.Scopes, Audiences: n.Audiences}
	if n.Secret != "" {
		digest, err := identity.DigestSecret(n.Secret.Reveal())
		if err != nil {
			return client, err
		}
		client.SecretDigest = digest
	}
	return client, client.Validate()
}

func (e *editor) updateClient(old identity.Client, n NewClient) (change, identity.Client, error) {
	client, err := n.client(old.SecretDigest)
	if err != nil {
		return change{}, client, err
	}
	update := change{
		action: audit.ClientUpdate, target: client.ID, ops: []records.Op{records.UpdateClient{Client: client}},
		log: []revocation.Entry{e.journal.CutOff(revocation.Access, client.ID)}, // nodes remember clients
	}
	if narrows(old, client) {
		update.log = []revocation.Entry{e.journal.CutOff(revocation.Client, client.ID)}
		update.ops = append(update.ops, records.KillTokens{ClientID: client.ID, At: e.journal.Now(), Reason: "client changed"})
	}
	return update, client, nil
}

// narrows reports whether the client lost something that it could have before. A new
// secret counts: what was obtained with the old one must end with it.
func narrows(old, now identity.Client) bool {
	scopes := len(identity.Subset(old.Scopes, now.Scopes)) > 0 || len(old.Scopes) == 0 && len(now.Scopes) > 0
	return scopes || len(identity.Subset(old.Grants, now.Grants)) > 0 ||
		len(identity.Subset(old.Audiences, now.Audiences)) > 0 ||
		!slices.Equal(old.SecretDigest, now.SecretDigest)
}

func (e *editor) removeClient(id string) change {
	return change{
		action: audit.ClientRemove, target: id,
		ops: []records.Op{records.RemoveClient{ID: id}, records.KillTokens{ClientID: id, At: e.journal.Now(), Reason: "client removed"}},
		log: []revocation.Entry{e.journal.CutOff(revocation.Client, id)},
	}
}
