package sleep_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"
)

func TestForWaitsUnlessTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !sleep.For(t.Context(), time.Hour) || time.Since(began) != time.Hour {
			t.Errorf("waited for %s", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		if sleep.For(ctx, time.Hour) || time.Since(began) != time.Minute {
			t.Errorf("with a context of a minute: waited for %s", time.Since(began))
		}
		if sleep.For(ctx, 0) || !sleep.For(t.Context(), -1) {
			t.Error("no time at all: reported is not whether the context goes on")
		}
	})
}
