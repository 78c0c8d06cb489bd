// Package revoking decides who may revoke which tokens and what is revoked along with
// them, and acknowledges when the revocation holds: always on this node, and on every
// other node if the caller's Wait asks for it.
package revoking

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Store is what a Revoker reads.
type Store interface {
	// Principal reads a user.
	Principal(ctx context.Context, who records.Who) (records.Principal, error)
	// TokenByID finds a stored token by its public id.
	TokenByID(ctx context.Context, id string) (records.StoredToken, revocation.Seq, error)
	// TokensByDigest finds stored tokens by the SHA-256 of their values.
	TokensByDigest(ctx context.Context, digests [][32]byte) ([]records.StoredToken, revocation.Seq, error)
	// ImportedTokens finds those that were imported by any of their digests.
	ImportedTokens(ctx context.Context, digests [][]byte) ([]records.StoredToken, revocation.Seq, error)
	// TokensByID finds stored tokens by their public ids.
	TokensByID(ctx context.Context, ids []string) ([]records.StoredToken, revocation.Seq, error)
	// SessionsOf returns live sessions by how they began.
	SessionsOf(ctx context.Context, q records.SessionQuery, now time.Time) ([]records.StoredToken, error)
	// LogEntry returns the newest live entry about an id, and whether there is one.
	LogEntry(ctx context.Context, what revocation.What, id string) (revocation.Entry, bool, error)
}

// Config configures a Revoker. All fields must be set.
type Config struct {
	Store    Store
	Journal  *journal.Journal
	Verifier *verification.Verifier
	Ring     *keyring.Ring
	Forms    token.Forms
	Quota    *quota.Quota // of revocations of tokens that are not valid
	Now      func() time.Time
}

// Revoker revokes tokens. Its methods may be called from any number of goroutines.
type Revoker struct {
	*Tokens
	*Holders
	*Subjects
	*Sources
}

// Tokens revokes single tokens, for callers who are allowed to.
type Tokens struct{ *revoker }

// Holders revokes tokens for the systems and people that hold their values.
type Holders struct{ *revoker }

// Subjects revokes everything of a user or a client, and everything there is.
type Subjects struct{ *revoker }

// Sources ends the sessions that a source vouched for.
type Sources struct{ *revoker }

// revoker is what Tokens, Holders, Subjects and Sources share.
type revoker struct {
	store    Store
	journal  *journal.Journal
	verifier *verification.Verifier
	ring     *keyring.Ring
	forms    token.Forms
	quota    *quota.Quota
	now      func() time.Time
}

// New returns a Revoker.
func New(cfg Config) (*Revoker, error) {
	if cfg.Store == nil || cfg.Journal == nil || cfg.Verifier == nil || cfg.Ring == nil || cfg.Quota == nil || cfg.Now == nil {
		return nil, errors.New("revoking: store, journal, verifier, ring, quota and now must be set")
	}
	r := &revoker{
		store: cfg.Store, journal: cfg.Journal, verifier: cfg.Verifier, ring: cfg.Ring, forms: cfg.Forms, quota: cfg.Quota, now: cfg.Now,
	}
	return &Revoker{Tokens: &Tokens{r}, Holders: &Holders{r}, Subjects: &Subjects{r}, Sources: &Sources{r}}, nil
}

// errNotYours is the error for a token that the caller may not revoke.
var errNotYours = fault.New(fault.Forbidden, "this token belongs to somebody else")

// Revocation names a token that is to be revoked by its value.
type Revocation struct {
	Token         string // the value
	RefuseExpired bool   // an expired token is InvalidToken (a dialect's own rule)
}

// Revoke revokes a token by its value, with everything that was made from it. The token
// must be genuine; whether it has expired doesn't matter. Revoking twice is success. The
// error is InvalidToken for a value that is not a token of this server (nothing is left
// to revoke), and Forbidden when the caller may not. Revoking valid tokens is not
// limited; too many requests for tokens that are already revoked are Limited.
func (r *Tokens) Revoke(ctx context.Context, c *caller.Caller, what Revocation) (revocation.Receipt, error) {
	t, err := r.verifier.Genuine(ctx, what.Token)
	if err != nil {
		return revocation.Receipt{}, err
	}
	e := r.journal.Event(ctx, c.Actor(), audit.TokenRevoke)
	e.Target, e.TokenID = t.Subject, t.ID
	if !caller.MayRevoke(c, t) {
		return revocation.Receipt{}, r.journal.Refuse(ctx, e, errNotYours)
	}
	if what.RefuseExpired && !t.Expiry.IsZero() && !r.now().Before(t.Expiry) {
		return revocation.Receipt{}, fault.New(fault.InvalidToken, token.ReasonExpired)
	}
	e.Reason = token.ReasonRevoked
	return r.kill(ctx, t, e, termsOf(c))
}

