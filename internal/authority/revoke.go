package authority

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// ActionDelete on PathTokens is the right to revoke others' tokens.
const ActionDelete = "delete"

// Revocation says how a token is to be taken back.
type Revocation struct {
	Token         string // the value
	Wait          bool   // acknowledge only when every node has honoured it
	RefuseExpired bool   // an expired token is InvalidToken (a dialect's own rule)
}

// Receipt tells what taking back came to.
type Receipt struct {
	Revoked bool
	Seq     revocation.Seq
	Nodes   *revocation.Acknowledgement // nil when it was not waited for
}

// Revoke takes a token back by its value, with everything made from it. The token
// is verified first, except that its expiry doesn't matter. The error is
// InvalidToken for what is no token of ours (nothing is left to revoke), and
// Forbidden when the caller may not.
func (a *Authority) Revoke(ctx context.Context, c *Caller, r Revocation) (Receipt, error) {
	t, err := a.genuine(ctx, r.Token)
	if err != nil {
		return Receipt{}, err
	}
	if !c.mayRevoke(t) {
		e := a.event(ctx, c, audit.TokenRevoke)
		e.Target, e.TokenID = t.Subject, t.ID
		return Receipt{}, a.refuse(ctx, e, fault.New(fault.Forbidden, "this token is somebody else's"))
	}
	if r.RefuseExpired && !t.Expiry.IsZero() && !a.Now().Before(t.Expiry) {
		return Receipt{}, fault.New(fault.InvalidToken, token.ReasonExpired)
	}
	return a.kill(ctx, c, t, killing{action: audit.TokenRevoke, reason: "revoked", wait: r.Wait})
}

// mayRevoke decides who may: whoever has the token or a claim to it, and whoever
// has delete on /tokens. A public client proves nothing but that it has the token,
// and so may revoke what was issued to it (RFC 7009 §2.1).
func (c *Caller) mayRevoke(t *Token) bool {
	if c != nil && c.public {
		return t.ClientID == c.Principal.Client.ID
	}
	return c.owns(t) || c != nil && !c.selfOnly && c.may(ActionDelete, PathTokens)
}

// owns reports whether it is the token itself, its owner, or the client that it
// was issued to.
func (c *Caller) owns(t *Token) bool {
	switch {
	case c == nil:
		return false
	case c.operator, c.Token != nil && c.Token.ID == t.ID:
		return true
	case c.selfOnly:
		return false
	case c.client() != nil:
		return t.ClientID == c.client().ID
	}
	return c.Subject() == t.Subject
}

// killing says how a kill is recorded and whether it is waited for.
type killing struct {
	action, reason string
	target         string // "": the token's subject
	wait           bool
}

// kill appends the token's id to the log and marks its row and those of all that
// was made from it, in one transaction. Doing it twice is success.
func (a *Authority) kill(ctx context.Context, c *Caller, t *Token, k killing) (Receipt, error) {
	e := a.event(ctx, c, k.action)
	e.Target, e.TokenID, e.Reason = t.Subject, t.ID, k.reason
	if k.target != "" {
		e.Target = k.target
	}
	ops, entries := a.death(t, k.reason)
	return a.takeBack(ctx, records.Batch{Ops: ops, Log: entries, Audit: []audit.Event{e}}, k.wait)
}

// death is what the rows and the log say of a killed token. With a refresh token
// dies its family.
func (a *Authority) death(t *Token, reason string) ([]records.Op, []revocation.Entry) {
	return a.deathOf(t.ID, t.family, a.lastExpiry(t), reason)
}

func (a *Authority) deathOf(id, family string, last time.Time, reason string) ([]records.Op, []revocation.Entry) {
	ids := []string{id}
	if family != "" {
		ids = append(ids, family)
	}
	entries := make([]revocation.Entry, len(ids))
	for i, id := range ids {
		entries[i] = a.killEntry(id, last)
	}
	return []records.Op{records.KillTokens{IDs: ids, At: a.Now(), Reason: reason}}, entries
}

