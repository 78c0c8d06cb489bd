package revocation

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// BootClock gives the time since boot, suspension included: it never goes back,
// and nobody can set it. Where the kernel has no such clock it stands at the end
// of time, so that no lease holds.
func BootClock() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return math.MaxInt64
	}
	return time.Duration(t.Nano())
}
