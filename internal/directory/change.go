package directory

import (
	"context"
	"strings"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// change is one administrative change: the operations, what the revocation log says
// of them, and what the audit log records.
type change struct {
	action, target string
	name           string // of the target, where it has one besides
	remark         string // the reason in the audit log
	ops            []records.Op
	log            []revocation.Entry
}

// editor prepares changes and commits them. The methods that prepare a change of
// users, collections and so on stand beside the operations that use them.
type editor struct {
	journal *journal.Journal
	hasher  *identity.Hasher
	users   records.PrincipalReader
}

// admit is the gate of every operation that changes something: it admits
// administrators. The refusal of a caller who is known is recorded; that of nobody is
// not, because anybody could fill the audit log.
func (e *editor) admit(ctx context.Context, c *caller.Caller, action, target string) error {
	err := c.RequireAdministrator()
	if err == nil || c == nil {
		return err
	}
	event := e.journal.Event(ctx, c.Actor(), action)
	if event.Target = target; strings.HasPrefix(action, "user.") {
		event.Target, event.TargetName = records.AuditTarget(ctx, e.users, target)
	}
	return e.journal.Refuse(ctx, event, err)
}

// commit carries out changes in one transaction, for a caller who was admitted. With
// an entry in the revocation log it returns when that is acknowledged: what the
// changes revoke is then refused by every node.
func (e *editor) commit(ctx context.Context, c *caller.Caller, changes ...change) (revocation.Receipt, error) {
	var b records.Batch
	for _, one := range changes {
		event := e.journal.Event(ctx, c.Actor(), one.action)
		event.Target, event.TargetName, event.Reason = one.target, one.name, one.remark
		b.Ops, b.Log, b.Audit = append(b.Ops, one.ops...), append(b.Log, one.log...), append(b.Audit, event)
	}
	if len(b.Log) == 0 {
		seq, err := e.journal.Commit(ctx, b)
		return revocation.Receipt{Seq: seq}, err
	}
	return e.journal.Revoke(ctx, b, c.Wait)
}
