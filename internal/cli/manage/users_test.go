package manage

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/account"
)

func TestLockedSaysFromWhereAndUntilWhen(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := locked(account.Lock{Everywhere: until, Addresses: []account.LockedAddress{{Address: "192.0.2.1", Until: until}, {Until: until}}})
	want := "from new addresses until 2026-03-01T12:00:00Z, from 192.0.2.1 until 2026-03-01T12:00:00Z, from an unknown address until 2026-03-01T12:00:00Z"
	if got != want || locked(account.Lock{}) != "" {
		t.Error(got)
	}
}
