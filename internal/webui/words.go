package webui

import (
	"html/template"
	"strconv"
	"time"
)

// instant writes a time to the minute, in UTC, with its exact value beside it;
// nothing for the zero time.
func instant(t time.Time) template.HTML { return timeElement(t, "2006-01-02 15:04") }

// second writes a time to the second, likewise.
func second(t time.Time) template.HTML { return timeElement(t, "2006-01-02 15:04:05") }

func timeElement(t time.Time, layout string) template.HTML {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	exact := t.Format(time.RFC3339)
	return template.HTML(`<time datetime="` + exact + `" title="` + exact + `">` + t.Format(layout) + `</time>`) //nolint:gosec // digits
}

// inWords says a duration as people do, rounded up: "2 minutes", "5 days".
func inWords(d time.Duration) string {
	for _, u := range []struct {
		name string
		size time.Duration
		from time.Duration
	}{
		{"day", 24 * time.Hour, 48 * time.Hour},
		{"hour", time.Hour, 2 * time.Hour},
		{"minute", time.Minute, 2 * time.Minute},
	} {
		if d >= u.from {
			return count(int64((d+u.size-1)/u.size), u.name)
		}
	}
	return count(max(int64((d+time.Second-1)/time.Second), 1), "second")
}

// count says how many, in the number that goes with it.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}
