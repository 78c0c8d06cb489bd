package directory

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Clients reads and changes OAuth clients.
type Clients struct {
	store  thingStore
	editor *changes.Editor
	forms  token.Forms
}

// CreateClient creates an OAuth client. With generate and no secret in n, a secret is
// generated and returned, only once; a client with keys has none. Without any of them,
// the client is public.
func (cl *Clients) CreateClient(ctx context.Context, c *caller.Caller, n identity.NewClient, generate bool) (identity.Client, token.Secret, error) {
	if err := cl.editor.Admit(ctx, c, audit.ClientCreate, n.ID); err != nil {
		return identity.Client{}, "", err
	}
	var generated token.Secret
	if generate && n.Secret == "" && !n.Keys.Any() {
		secret, err := cl.newSecret()
		if err != nil {
			return identity.Client{}, "", err
		}
		n.Secret, generated = secret, secret
	}
	creation, client, err := cl.editor.CreateClient(n, "")
	if err != nil {
		return client, "", err
	}
	if _, err := cl.editor.Commit(ctx, c, creation); err != nil {
		return client, "", err
	}
	return client, generated, nil
}

// UpdateClient replaces a client's grants, scopes, audiences and the clients whose tokens
// it may exchange, and its secret when n has one. When the client loses something by it,
// the tokens issued to it are revoked. A new secret counts as a loss: use RotateSecret to
// keep the old one, and the tokens, for some time.
func (cl *Clients) UpdateClient(ctx context.Context, c *caller.Caller, n identity.NewClient) (identity.Client, error) {
	if err := cl.editor.Admit(ctx, c, audit.ClientUpdate, n.ID); err != nil {
		return identity.Client{}, err
	}
	old, err := cl.find(ctx, n.ID)
	if err != nil {
		return identity.Client{}, err
	}
	return cl.update(ctx, c, old, n)
}

// RotateSecret replaces a client's secret and returns the new one, only once. The old one
// is valid until the overlap ends, by the clock that judges expiry, which never goes
// back. A client has two secrets at most: another rotation during an overlap ends the
// oldest one at once. A public client, which has no old one, becomes a confidential one.
func (cl *Clients) RotateSecret(ctx context.Context, c *caller.Caller, x identity.Rotation) (token.Secret, identity.Client, error) {
	if err := cl.editor.Admit(ctx, c, audit.ClientSecret, x.ID); err != nil {
		return "", identity.Client{}, err
	}
	if x.Overlap < 0 || x.Overlap > int64(changes.MaxSecretOverlap/time.Second) {
		return "", identity.Client{}, fault.New(fault.Invalid, "the overlap is a number of seconds from 0 to %d (90 days)",
			int64(changes.MaxSecretOverlap/time.Second)).In("overlap")
	}
	client, err := cl.find(ctx, x.ID)
	if err != nil {
		return "", client, err
	}
	if client.Keys.Any() {
		return "", client, fault.New(fault.Invalid, "the client authenticates by its keys, and has no secret").In("id")
	}
	if x.Secret == "" {
		if x.Secret, err = cl.newSecret(); err != nil {
			return "", client, err
		}
	}
	digest, err := identity.DigestSecret(x.Secret.Reveal())
	if err != nil {
		return "", client, err
	}
	if slices.Equal(digest, client.SecretDigest) {
		return "", client, fault.New(fault.Conflict, "this is the client's secret already").In("secret")
	}
	if _, err := cl.editor.Commit(ctx, c, cl.editor.RotateSecret(&client, digest, x)); err != nil {
		return "", client, err
	}
	return x.Secret, client, nil
}

// RemoveClient removes a client. Everything that was issued to it is revoked.
func (cl *Clients) RemoveClient(ctx context.Context, c *caller.Caller, id string) (revocation.Receipt, error) {
	if err := cl.editor.Admit(ctx, c, audit.ClientRemove, id); err != nil {
		return revocation.Receipt{}, err
	}
	return cl.editor.Commit(ctx, c, cl.editor.RemoveClient(id))
}

// Client returns the client that has this id, for administrators.
func (cl *Clients) Client(ctx context.Context, c *caller.Caller, id string) (identity.Client, error) {
	if err := c.RequireAdministrator(); err != nil {
		return identity.Client{}, err
	}
	return cl.find(ctx, id)
}

// ClientPage returns a page of the clients, for administrators.
func (cl *Clients) ClientPage(ctx context.Context, c *caller.Caller, q records.ThingQuery) (records.CountedPage[identity.Client], error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.CountedPage[identity.Client]{}, err
	}
	return cl.store.ClientPage(ctx, q)
}

// ClientList returns every client, for administrators.
func (cl *Clients) ClientList(ctx context.Context, c *caller.Caller) ([]identity.Client, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return readAll(ctx, cl.store.ClientPage)
}

func (cl *Clients) find(ctx context.Context, id string) (identity.Client, error) {
	p, err := cl.store.Principal(ctx, records.Who{ClientID: id})
	if err != nil {
		return identity.Client{}, err
	}
	return *p.Client, nil
}

func (cl *Clients) update(ctx context.Context, c *caller.Caller, old identity.Client, n identity.NewClient) (identity.Client, error) {
	update, client, err := cl.editor.UpdateClient(old, n)
	if err != nil {
		return client, err
	}
	_, err = cl.editor.Commit(ctx, c, update)
	return client, err
}

func (cl *Clients) newSecret() (token.Secret, error) {
	value, _, err := cl.forms.New(token.KindClientSecret)
	return value, err
}
