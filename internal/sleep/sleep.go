// Package sleep waits, unless there is no more reason to.
package sleep

import (
	"context"
	"time"
)

// For waits for d, and reports whether it did: it returns false as soon as ctx has ended. It
// doesn't wait when d isn't positive.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
