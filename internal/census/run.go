package census

import (
	"context"
	"log/slog"
	"time"
)

// Run counts at once and then from time to time, until ctx ends. Failures are logged and
// tried again.
func (c *Census) Run(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := c.Count(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "counting users and tokens", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
