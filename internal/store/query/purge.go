package query

import (
	"context"

	"github.com/bearerd/bearerd/internal/store/engine"
)

// purgeChunk is how many rows a step deletes in one transaction, so that others get their
// turn; the statements have the same number.
const purgeChunk = 500

// Step deletes a chunk of rows that are due, and returns how many it has deleted.
type Step func(ctx context.Context, c engine.Conn) (deleted int64, err error)

// Purging returns the step that runs a statement, which deletes at most 500 rows that were due
// by an instant.
func Purging(text string, due int64) Step {
	return func(ctx context.Context, c engine.Conn) (int64, error) { return c.Exec(ctx, text, due) }
}

// Purge takes a step, each time in a transaction of its own, until it finds nothing more.
func Purge(ctx context.Context, db engine.DB, step Step) error {
	for n := int64(purgeChunk); n == purgeChunk; {
		err := db.Write(ctx, func(ctx context.Context, c engine.Conn) (err error) {
			if err := c.Lock(ctx, engine.LockPurge); err != nil {
				return err
			}
			n, err = step(ctx, c)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Passed are the instants up to which rows may be purged, in microseconds.
type Passed struct {
	Log    int64 // entries of the revocation log
	Tokens int64
	Audit  int64 // events of the audit log
	Rest   int64 // everything else
}