// lastExpiry is when the token and all that was made from it have run out. What
// is opaque is marked dead in its row; the log must remember it for as long as a
// JWT that was made from it may live.
func (a *Authority) lastExpiry(t *Token) time.Time {
	if t.jwt != nil || t.Kind == token.KindAPIKey {
		return t.Expiry
	}
	return a.horizon()
}

// horizon is until when a cut-off can matter: until the last JWT that was issued by
// now has expired, though it were under a ceiling that has been lowered since.
func (a *Authority) horizon() time.Time {
	end := a.Now().Add(a.Policy.longest())
	if last := a.Ring.LastExpiry(); last.After(end) {
		return last
	}
	return end
}

func (a *Authority) killEntry(id string, last time.Time) revocation.Entry {
	return revocation.Entry{What: revocation.Token, ID: id, At: a.Now(), Until: revocation.KeepUntil(last, a.Now())}
}

// cutOff is an entry about a name, kept for as long as it can concern a token.
func (a *Authority) cutOff(what revocation.What, id string) revocation.Entry {
	return revocation.Entry{What: what, ID: id, At: a.Now(), Until: a.horizon()}
}

// waitKey is where a context says whether to wait.
type waitKey struct{}

// WithWait gives a context in which whatever is taken back waits until every node
// has honoured it, or doesn't, whatever the policy says. Where a function has a
// parameter for it, that counts.
func WithWait(ctx context.Context, wait bool) context.Context {
	return context.WithValue(ctx, waitKey{}, wait)
}

func (a *Authority) waits(ctx context.Context) bool {
	if wait, said := ctx.Value(waitKey{}).(bool); said {
		return wait
	}
	return a.Policy.Wait
}

// takeBack commits a batch that takes something back. It is acknowledged when
// this node refuses and, with wait, when every other has confirmed the sequence
// or can't say yes any more.
func (a *Authority) takeBack(ctx context.Context, b records.Batch, wait bool) (Receipt, error) {
	seq, err := a.commit(ctx, b)
	if err != nil {
		return Receipt{}, err
	}
	a.Meter.Revoked(len(b.Log))
	return a.acknowledge(ctx, seq, wait)
}

// settled acknowledges what was taken back already: whoever finds nothing left to
// take back is told so when that holds everywhere, as was whoever took it back.
func (a *Authority) settled(ctx context.Context, wait bool) error {
	if err := a.Follower.CatchUp(ctx); err != nil {
		return fault.Wrap(err, fault.Unavailable, "this node could not read the revocation log: ask again").Retry(time.Second)
	}
	_, err := a.acknowledge(ctx, a.Follower.Applied(), wait)
	return err
}

// acknowledge returns when this node honours what was committed and, with wait, every
// other does up to that sequence or can't say yes any more.
func (a *Authority) acknowledge(ctx context.Context, seq revocation.Seq, wait bool) (Receipt, error) {
	committed := a.Clock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*a.Policy.Staleness+time.Second)
	defer cancel()
	if err := a.Follower.CatchUp(ctx); err != nil {
		return Receipt{}, fault.Wrap(err, fault.Unavailable,
			"it is stored, but this node could not read the revocation log: ask again").Retry(time.Second)
	}
	r := Receipt{Revoked: true, Seq: seq}
	if !wait {
		return r, nil
	}
	waiting := revocation.AwaitConfig{
		Target: seq, Started: committed, Clock: a.Clock, Nodes: a.Store.Nodes, Drop: a.Store.DropNode,
	}
	if a.NodeWatcher != nil {
		waiting.Nodes, waiting.LeaseExpired = a.NodeWatcher.Read, a.NodeWatcher.LeaseExpired
	}
	ack, err := revocation.Await(ctx, waiting)
	a.Meter.Waited(waitOutcome(ack, err))
	if err != nil {
		return Receipt{}, fault.Wrap(err, fault.Unavailable,
			"it is stored, but the nodes have not all confirmed it: ask again").Retry(time.Second)
	}
	r.Nodes = &ack
	a.Meter.Acknowledged(a.Clock() - committed)
	return r, nil
}

