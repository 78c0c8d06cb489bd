package logs_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// TestAPageOfTheAuditLogLooksAtBoundedEvents has more events than one page looks at, of which
// the oldest alone match what no index finds: the page ends, says that there is more, and the
// next one goes on from there.
func TestAPageOfTheAuditLogLooksAtBoundedEvents(t *testing.T) {
	t.Parallel()
	const few = 3
	begun := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	storekit.ExecAll(t, path, fmt.Sprintf(`INSERT INTO audit_events (at, actor, action, target, token_id, address, request_id, outcome, reason, address_key)
WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %d)
SELECT %d + n * 1000000, 'robot', CASE WHEN n <= %[3]d THEN 'token.revoke' ELSE 'token.issue' END, CASE WHEN n > %[3]d THEN 'ada' ELSE '' END, '', '', '', 'ok', '',
    CASE WHEN n <= %[3]d THEN '40a000001' ELSE '4c0000201' END FROM c`, 2*records.MaxTotal+few, begun.UnixMicro(), few))
	after := func(n int) time.Time { return begun.Add(time.Duration(n) * time.Second) }
	for name, c := range map[string]struct {
		f     audit.Filter
		want  int
		pages int
	}{
		"a large network":                    {audit.Filter{Address: "10.0.0.0/8"}, few, 3},
		"a large network by time":            {audit.Filter{Address: "10.0.0.0/8", Since: begun}, few, 3},
		"what is rare of what is frequent":   {audit.Filter{Actor: "robot", Action: audit.TokenRevoke}, few, 1},
		"a short time long ago":              {audit.Filter{Actor: "robot", Until: after(8)}, 7, 1},
		"a long time long ago of one":        {audit.Filter{Actor: "robot", Address: "10.0.0.0/8", Until: after(records.MaxTotal + 100)}, few, 3},
		"a long time long ago":               {audit.Filter{Until: after(8)}, 7, 1},
		"two that are frequent and never so": {audit.Filter{Actor: "robot", Target: "ada", Address: "10.0.0.0/8"}, 0, 3},
	} {
		found, pages := 0, 0
		for c.f.Limit = 10; ; pages++ {
			page, err := s.AuditPage(t.Context(), c.f)
			if err != nil || pages > 10 {
				t.Fatalf("%s: page %d, %v", name, pages, err)
			}
			found += len(page.Events)
			if c.f.Cursor = page.Next; page.Next == 0 {
				break
			}
		}
		if found != c.want || pages+1 != c.pages {
			t.Errorf("%s: %d events on %d pages, want %d on %d", name, found, pages+1, c.want, c.pages)
		}
	}
}
