package kit

import (
	"html/template"
	"strconv"
	"strings"
	"time"
)

// Day is a day of 24 hours, and DateForm is how a date is written.
const (
	Day      = 24 * time.Hour
	DateForm = "2006-01-02"
)

// lately is up to which age a time is shown as time from now; older ones are shown as a day.
const lately = 60 * Day

// instant writes a time as people say it, "3 minutes ago", with the exact time in UTC;
// nothing for the zero time.
func instant(t, now time.Time) template.HTML { return timeElement(t, FromNow(t, now)) }

// due writes since when a key signs. A next key whose time has come doesn't yet: it
// waits for the node that looks after the keys.
func due(state string, t, now time.Time) template.HTML {
	if state == "next" && !t.After(now) {
		return timeElement(t, "any moment now")
	}
	return instant(t, now)
}

// until writes when something ends: the day, and how far away it is.
func until(t, now time.Time) template.HTML {
	text := FromNow(t, now)
	if day := t.UTC().Format(DateForm); text != day {
		text = day + ", " + text
	}
	return timeElement(t, text)
}

// second writes a time to the second, in UTC.
func second(t time.Time) template.HTML { return timeElement(t, t.UTC().Format("2006-01-02 15:04:05")) }

func timeElement(t time.Time, text string) template.HTML {
	if t.IsZero() {
		return ""
	}
	exact := t.UTC().Format(time.RFC3339)
	return template.HTML(`<time datetime="` + exact + `" title="` + exact + `">` + text + `</time>`) //nolint:gosec // digits and our own words
}

// FromNow returns how far a time is from now; only the day when that is far.
func FromNow(t, now time.Time) string {
	switch d := t.Sub(now); {
	case d > lately || d < -lately:
		return t.UTC().Format(DateForm)
	case d > 0:
		return "in " + InWords(d)
	case d > -time.Minute:
		return "just now"
	default:
		return elapsed(-d) + " ago"
	}
}

// elapsed returns a duration that has passed, rounded down.
func elapsed(d time.Duration) string {
	switch {
	case d >= 2*Day:
		return Count(int64(d/Day), "day")
	case d >= 2*time.Hour:
		return Count(int64(d/time.Hour), "hour")
	default:
		return Count(int64(d/time.Minute), "minute")
	}
}

// Grouped writes a number with its thousands separated.
func Grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// source returns where a permission comes from.
func source(via string) string {
	if group, ok := strings.CutPrefix(via, "group:"); ok {
		return "the group " + group
	}
	return "a direct binding"
}

// InWords returns a duration as people do, rounded up: "2 minutes", "5 days".
func InWords(d time.Duration) string {
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
			return Count(int64((d+u.size-1)/u.size), u.name)
		}
	}
	return Count(max(int64((d+time.Second-1)/time.Second), 1), "second")
}

// Count returns a number with its noun, in the singular or the plural.
func Count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

// shortGrant returns the last part of a grant type's name.
func shortGrant(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }
