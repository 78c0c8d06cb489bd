package account

import (
	"net/url"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

const (
	never  = "never"
	onDate = "date"
)

// expiry is the part of a form with the expiry of a token.
type expiry struct {
	Choices []kit.Choice
	Until   string // YYYY-MM-DD, the last day
	OnDate  bool   // whether that is what was chosen
	Today   string
	Latest  string // the last day that may be chosen; "": any
	Bound   string // what can't be chosen, and why; "": all can
	Error   string

	now     time.Time
	ceiling time.Duration // 0: none
}

// presets are the days that are offered.
var presets = []int{7, 30, 90, 365}

// usual is the preset that is selected at first, if the ceiling allows it.
const usual = 30

// newExpiry offers the presets that a ceiling allows.
func newExpiry(now time.Time, ceiling time.Duration) expiry {
	x := expiry{Today: now.UTC().Format(kit.DateForm), now: now, ceiling: ceiling}
	chosen := min(usual*kit.Day, x.longest(usual*kit.Day))
	for _, days := range presets {
		if life := time.Duration(days) * kit.Day; life <= x.longest(life) {
			x.offer(life, kit.InWords(life), life == chosen)
		}
	}
	if ceiling == 0 {
		x.Choices = append(x.Choices, kit.Choice{Value: never, Text: "never"})
		return x
	}
	x.Bound = "Tokens on this server expire after " + kit.InWords(ceiling) + " at most."
	// The last day that ends before the ceiling does.
	x.Latest = now.UTC().Add(ceiling - kit.Day).Format(kit.DateForm)
	if last := len(x.Choices) - 1; last < 0 || x.Choices[last].Value != seconds(ceiling) {
		x.offer(ceiling, kit.InWords(ceiling)+", the maximum", ceiling == chosen)
	}
	return x
}

func (x *expiry) longest(life time.Duration) time.Duration {
	if x.ceiling == 0 {
		return life
	}
	return x.ceiling
}

func (x *expiry) offer(life time.Duration, text string, chosen bool) {
	x.Choices = append(x.Choices, kit.Choice{Value: seconds(life), Text: text, Chosen: chosen})
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// read returns the lifetime in seconds that was chosen, 0 for none asked for, and
// keeps what was chosen. If it is not valid, Error has the reason.
func (x *expiry) read(form url.Values) (lifetime int64) {
	chosen := form.Get("expires")
	x.Until = form.Get("until")
	if chosen == "" && x.Until != "" {
		chosen = onDate
	}
	x.OnDate = chosen == onDate
	for i := range x.Choices {
		x.Choices[i].Chosen = x.Choices[i].Value == chosen
	}
	switch {
	case chosen == onDate:
		// To the end of the day that was chosen, in UTC.
		last, err := time.Parse(kit.DateForm, x.Until)
		if err != nil {
			x.Error = "Enter a date as year-month-day, such as " + x.now.UTC().Add(usual*kit.Day).Format(kit.DateForm) + "."
			return 0
		}
		left := last.Add(kit.Day).Sub(x.now)
		if left < time.Second {
			x.Error = "This date is in the past."
		}
		return int64(left / time.Second)
	case x.Until != "":
		x.Error = "Choose “on a date”, or leave the date empty."
	case chosen == never && x.ceiling > 0:
		x.Error = "Choose an expiry of " + kit.InWords(x.ceiling) + " at most."
	case chosen == "", chosen == never:
	default:
		var err error
		if lifetime, err = issuance.ParseLifetime(chosen); err != nil {
			x.Error = "Choose one of the options."
		}
	}
	return lifetime
}
