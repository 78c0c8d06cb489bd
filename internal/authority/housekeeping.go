package authority

import (
	"context"
	"log/slog"
	"time"
)

// KeyLag is how often the signing keys are tended, and so how long it may take
// until every node has seen a change of theirs that the log doesn't tell of.
const KeyLag = time.Minute

const (
	flushEvery = 5 * time.Second
	purgeEvery = 10 * time.Minute

	// The memory of a password's hash is given back soon: while it counts as in use,
	// the collector lets as much garbage again pile up.
	trimAfter = 50 * time.Millisecond
)

// Run does what must be done from time to time until ctx ends: it reads the
// signing keys when the log says that they changed and tends them, writes last
// uses, gives back the memory of password hashing, and purges what no longer matters. What fails is logged and tried again.
func (a *Authority) Run(ctx context.Context) error {
	flush, tend, purge := time.NewTicker(flushEvery), time.NewTicker(KeyLag), time.NewTicker(purgeEvery)
	defer flush.Stop()
	defer tend.Stop()
	defer purge.Stop()
	trim := time.NewTimer(trimAfter)
	defer trim.Stop()
	for {
		select {
		case <-a.keyNews:
			a.try(ctx, "reading the signing keys", a.Ring.Refresh)
		case <-a.uses.wake:
			a.try(ctx, "ending tokens that were regenerated", a.endPredecessors)
		case <-flush.C:
			a.try(ctx, "writing last uses", a.FlushUses)
			a.Hasher.Trim()
		case <-a.hashed:
			trim.Reset(trimAfter)
		case <-trim.C:
			a.Hasher.Trim()
		case <-tend.C:
			a.try(ctx, "tending the signing keys", a.Ring.Tend)
		case <-purge.C:
			a.try(ctx, "purging", a.purge)
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			a.try(ctx, "writing last uses", a.FlushUses)
			return nil
		}
	}
}

// poke leaves a note where there is none yet.
func poke(note chan<- struct{}) {
	select {
	case note <- struct{}{}:
	default:
	}
}

func (a *Authority) purge(ctx context.Context) error { return a.Store.Purge(ctx, a.Now()) }

func (a *Authority) try(ctx context.Context, what string, f func(context.Context) error) {
	if err := f(ctx); err != nil && ctx.Err() == nil {
		a.Log.WarnContext(ctx, what, slog.Any("error", err))
	}
}