// RevokeID revokes a token by its public id: a stored token, the token that the caller
// presented, or any id for the operator, who may know it from a log. The error is
// NotFound for a token that does not exist or is somebody else's, and InsufficientScope
// when a Bearer without the scope credentials names another token of its owner.
func (r *Tokens) RevokeID(ctx context.Context, c *caller.Caller, id string) (revocation.Receipt, error) {
	known, err := uuid.Parse(id)
	if c == nil || err != nil {
		return revocation.Receipt{}, records.ErrNoToken
	}
	found, err := r.findID(ctx, c, known.String())
	if err != nil {
		return revocation.Receipt{}, err
	}
	if found.revoked && !c.Unlimited() {
		if err := r.quota.Again(found.subject); err != nil {
			return revocation.Receipt{}, err
		}
	}
	return r.RevokeTokens(ctx, c, []Revocable{found})
}

// RevokeIDs revokes tokens by their public ids, as RevokeID does, in one transaction. None is
// success. An id that the caller may not revoke fails all of them.
func (r *Tokens) RevokeIDs(ctx context.Context, c *caller.Caller, ids []string) (revocation.Receipt, error) {
	var all []Revocable
	for _, id := range ids {
		found, err := r.findID(ctx, c, id)
		if err != nil {
			return revocation.Receipt{}, err
		}
		all = append(all, found)
	}
	if len(all) == 0 {
		return revocation.Receipt{}, nil
	}
	return r.RevokeTokens(ctx, c, all)
}

// EndSession signs the caller out: the session and everything that was made from it
// are revoked. The error is Unauthenticated for a caller without a session.
func (r *Tokens) EndSession(ctx context.Context, c *caller.Caller) error {
	if !c.BySession() {
		return fault.New(fault.Unauthenticated, "there is no session")
	}
	e := r.journal.Event(ctx, c.Actor(), audit.Logout)
	e.Target, e.TokenID, e.Reason = c.Token.Subject, c.Token.ID, "signed out"
	_, err := r.kill(ctx, c.Token, e, termsOf(c))
	return err
}

// RevokeAll revokes every token and session of a subject. It is for the subject and
// for holders of delete on /tokens. The error is Unauthenticated, InsufficientScope
// or Forbidden.
func (r *Subjects) RevokeAll(ctx context.Context, c *caller.Caller, subject string) (revocation.Receipt, error) {
	if err := r.MayRevokeAll(ctx, c, subject); err != nil {
		return revocation.Receipt{}, err
	}
	if subject == "" {
		return revocation.Receipt{}, records.ErrNoUser
	}
	e := r.journal.Event(ctx, c.Actor(), audit.RevokeAll)
	e.Target = subject
	return r.journal.Revoke(ctx, r.journal.EndSubject(subject, "all tokens revoked", e), c.Wait)
}

// MayRevokeAll decides whether the caller may revoke everything of a subject. The error
// is that of RevokeAll, and the refusal is recorded.
func (r *Subjects) MayRevokeAll(ctx context.Context, c *caller.Caller, subject string) error {
	if err := caller.RequireRevokeAll(c, subject); err != nil {
		return r.refuseAll(ctx, c, subject, err)
	}
	return nil
}

// MayRevokeAllOf decides whether the caller may revoke everything of a user, named by
// subject or username. The error is that of RevokeAll, whether there is such a user or not.
func (r *Subjects) MayRevokeAllOf(ctx context.Context, c *caller.Caller, ref string) error {
	if c.Is(ref) {
		return r.MayRevokeAll(ctx, c, c.ID())
	}
	if err := c.RequireDelete(); err != nil {
		return r.refuseAll(ctx, c, ref, err)
	}
	return nil
}

// RevokeAllOf is RevokeAll for a user who is named by subject or username. The error is
// NotFound when there is none, but only for callers who may revoke.
func (r *Subjects) RevokeAllOf(ctx context.Context, c *caller.Caller, ref string) (revocation.Receipt, error) {
	if err := r.MayRevokeAllOf(ctx, c, ref); err != nil {
		return revocation.Receipt{}, err
	}
	p, err := records.ReadUser(ctx, r.store, ref, nil)
	if err != nil {
		return revocation.Receipt{}, err
	}
	return r.RevokeAll(ctx, c, p.User.ID)
}

// refuseAll records that a caller who may not do so asked to revoke everything of a user.
// An anonymous caller isn't recorded.
func (r *Subjects) refuseAll(ctx context.Context, c *caller.Caller, target string, reason error) error {
	if c == nil {
		return reason
	}
	e := r.journal.Event(ctx, c.Actor(), audit.RevokeAll)
	e.Target, e.TargetName = records.AuditTarget(ctx, r.store, target)
	return r.journal.Refuse(ctx, e, reason)
}

// terms are the conditions under which a token is revoked.
type terms struct {
	wait      revocation.Wait
	unlimited bool    // revoking revoked tokens again is not limited
	once      []op.Op // the operations that use up the caller's credential
}

func termsOf(c *caller.Caller) terms {
	return terms{wait: c.Wait, unlimited: c.Unlimited(), once: c.Once()}
}

