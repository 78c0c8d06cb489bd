package revocation_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/revocation"
)

func TestBootClockCountsForward(t *testing.T) {
	t.Parallel()
	before := revocation.BootClock()
	if before <= 0 {
		t.Fatalf("%v since boot", before)
	}
	for range 1000 {
		now := revocation.BootClock()
		if now < before {
			t.Fatalf("the clock went back from %v to %v", before, now)
		}
		before = now
	}
}
