package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
)

const (
	callRevoke = `CALL bearerd_revoke($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, NULL, NULL)`
	callTouch  = `CALL bearerd_touch($1, $2, $3)`
)

// revoke carries out batches that revoke and record, in one transaction and one message.
// Those whose tokens are locked by another transaction are carried out separately.
func (g *committer) revoke(ctx context.Context, jobs []*job) {
	head, left, err := g.callRevoke(ctx, jobs)
	if err != nil && len(jobs) > 1 && !shared(err) {
		for _, j := range jobs {
			g.revoke(ctx, []*job{j})
		}
		return
	}
	for i, j := range slices.Backward(jobs) {
		switch {
		case err != nil:
			j.answer(0, err)
		case slices.Contains(left, int64(i)):
			g.apart(j)
		case len(j.batch.Log) == 0:
			j.answer(0, nil)
		default:
			j.answer(head, nil)
			head -= revocation.Seq(len(j.batch.Log))
		}
	}
}

// revokeAlone carries out a batch whose tokens are locked by another transaction. It
// tries several times before it waits for them, because while it waits all other
// revocations wait too.
func (g *committer) revokeAlone(ctx context.Context, j *job) {
	enough := time.NewTimer(g.db.limits.StatementTimeout / 2)
	defer enough.Stop()
	pause := time.NewTicker(groupWait)
	defer pause.Stop()
	for {
		head, left, err := g.callRevoke(ctx, []*job{j})
		if err != nil || len(left) == 0 {
			if len(j.batch.Log) == 0 {
				head = 0
			}
			j.answer(head, err)
			return
		}
		select {
		case <-pause.C:
		case <-g.db.stop:
			j.answer(0, engine.ErrClosed)
			return
		case <-enough.C:
			g.commitAlone(ctx, j)
			return
		}
	}
}

// callRevoke returns the last sequence, and the numbers of the jobs that were left
// out. It is 0 when nothing was appended.
func (g *committer) callRevoke(ctx context.Context, jobs []*job) (seq revocation.Seq, left []int64, err error) {
	args := revokeArgs(jobs)
	var answer struct { // a commit that goes on may still write it
		head *revocation.Seq
		left []int64
	}
	err = g.db.patiently(ctx, func(ctx context.Context, c *conn) error {
		answer.head, answer.left = nil, nil
		if err := engine.SameServer(c, jobs[0].batch.Origin); err != nil {
			return err
		}
		return c.call(ctx, callRevoke, args, &answer.head, &answer.left)
	})
	if err != nil {
		return 0, nil, err
	}
	if answer.head != nil {
		seq = *answer.head
	}
	return seq, answer.left, nil
}

// revokeArgs returns the arguments of callRevoke: columns, each row with the number
// of its job.
func revokeArgs(jobs []*job) []any {
	var kills, events, entries columns
	for n, j := range jobs {
		batch := int64(n)
		for _, o := range j.batch.Ops {
			kill, ok := o.(op.KillTokens)
			if !ok {
				continue
			}
			at := column.Micros(kill.At)
			for _, id := range kill.IDs {
				kills.add(batch, "id", id, at, kill.Reason)
			}
			if kill.Owner != "" {
				kills.add(batch, "owner", kill.Owner, at, kill.Reason)
			}
			if kill.ClientID != "" {
				kills.add(batch, "client", kill.ClientID, at, kill.Reason)
			}
		}
		for _, e := range j.batch.Audit {
			events.add(batch, column.Micros(e.At), e.Actor, e.Action, e.Target, e.TokenID, e.Address, e.RequestID, e.Outcome, e.Reason)
		}
		for _, e := range j.batch.Log {
			entries.add(batch, string(e.What), e.ID, column.Micros(e.Until), column.Micros(e.At))
		}
	}
	return slices.Concat(
		kills.of(integers, texts, texts, integers, texts),
		events.of(integers, integers, texts, texts, texts, texts, texts, texts, texts, texts),
		entries.of(integers, texts, texts, integers, integers),
	)
}

// Touch implements engine.DB.
func (db *DB) Touch(ctx context.Context, uses []records.Use) error {
	if db.stuck.crowded(ctx, db.limits.mostStuck()) {
		return errStuck
	}
	var rows columns
	for _, u := range uses {
		rows.add(u.ID, column.Micros(u.At), u.Address)
	}
	args := rows.of(texts, integers, texts)
	return db.patiently(ctx, func(ctx context.Context, c *conn) error { return c.call(ctx, callTouch, args) })
}
