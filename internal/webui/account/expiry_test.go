package account

import (
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/webui/kit"
)

func TestExpiryOffersWhatTheCeilingAllows(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		ceiling time.Duration
		want    string
		chosen  string
		latest  string
	}{
		"none":        {0, "604800 2592000 7776000 31536000 never", "2592000", ""},
		"90 days":     {90 * kit.Day, "604800 2592000 7776000", "2592000", "2026-05-29"},
		"100 days":    {100 * kit.Day, "604800 2592000 7776000 8640000", "2592000", "2026-06-08"},
		"10 days":     {10 * kit.Day, "604800 864000", "864000", "2026-03-10"},
		"less than 7": {36 * time.Hour, "129600", "129600", "2026-03-02"},
	} {
		x := newExpiry(now, tt.ceiling)
		var values []string
		chosen := ""
		for _, c := range x.Choices {
			values = append(values, c.Value)
			if c.Chosen {
				chosen += c.Value
			}
		}
		if got := strings.Join(values, " "); got != tt.want || chosen != tt.chosen || x.Latest != tt.latest {
			t.Errorf("%s: %s, chosen %s, latest %s", name, got, chosen, x.Latest)
		}
	}
}