// kill revokes one token with everything that was made from it, in one transaction with
// the audit event of the reason. If the log has revoked it already, nothing is appended:
// repeated requests would fill the log.
func (r *revoker) kill(ctx context.Context, t *verification.Token, e audit.Event, on terms) (revocation.Receipt, error) {
	read := r.journal.Reading()
	switch revoked, err := r.revokedInLog(ctx, t); {
	case err != nil:
		return revocation.Receipt{}, err
	case revoked:
		if !on.unlimited {
			if err := r.quota.Again(t.Subject); err != nil {
				return revocation.Receipt{}, err
			}
		}
		return r.journal.Settled(ctx, read, on.wait)
	}
	ops, entries := r.journal.Kill(killOf(t, e.Reason))
	return r.journal.Revoke(ctx, op.Batch{Ops: append(on.once, ops...), Log: entries, Audit: []audit.Event{e}}, on.wait)
}

// revokedInLog reports whether the log in the store revokes a token with everything that
// was made from it. What this node has in memory is no proof: it may have read entries
// that were lost with the server that had them. The store is asked only about tokens that
// are revoked in memory.
func (r *revoker) revokedInLog(ctx context.Context, t *verification.Token) (bool, error) {
	if !r.verifier.RevokedInLog(t) {
		return false, nil
	}
	return r.inLog(ctx, t)
}

// inLog asks the store for an entry that revokes a token.
func (r *revoker) inLog(ctx context.Context, t *verification.Token) (bool, error) {
	type name struct {
		what  revocation.What
		id    string
		after revocation.Seq // an earlier entry doesn't concern the token
	}
	names := []name{{revocation.Token, t.ID, 0}, {revocation.Subject, t.Subject, t.Seq}, {revocation.Client, t.ClientID, t.Seq}}
	for _, link := range t.Chain {
		if client, ok := token.LinkedClient(link); ok {
			names = append(names, name{revocation.Client, client, t.Seq})
			continue
		}
		names = append(names, name{revocation.Token, link, 0})
	}
	for _, actor := range t.Actors {
		names = append(names, name{revocation.Subject, actor, t.Seq}, name{revocation.Client, actor, t.Seq})
	}
	for _, n := range names {
		if n.id == "" {
			continue
		}
		if e, found, err := r.store.LogEntry(ctx, n.what, n.id); err != nil || found && e.Seq > n.after {
			return err == nil, err
		}
	}
	return false, nil
}

// killOf returns what the journal needs to know about a token to revoke it. An exchange
// key has a row, and what is made from it ends with it.
func killOf(t *verification.Token, reason string) journal.Kill {
	k := journal.Kill{
		ID: t.ID, Family: t.Family, Twins: t.Twins, Expiry: t.Expiry, Reason: reason,
		Opaque: t.Opaque() && t.Kind != token.KindExchangeKey,
	}
	if t.Kind == token.KindSession {
		k.Session = t.Subject
	}
	if t.Kind == token.KindGrant {
		k.Consent = &op.ForgetConsent{UserID: t.Subject, ClientID: t.ClientID}
	}
	return k
}

// Everything is the outcome of RevokeEverything.
type Everything struct {
	revocation.Receipt

	Keys []string // the ids of the signing keys that were revoked; none with HS256
}

// RevokeEverything revokes everything issued to anybody until now: access and task
// tokens, API keys and tokens, sessions, refresh tokens, and device codes that wait. It
// is for the operator, after restoring a backup. What was issued after the backup has no
// row, and its user may not exist any more: the log's entry about everything revokes it
// because its sequence is earlier than the entry's, once the restored log's sequence has
// been raised. The signing keys are revoked too, for verifiers that follow no log, and a
// new one signs at once. The error is Forbidden for anybody else.
func (r *Subjects) RevokeEverything(ctx context.Context, c *caller.Caller) (Everything, error) {
	if !c.IsOperator() {
		return Everything{}, fault.New(fault.Forbidden, "only the operator revokes everything of everybody")
	}
	if err := r.ring.Refresh(ctx); err != nil {
		return Everything{}, err
	}
	e := r.journal.Event(ctx, c.Actor(), audit.RevokeAll)
	e.Target, e.Reason = revocation.EverythingID, "everything of everybody"
	b := r.journal.EndEverything("everything revoked", e)
	var out Everything
	for _, k := range r.ring.Keys() {
		if k.State != keyring.Gone && !k.Revoked() {
			out.Keys = append(out.Keys, k.KID)
			b.Log = append(b.Log, r.journal.CutOff(revocation.SigningKey, k.KID))
		}
	}
	if len(out.Keys) > 0 {
		b.Ops = append(b.Ops, op.ChangeKeys{Plan: r.ring.Plans().RetireAll()})
	}
	var err error
	if out.Receipt, err = r.journal.Revoke(ctx, b, c.Wait); err != nil {
		return Everything{}, err
	}
	return out, r.ring.Refresh(ctx)
}
