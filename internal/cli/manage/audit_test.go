package manage

import (
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
)

func TestAuditTableSaysHowManyWereRefused(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	eventTable(&out, []audit.Event{
		{At: at, Action: "login", Target: "ada", Outcome: "refused", Count: 57},
		{At: at, Action: "login", Target: "bob", Outcome: "refused", Count: 1},
	}, nil)
	if got := out.String(); !strings.Contains(got, " refused 57 times ") || strings.Contains(got, " 1 times") {
		t.Error(got)
	}
}