func waitOutcome(ack revocation.Acknowledgement, err error) string {
	switch {
	case err != nil:
		return WaitFailed
	case ack.Expired > 0:
		return WaitExpired
	}
	return WaitConfirmed
}

// RevokeID takes back by its public id: a stored token, or any id for the
// operator, who may know it from a log. The error is NotFound for a token that
// isn't there or is somebody else's.
func (a *Authority) RevokeID(ctx context.Context, c *Caller, id string, wait bool) (Receipt, error) {
	known, err := uuid.Parse(id)
	if err != nil {
		return Receipt{}, records.ErrNoToken
	}
	r, err := a.revocableID(ctx, c, known.String())
	if err != nil {
		return Receipt{}, err
	}
	return a.RevokeTokens(ctx, []Revocable{r}, wait)
}

// RevokeAll makes every token and session of a subject dead: the caller's own, or
// anybody's for whoever has delete on /tokens.
func (a *Authority) RevokeAll(ctx context.Context, c *Caller, subject string, wait bool) (Receipt, error) {
	if c == nil || c.selfOnly || c.public {
		return Receipt{}, a.deny(ctx, c, audit.RevokeAll, subject, fault.New(fault.Unauthenticated, "sign in first"))
	}
	if c.Subject() != subject {
		if err := c.requireDelete(); err != nil {
			return Receipt{}, a.deny(ctx, c, audit.RevokeAll, subject, err)
		}
	}
	if subject == "" {
		return Receipt{}, fault.New(fault.NotFound, "there is no such user")
	}
	e := a.event(ctx, c, audit.RevokeAll)
	e.Target = subject
	return a.takeBack(ctx, a.revokeAll(subject, "all tokens revoked", e), wait)
}

// requireDelete lets pass whoever may revoke others' tokens on the management API:
// delete on /tokens, and of a Bearer the scope admin.
func (c *Caller) requireDelete() error {
	switch {
	case c == nil:
		return fault.New(fault.Unauthenticated, "sign in first")
	case c.selfOnly || c.byBearer() && (c.Token.Collection != nil || !c.hasScope(identity.ScopeAdmin)):
		return fault.New(fault.InsufficientScope, "the scope %s is needed", identity.ScopeAdmin)
	case !c.may(ActionDelete, PathTokens):
		return fault.New(fault.Forbidden, "the permission %s on %s is needed", ActionDelete, PathTokens)
	}
	return nil
}

// revokeAll is the batch that voids whatever was issued to a subject.
func (a *Authority) revokeAll(subject, reason string, events ...audit.Event) records.Batch {
	return records.Batch{
		Ops:   []records.Op{records.KillTokens{Owner: subject, At: a.Now(), Reason: reason}},
		Log:   []revocation.Entry{a.cutOff(revocation.Subject, subject)},
		Audit: events,
	}
}

// Leaked takes back every value that is a token of ours, whoever reports it, and
// notes it for the owners. It tells nobody which ones were.
func (a *Authority) Leaked(ctx context.Context, values []string) error {
	var all records.Batch
	dead := false
	seen := map[string]bool{}
	for _, value := range values {
		t, err := a.genuine(ctx, value)
		if fault.Is(err, fault.InvalidToken) || err == nil && seen[t.ID] {
			continue
		}
		if err != nil {
			return err
		}
		if !a.alive(t) {
			dead = true
			continue
		}
		seen[t.ID] = true
		e := a.event(ctx, nil, audit.LeakedReport)
		e.Target, e.TokenID = t.Subject, t.ID
		ops, entries := a.death(t, "reported as leaked")
		all.Ops, all.Log, all.Audit = append(all.Ops, ops...), append(all.Log, entries...), append(all.Audit, e)
	}
	switch {
	case len(all.Log) == 0 && dead:
		return a.settled(ctx, a.Policy.Wait)
	case len(all.Log) == 0:
		return nil
	}
	_, err := a.takeBack(ctx, all, a.Policy.Wait)
	return err
}
