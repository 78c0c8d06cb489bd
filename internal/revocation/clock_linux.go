package revocation

import (
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BootClock returns the time since boot, suspension included: it never goes back,
// and nobody can set it. Where the kernel has no such clock it returns the longest
// Duration there is, so that no lease holds.
//
// Every verification calls it. The call never blocks, so it is made without telling the
// scheduler, which would take as long again.
func BootClock() time.Duration {
	var t unix.Timespec
	_, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&t)), 0) //nolint:gosec // as the kernel wants it
	if errno != 0 {
		return math.MaxInt64
	}
	return time.Duration(t.Nano())
}
