package config_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/config"
)

func TestSizesReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for size, want := range map[config.Size]string{
		1 << 10: "1KiB", 1536: "1536", 1 << 20: "1MiB", 1536 << 10: "1536KiB", 32 << 20: "32MiB", 3 << 30: "3GiB", 0: "0",
	} {
		if got := size.String(); got != want {
			t.Errorf("%d is written %s, want %s", int64(size), got, want)
		}
	}
}
