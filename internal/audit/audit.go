// Package audit defines audit events. Every issue, refusal, revocation,
// login and administrative change is one event; the store writes it in the same
// transaction as what it records, so an operation whose event can't be written
// does not happen. An event never holds a secret: it names tokens by their id.
package audit

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/redact"
)

// Outcome values.
const (
	OK      = "ok"      // it was done
	Refused = "refused" // it was asked for and not done; Reason says why
)

// Event is who did what to what, from where, and with which outcome. Its JSON is the same
// in the management API, the pages' export and the command line.
type Event struct {
	ID        int64     `json:"id"` // set by the store, ascending in the order of writing
	At        time.Time `json:"at"`
	Actor     string    `json:"actor"`    // subject id or client id, "cli" or "system"; empty: nobody signed in
	Action    string    `json:"action"`   // one of Actions
	Target    string    `json:"target"`   // what it was done to: a subject, client, key, role, path …; a folded name that no user has
	TokenID   string    `json:"token_id"` // the public id of the token it was about, never its value
	Address   string    `json:"address"`  // the client's address
	RequestID string    `json:"request_id"`
	Outcome   string    `json:"outcome"` // OK or Refused
	Reason    string    `json:"reason"`  // why it was refused, or a remark

	// ActorName and TargetName are the usernames of the actor and the target, as they were:
	// the store writes them where they are empty. Of a sign-in TargetName is what was typed.
	ActorName  string `json:"actor_name"`
	TargetName string `json:"target_name"`

	// Count is how many refusals like this one the event counts, within a minute from At
	// on; 0 and 1 mean one.
	Count int64 `json:"count"`
	// Tally names the row of such an event: what is written with the same name is
	// added to its count, and replaces its reason. It is empty for every other event,
	// and not read back.
	Tally string `json:"-"`
}

// Actors that are neither a user nor a client.
const (
	ActorCLI    = "cli"    // someone at the command line, beside the store
	ActorSystem = "system" // bearerd itself: housekeeping, key rotation
)

const (
	maxNameBytes   = 255
	maxTargetBytes = 1024
	maxReasonBytes = 500
)

// Clean returns the event with its text made safe to store and to show: cut to a
// bounded length between two characters, tokens redacted, invalid UTF-8 and control
// characters replaced by U+FFFD, the time in UTC. An event may contain what a client typed.
func (e Event) Clean() Event {
	e.At = e.At.UTC()
	for _, f := range []struct {
		text *string
		max  int
	}{
		{&e.Actor, maxNameBytes},
		{&e.Action, maxNameBytes},
		{&e.Target, maxTargetBytes},
		{&e.ActorName, maxNameBytes},
		{&e.TargetName, maxNameBytes},
		{&e.TokenID, maxNameBytes},
		{&e.Address, maxNameBytes},
		{&e.RequestID, maxNameBytes},
		{&e.Outcome, maxNameBytes},
		{&e.Reason, maxReasonBytes},
		{&e.Tally, maxNameBytes},
	} {
		*f.text = clean(*f.text, f.max)
	}
	return e
}

func clean(s string, limit int) string {
	s = redact.Tokens(s[:min(len(s), 2*limit)])
	if len(s) <= limit && plain(s) {
		return s
	}
	// A character that begins within the limit ends within the first of these
	// cuts, so that only the second can split one, and it doesn't.
	s = s[:min(len(s), limit+utf8.UTFMax)]
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return utf8.RuneError
		}
		return r
	}, s)
	return cut(s, limit)
}

// plain reports whether s is printable ASCII, in which there is nothing to replace:
// nearly every text is, and each is cleaned and then validated.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// cut shortens s, which is valid UTF-8, to at most limit bytes without splitting
// a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// Validate reports an event that must not be written: without time, with an
// action or outcome that is not one of ours, or with text that Clean would
// change. The error is internal, for the mistake is the program's.
func (e Event) Validate() error {
	switch {
	case e.At.IsZero():
		return errors.New("audit event without a time")
	case !slices.Contains(actions, e.Action):
		return fmt.Errorf("audit event with the unknown action %q", e.Action)
	case e.Outcome != OK && e.Outcome != Refused:
		return fmt.Errorf("audit event with the unknown outcome %q", e.Outcome)
	case e.Count < 0:
		return errors.New("audit event with a negative count")
	case e != e.Clean():
		return errors.New("audit event that was not cleaned")
	}
	return nil
}

// Page is a part of a list of events. It may have fewer events than its limit, or none, and
// others after it.
type Page struct {
	Events []Event
	Next   int64 // the Cursor of the next page; 0: there is none
}

// Filter selects the events to list, newest first: by their IDs or, where a list is narrowed by
// time and neither by actor, action, target, token, outcome or an address, by their times. A
// zero field does not narrow the list.
type Filter struct {
	Actor  string
	Action string
	Target string
	// TargetTyped is another name of the target, which events have from before there was
	// such a user: a folded username.
	TargetTyped string
	TokenID     string
	Outcome     string    // OK or Refused
	Address     string    // where it came from: an address, or a network in CIDR notation
	Since       time.Time // events at this time or later
	Until       time.Time // events before this time
	Cursor      int64     // events after the one with this ID: Page.Next of the page before
	Limit       int       // how many, 1 to MaxLimit; 0 is DefaultLimit
}

// Limits of one page of events.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Canonical returns the filter with its default limit filled in, or fault.Invalid
// when it can't be answered. An action that bearerd doesn't know is an error
// rather than an empty list.
func (f Filter) Canonical() (Filter, error) {
	if f.Limit == 0 {
		f.Limit = DefaultLimit
	}
	switch {
	case f.Limit < 0 || f.Limit > MaxLimit:
		return Filter{}, fault.New(fault.Invalid, "limit is 1 to %d", MaxLimit).In("limit")
	case f.Cursor < 0:
		return Filter{}, fault.New(fault.Invalid, "cursor is not one of ours").In("cursor")
	case f.Action != "" && !slices.Contains(actions, f.Action):
		return Filter{}, fault.New(fault.Invalid, "unknown action").In("action")
	case f.Outcome != "" && f.Outcome != OK && f.Outcome != Refused:
		return Filter{}, fault.New(fault.Invalid, "an outcome is %s or %s", OK, Refused).In("outcome")
	case !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until):
		return Filter{}, fault.New(fault.Invalid, "since is not before until").In("since")
	}
	if f.Address != "" {
		if _, _, err := AddressRange(f.Address); err != nil {
			return Filter{}, err
		}
	}
	return f, nil
}

// Matches reports whether the event is one that the filter lists, its limit aside.
func (f Filter) Matches(e Event) bool {
	return (f.Actor == "" || f.Actor == e.Actor) &&
		(f.Action == "" || f.Action == e.Action) &&
		(f.Target == "" || f.Target == e.Target || f.TargetTyped == e.Target && f.TargetTyped != "") &&
		(f.TokenID == "" || f.TokenID == e.TokenID) &&
		(f.Outcome == "" || f.Outcome == e.Outcome) &&
		(f.Address == "" || within(e.Address, f.Address)) &&
		(f.Since.IsZero() || !e.At.Before(f.Since)) &&
		(f.Until.IsZero() || e.At.Before(f.Until)) &&
		(f.Cursor == 0 || e.ID < f.Cursor)
}

// ParseCursor reads the cursor of a list; the empty string is the beginning.
// Everything that is no positive decimal number is fault.Invalid.
func ParseCursor(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != s {
		return 0, fault.New(fault.Invalid, "cursor is not one of ours").In("cursor")
	}
	return n, nil
}
