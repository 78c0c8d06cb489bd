package changes

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Clients prepares changes of OAuth clients.
type Clients struct{ journal *journal.Journal }

// MaxSecretOverlap is how long an old client secret may stay valid beside the new one.
const MaxSecretOverlap = 90 * 24 * time.Hour

// RotateSecret returns the change of a client's secret, and changes client too.
func (cl *Clients) RotateSecret(client *identity.Client, digest []byte, x identity.Rotation) Change {
	until := time.Time{}
	if x.Overlap > 0 && client.HasSecret() {
		until = cl.journal.Now().Add(time.Duration(x.Overlap) * time.Second).Truncate(time.Microsecond) // as the store keeps it
	}
	rotation := Change{
		Action: audit.ClientSecret, Target: client.ID, Remark: "the old secret ended",
		Ops: []op.Op{op.RotateSecret{ID: client.ID, SecretDigest: digest, OldUntil: until}},
		Log: []revocation.Entry{cl.journal.CutOff(revocation.Access, client.ID)}, // nodes remember clients
	}
	client.OldSecretDigest, client.OldSecretUntil = nil, until
	if !until.IsZero() {
		rotation.Remark = "the old secret ends at " + until.Format(time.RFC3339)
		client.OldSecretDigest = client.SecretDigest
	}
	client.SecretDigest = digest
	if x.Revoke {
		rotation.Remark += "; what was issued to it is revoked"
		o, entry := cl.revokeIssued(client.ID, "client secret renewed")
		rotation.Ops, rotation.Log = append(rotation.Ops, o), []revocation.Entry{entry}
	}
	return rotation
}

// revokeIssued returns the log entry that revokes everything issued to a client, and what
// other clients made from it.
func (cl *Clients) revokeIssued(id, reason string) (op.Op, revocation.Entry) {
	return op.KillTokens{ClientID: id, IDs: []string{token.ClientLink(id)}, At: cl.journal.Now(), Reason: reason},
		cl.journal.CutOff(revocation.Client, id)
}

// CreateClient validates a new client. An id that could be a user's subject, or that
// means "no client", would let the client act as that user, or as no client.
func (cl *Clients) CreateClient(n identity.NewClient, owner string) (Change, identity.Client, error) {
	if _, err := uuid.Parse(n.ID); err == nil || n.ID == identity.OwnClientID {
		return Change{}, identity.Client{}, fault.New(fault.Invalid, "a client's id can be neither a UUID nor %q", identity.OwnClientID).In("id")
	}
	client, err := described(n, nil)
	if err != nil {
		return Change{}, client, err
	}
	client.Owner = owner
	return Change{Action: audit.ClientCreate, Target: client.ID, Ops: []op.Op{op.CreateClient{Client: client}}}, client, nil
}

// described returns the client that n describes, which keeps the digest of its present
// secret when n has neither secret nor keys.
func described(n identity.NewClient, secretDigest []byte) (identity.Client, error) {
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
	} else if len(n.SecretDigest) > 0 {
		client.SecretDigest = n.SecretDigest
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

// UpdateClient returns the change that turns a client into n, and the client after it.
// What was issued to the client is revoked when it loses something.
func (cl *Clients) UpdateClient(old identity.Client, n identity.NewClient) (Change, identity.Client, error) {
	client, err := described(n, old.SecretDigest)
	if err != nil {
		return Change{}, client, err
	}
	stored := client
	if slices.Equal(old.SecretDigest, client.SecretDigest) {
		stored.SecretDigest = nil // a rotation in between is not undone
		client.OldSecretDigest, client.OldSecretUntil = old.OldSecretDigest, old.OldSecretUntil
	}
	update := Change{
		Action: audit.ClientUpdate, Target: client.ID, Ops: []op.Op{op.UpdateClient{Client: stored}},
		Log: []revocation.Entry{cl.journal.CutOff(revocation.Access, client.ID)}, // nodes remember clients
	}
	if narrows(old, client) {
		o, entry := cl.revokeIssued(client.ID, "client changed")
		update.Ops, update.Log = append(update.Ops, o), []revocation.Entry{entry}
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

// RemoveClient returns the change that removes a client and revokes what was issued to it.
func (cl *Clients) RemoveClient(id string) Change {
	o, entry := cl.revokeIssued(id, "client removed")
	return Change{
		Action: audit.ClientRemove, Target: id, Ops: []op.Op{op.RemoveClient{ID: id}, o}, Log: []revocation.Entry{entry},
	}
}
