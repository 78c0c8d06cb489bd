package revocation_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// The kernel's uptime counts suspension too, in hundredths of a second.
func TestBootClockIsTheKernelsUptime(t *testing.T) {
	t.Parallel()
	before := revocation.BootClock()
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	after := revocation.BootClock()
	seconds, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	uptime := time.Duration(seconds * float64(time.Second))
	if uptime < before-20*time.Millisecond || uptime > after+20*time.Millisecond {
		t.Errorf("uptime %v is not between %v and %v", uptime, before, after)
	}
}
