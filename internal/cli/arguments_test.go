package cli

import (
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestAPeriodIsDaysOrADuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"7d": 7 * 24 * time.Hour, "12h": 12 * time.Hour, "36500d": 36500 * 24 * time.Hour, "36501d": 0, "0d": 0, "-7d": 0, "1.5d": 0, "-1h": 0, "7": 0} {
		if got, err := ParseDuration(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestATimeIsOneADayOrADurationAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	p := &Program{Now: func() time.Time { return now }}
	for text, want := range map[string]time.Time{
		"2026-05-04T10:00:00+02:00": time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC),
		"2026-05-01":                time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
		"24h":                       now.Add(-24 * time.Hour),
		"7d":                        now.Add(-7 * 24 * time.Hour),
		"":                          {}, "yesterday": {}, "2026-13-01": {}, "-1h": {}, "7": {},
	} {
		got, err := p.Instant("since", text)
		if !got.Equal(want) || (err == nil) != (!want.IsZero() || text == "") {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestAFlagForADurationTakesDaysAndNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"7d": 7 * 24 * time.Hour, "90s": 90 * time.Second, "0": 0, "0s": 0, "-1h": -1, "week": -1} {
		d := time.Hour
		cmd := &cobra.Command{}
		DurationFlag(cmd, &d, "overlap", "")
		if err := cmd.ParseFlags([]string{"--overlap=" + text}); (err == nil) != (want >= 0) || err == nil && d != want {
			t.Errorf("%q is %s, %v; want %s", text, d, err, want)
		}
	}
}

func TestWhatIsAroundATokenIsNoPartOfIt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"bda_x", " bda_x\r\n\n", "Bearer bda_x", "bearer  bda_x ", "Authorization: Bearer bda_x\n", "authorization:bda_x", "\tbda_x"} {
		if got := BareToken(text); got != "bda_x" {
			t.Errorf("%q is %q", text, got)
		}
	}
	for _, text := range []string{"a:b", "a b", "Bearerx y", ""} {
		if got := BareToken(text); got != text {
			t.Errorf("%q is %q", text, got)
		}
	}
}
