package traffic

import (
	"context"
	"log/slog"
	"time"
)

const (
	writeEvery = time.Minute
	purgeEvery = time.Hour
	lastWrite  = 5 * time.Second // how long the last write may take, when the process ends
)

// Run writes what was counted every minute and when ctx ends, and purges what is old at the
// start and every hour. What fails is logged and tried again.
func (h *Hours) Run(ctx context.Context, log *slog.Logger) error {
	write, purge := time.NewTicker(writeEvery), time.NewTicker(purgeEvery)
	defer write.Stop()
	defer purge.Stop()
	try := func(ctx context.Context, what string, f func(context.Context) error) {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, what, slog.Any("error", err))
		}
	}
	try(ctx, "purging the counts", h.Purge)
	for {
		select {
		case <-write.C:
			try(ctx, "writing the counts", h.Write)
		case <-purge.C:
			try(ctx, "purging the counts", h.Purge)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			try(last, "writing the counts", h.Write)
			return nil
		}
	}
}
