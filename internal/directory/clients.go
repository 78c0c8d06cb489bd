package directory

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/remote"
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
	ExchangeFrom              []string            // the clients whose tokens it may exchange besides its own
	Name                      string              // as people are told who asks; "": the id
	RedirectURIs              []string            // where people may be sent back to with a code
	Keys                      identity.ClientKeys // by which it authenticates itself, and its secret ends
	Secret                    token.Secret        // at least 32 characters; "": keep the secret, or create none
}

// NewClientOf returns the state that a client has, for changing a part of it. The secret
// is kept.
func NewClientOf(c identity.Client) NewClient {
	return NewClient{ID: c.ID, Grants: c.Grants, Scopes: c.Scopes, Audiences: c.Audiences, ExchangeFrom: c.ExchangeFrom, Name: c.Name, RedirectURIs: c.RedirectURIs, Keys: c.Keys}
}

// CreateClient creates an OAuth client. With generate and no secret in n, a secret is
// generated and returned, this once; a client with keys has none. Without any of them, the
// client is public.
func (cl *Clients) CreateClient(ctx context.Context, c *caller.Caller, n NewClient, generate bool) (identity.Client, token.Secret, error) {
	if err := cl.editor.admit(ctx, c, audit.ClientCreate, n.ID); err != nil {
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
	creation, client, err := createClient(n, "")
	if err != nil {
		return client, "", err
	}
	if _, err := cl.editor.commit(ctx, c, creation); err != nil {
		return client, "", err
	}
	return client, generated, nil
}

// UpdateClient replaces a client's grants, scopes, audiences and whose tokens it may
// exchange, and its secret when n has one. When the client loses something by it, the
// tokens issued to it are revoked. A new secret counts: RotateSecret is the way to one
// that leaves the old one, and the tokens, for a while.
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

// MaxSecretOverlap is how long an old client secret may go on beside the new one.
const MaxSecretOverlap = 90 * 24 * time.Hour

// Rotation asks for a new secret of a client. The zero value of all but ID ends the old
// secret at once and revokes nothing.
type Rotation struct {
	ID      string
	Secret  token.Secret // "": one is generated
	Overlap int64        // seconds for which the old one is good beside the new one
	Revoke  bool         // what was issued to the client is revoked
}

// RotateSecret replaces a client's secret and returns the new one, this once. The old one is good
// until the overlap ends, by the clock that judges expiry, which never goes back. A
// client has two secrets at most: another rotation during an overlap ends the oldest one
// at once. A public client, which has no old one, becomes a confidential one.
func (cl *Clients) RotateSecret(ctx context.Context, c *caller.Caller, x Rotation) (token.Secret, identity.Client, error) {
	if err := cl.editor.admit(ctx, c, audit.ClientSecret, x.ID); err != nil {
		return "", identity.Client{}, err
	}
	if x.Overlap < 0 || x.Overlap > int64(MaxSecretOverlap/time.Second) {
		return "", identity.Client{}, fault.New(fault.Invalid, "the overlap is a number of seconds from 0 to %d (90 days)",
			int64(MaxSecretOverlap/time.Second)).In("overlap")
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
	if _, err := cl.editor.commit(ctx, c, cl.editor.rotateSecret(&client, digest, x)); err != nil {
		return "", client, err
	}
	return x.Secret, client, nil
}

// rotateSecret returns the change, and makes it in client too.
func (e *editor) rotateSecret(client *identity.Client, digest []byte, x Rotation) change {
	until := time.Time{}
	if x.Overlap > 0 && client.HasSecret() {
		until = e.journal.Now().Add(time.Duration(x.Overlap) * time.Second).Truncate(time.Microsecond) // as the store keeps it
	}
	rotation := change{
		action: audit.ClientSecret, target: client.ID, remark: "the old secret ended",
		ops: []records.Op{records.RotateSecret{ID: client.ID, SecretDigest: digest, OldUntil: until}},
		log: []revocation.Entry{e.journal.CutOff(revocation.Access, client.ID)}, // nodes remember clients
	}
	client.OldSecretDigest, client.OldSecretUntil = nil, until
	if !until.IsZero() {
		rotation.remark = "the old secret ends at " + until.Format(time.RFC3339)
		client.OldSecretDigest = client.SecretDigest
	}
	client.SecretDigest = digest
	if x.Revoke {
		rotation.remark += "; what was issued to it is revoked"
		op, entry := e.revokeIssued(client.ID, "client secret renewed")
		rotation.ops, rotation.log = append(rotation.ops, op), []revocation.Entry{entry}
	}
	return rotation
}

// revokeIssued returns what revokes everything that was issued to a client, and what
// other clients made from it.
func (e *editor) revokeIssued(id, reason string) (records.Op, revocation.Entry) {
	return records.KillTokens{ClientID: id, IDs: []string{token.ClientLink(id)}, At: e.journal.Now(), Reason: reason},
		e.journal.CutOff(revocation.Client, id)
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
// secret when n has neither secret nor keys.
func (n NewClient) client(secretDigest []byte) (identity.Client, error) {
	client := identity.Client{
		ID: n.ID, SecretDigest: secretDigest, Grants: n.Grants, Scopes: n.Scopes, Audiences: n.Audiences, ExchangeFrom: n.ExchangeFrom, Name: n.Name, RedirectURIs: n.RedirectURIs,
		Keys: n.Keys,
	}
	if n.Keys.Any() {
		client.SecretDigest = nil
	}
	if n.Secret != "" {
		digest, err := identity.DigestSecret(n.Secret.Reveal())
		if err != nil {
			return client, err
		}
		client.SecretDigest = digest
	}
	if err := client.Validate(); err != nil {
		return client, err
	}
	return client, checkKeys(n.Keys)
}

// checkKeys refuses keys that nobody could authenticate by, and an address that is not asked.
func checkKeys(k identity.ClientKeys) error {
	if k.JWKS != "" {
		if err := assertion.CheckSet([]byte(k.JWKS)); err != nil {
			return fault.New(fault.Invalid, "jwks can't be taken: %s", err).In("jwks")
		}
	}
	if k.URI != "" {
		if err := remote.CheckAddress(k.URI); err != nil {
			return fault.New(fault.Invalid, "jwks_uri %s", err).In("jwks_uri")
		}
	}
	return nil
}

func (e *editor) updateClient(old identity.Client, n NewClient) (change, identity.Client, error) {
	client, err := n.client(old.SecretDigest)
	if err != nil {
		return change{}, client, err
	}
	stored := client
	if slices.Equal(old.SecretDigest, client.SecretDigest) {
		stored.SecretDigest = nil // a rotation in between is not undone
		client.OldSecretDigest, client.OldSecretUntil = old.OldSecretDigest, old.OldSecretUntil
	}
	update := change{
		action: audit.ClientUpdate, target: client.ID, ops: []records.Op{records.UpdateClient{Client: stored}},
		log: []revocation.Entry{e.journal.CutOff(revocation.Access, client.ID)}, // nodes remember clients
	}
	if narrows(old, client) {
		op, entry := e.revokeIssued(client.ID, "client changed")
		update.ops, update.log = append(update.ops, op), []revocation.Entry{entry}
	}
	return update, client, nil
}

// narrows reports whether the client lost something that it could have before. A new
// secret counts, and keys of which none was there before: what was obtained with the old ones
// must end with them.
func narrows(old, now identity.Client) bool {
	scopes := len(identity.Subset(old.Scopes, now.Scopes)) > 0 || len(old.Scopes) == 0 && len(now.Scopes) > 0
	return scopes || len(identity.Subset(old.Grants, now.Grants)) > 0 ||
		len(identity.Subset(old.Audiences, now.Audiences)) > 0 || len(identity.Subset(old.RedirectURIs, now.RedirectURIs)) > 0 || len(identity.Subset(old.ExchangeFrom, now.ExchangeFrom)) > 0 ||
		!slices.Equal(old.SecretDigest, now.SecretDigest) || old.Keys.ReplacedBy(now.Keys)
}

func (e *editor) removeClient(id string) change {
	op, entry := e.revokeIssued(id, "client removed")
	return change{
		action: audit.ClientRemove, target: id, ops: []records.Op{records.RemoveClient{ID: id}, op}, log: []revocation.Entry{entry},
	}
}
