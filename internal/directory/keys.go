package directory

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// KeySetChangedID is the id of a log entry about signing keys that revokes nothing:
// the set of keys changed, and every node must read its ring again. No key has this
// id, because the ids of keys are thumbprints.
const KeySetChangedID = "next"

// Keys reads and changes the signing keys.
type Keys struct {
	ring    *keyring.Ring
	editor  *changes.Editor
	journal *journal.Journal
}

// JWKS returns the JWK Set (RFC 7517 §5), for anybody. The bytes are shared and must
// not be changed.
func (k *Keys) JWKS() []byte { return k.ring.JWKS() }

// PublicKeys returns the keys of the JWK Set in its order, for anybody.
func (k *Keys) PublicKeys() []token.VerificationKey { return k.ring.Public() }

// Algorithms returns the algorithms of the tokens that are signed now, and of earlier
// ones whose keys are still published, for anybody.
func (k *Keys) Algorithms() []token.Algorithm { return k.ring.Algorithms() }

// SharedSecret reports whether tokens are signed with the operator's shared secret
// (HS256). Then there are no keys to publish, rotate or retire.
func (k *Keys) SharedSecret() bool { return len(k.ring.Keys()) == 0 }

// KeyList returns every signing key without its private half, for administrators.
func (k *Keys) KeyList(ctx context.Context, c *caller.Caller) ([]keyring.Key, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	if err := k.ring.Refresh(ctx); err != nil {
		return nil, err
	}
	keys := k.ring.Keys()
	for i := range keys {
		keys[i].Sealed = nil
	}
	return keys, nil
}

// RotateKeys publishes a next signing key at once. It becomes active when it has been
// published for the JWK Set's cache time, or at once with atOnce. Tokens that are
// signed already stay valid.
func (k *Keys) RotateKeys(ctx context.Context, c *caller.Caller, atOnce bool) error {
	if err := k.editor.Admit(ctx, c, audit.KeyRotate, ""); err != nil {
		return err
	}
	_, err := k.editor.Commit(ctx, c, changes.Change{
		Action: audit.KeyRotate, Ops: []op.Op{op.ChangeKeys{Plan: k.ring.Plans().Rotate(atOnce)}},
		Log: []revocation.Entry{k.journal.CutOff(revocation.SigningKey, KeySetChangedID)},
	})
	if err != nil {
		return err
	}
	return k.ring.Refresh(ctx)
}

// RetireKey revokes a signing key with everything that it signed, and with everything
// that was made from that, which has the key in its chain. When it was the active key,
// the next key becomes active at once.
func (k *Keys) RetireKey(ctx context.Context, c *caller.Caller, kid string) (revocation.Receipt, error) {
	if err := k.editor.Admit(ctx, c, audit.KeyRetire, kid); err != nil {
		return revocation.Receipt{}, err
	}
	ops, log := k.journal.Kill(journal.Kill{ID: kid, Opaque: true, Reason: "signing key revoked"})
	r, err := k.editor.Commit(ctx, c, changes.Change{
		Action: audit.KeyRetire, Target: kid, Ops: append(ops, op.ChangeKeys{Plan: k.ring.Plans().Retire(kid)}),
		Log: append(log, k.journal.CutOff(revocation.SigningKey, kid)),
	})
	if err != nil {
		return r, err
	}
	return r, k.ring.Refresh(ctx)
}
