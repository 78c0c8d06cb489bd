package explain

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Cause is the log entry that revoked a token, and who caused it, as far as the audit log
// still has that.
type Cause struct {
	Entry  revocation.Entry
	By     string // subject, client, "cli" or "system"; "" when unknown
	Reason string // the audit log's action; without an entry, the reason in the token's row
	At     time.Time
}

// cause finds the entry that revoked a token: a kill or an end of it or of what it was
// made from, or a cut-off later than its sequence; of a signing key any cut-off, because
// a thief of the key may have put any sequence into the token.
func (x *Explainer) cause(ctx context.Context, t *verification.Token) (*Cause, error) {
	for _, what := range []revocation.What{revocation.Token, revocation.End} {
		for _, id := range append([]string{t.ID}, t.Chain...) {
			e, ok, err := x.store.LogEntry(ctx, what, id)
			if err != nil {
				return nil, err
			}
			if ok && (what == revocation.Token || !x.journal.Now().Before(e.At)) {
				return x.causeOf(ctx, e, audit.Filter{TokenID: id}, t.Subject)
			}
		}
	}
	type name struct {
		what revocation.What
		id   string
	}
	names := []name{
		{revocation.Subject, t.Subject},
		{revocation.Client, t.ClientID},
		{revocation.Everything, revocation.EverythingID},
		{revocation.SigningKey, t.KID},
	}
	for _, link := range t.Chain {
		if client, ok := token.LinkedClient(link); ok {
			names = append(names, name{revocation.Client, client})
		}
	}
	for _, actor := range t.Actors {
		names = append(names, name{revocation.Subject, actor}, name{revocation.Client, actor})
	}
	for _, n := range names {
		e, ok, err := x.store.LogEntry(ctx, n.what, n.id)
		if err != nil {
			return nil, err
		}
		if ok && (e.Seq > t.Seq || n.what == revocation.SigningKey) {
			return x.causeOf(ctx, e, audit.Filter{Target: n.id}, n.id)
		}
	}
	return &Cause{Reason: t.Ended}, nil
}

// revokingActions are the acts that append a kill or a cut-off which voids tokens.
var revokingActions = []string{
	audit.TokenRevoke, audit.TokenRegenerate, audit.TokenReuse, audit.Logout, audit.LeakedReport, audit.RevokeAll,
	audit.UserDisable, audit.UserPassword, audit.UserRemove, audit.ClientUpdate, audit.ClientSecret, audit.ClientRemove, audit.KeyRetire,
}

// causeOf finds the event of an entry. An event that names another id, as that of a
// family does, is found by its target and its time, which is the entry's; so is that of a
// signing key, which is its target.
func (x *Explainer) causeOf(ctx context.Context, e revocation.Entry, f audit.Filter, target string) (*Cause, error) {
	c := &Cause{Entry: e, At: e.At}
	until := e.At.Add(time.Microsecond)
	for _, f := range []audit.Filter{f, {Target: target, Since: e.At, Until: until}, {Target: e.ID, Since: e.At, Until: until}} {
		f, err := f.Canonical()
		if err != nil {
			return nil, err
		}
		events, err := x.store.AuditEvents(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, event := range events {
			if event.Outcome == audit.OK && slices.Contains(revokingActions, event.Action) {
				c.By, c.Reason = event.Actor, event.Action
				return c, nil
			}
		}
	}
	return c, nil
}
