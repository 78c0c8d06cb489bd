//go:build !linux

package revocation

import "time"

var origin = time.Now() //nolint:forbidigo // only differences are used

// BootClock returns the time since the process started. It never goes back, but on
// some systems it stands still while the machine is suspended.
func BootClock() time.Duration {
	return time.Since(origin)
}
