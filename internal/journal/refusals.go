package journal

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
)

// Anybody can cause refusals, as fast as the network carries them. So they are counted:
// the audit log has one row a minute of those with the same action and reason that
// come from one address or, where the caller is known, from one actor. Refused sign-ins of
// a user have a row of their own, so that they are found by the user, for as many users as
// the bounds allow.
//
//  1. At t0 a refusal comes whose like was not seen within the last minute. It is
//     written at once, and a minute begins.
//  2. Until t0 + 1 min others like it are counted in memory. Then one write adds their
//     number to the row of t0, and the next minute begins.
//  3. What comes in that minute is counted in memory from the first, and written as one
//     row when the minute ends. A minute in which nothing came is forgotten.
//
// So a refusal that comes alone is in the log before it is answered, and a flood costs
// one row and one write a minute. A crash loses the counts of the minute under way, and
// never the row that says that the flood began.

// The bounds of what is counted apart, and for how long.
const (
	refusalPeriod   = time.Minute
	maxStrangers    = 1_000  // addresses, networks of IPv6, with their actions and reasons
	maxKnown        = 10_000 // actors, likewise
	maxReasons      = 10     // of one address or actor; reasons may contain what was sent
	maxOtherTargets = 5      // that a row names beside the first
	refusalsAtOnce  = 500    // rows in one transaction
)

const (
	reasonOther   = "refused for other reasons"
	reasonCrowded = "refused; too many callers to count each apart"
)

// refusalKey says which refusals are alike.
type refusalKey struct {
	actor   string // "" for strangers
	network string // of strangers
	action  string
	reason  string
	target  string // of a sign-in: the subject of the user; "" for any
}

// who returns the key of everything that one address or actor is refused.
func (k refusalKey) who() refusalKey { return refusalKey{actor: k.actor, network: k.network} }

// refusals counts refusals until they are written. The zero value is ready.
type refusals struct {
	mu      sync.Mutex
	minutes map[refusalKey]*countedMinute
	reasons map[refusalKey]int // minutes under way, by who
	known   int                // of them, those of actors
}

// countedMinute is a minute under way.
type countedMinute struct {
	began   time.Time
	tally   string      // names the row
	first   audit.Event // zero until something came
	more    int64       // not written yet
	targets []string    // of the others, where they differ from the first's
	others  bool        // and there were more than targets holds
}

// note counts a refusal. It returns the event that is to be written now, if any.
func (r *refusals) note(e audit.Event, network string) (row audit.Event, write bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := r.keyOf(e, network)
	e.Reason = key.reason
	if key.reason == reasonCrowded {
		e.Actor, e.Address, e.Target, e.TokenID = "", "", "", ""
	}
	if m := r.minutes[key]; m != nil {
		m.add(e)
		return audit.Event{}, false
	}
	m := &countedMinute{began: e.At, tally: uuid.NewString(), first: e}
	r.open(key, m)
	e.Count, e.Tally = 1, m.tally
	return e, true
}

// keyOf returns what a refusal is counted under, in bounded memory: beyond the bounds
// reasons, and then callers, are not told apart.
func (r *refusals) keyOf(e audit.Event, network string) refusalKey {
	key := refusalKey{actor: e.Actor, action: e.Action, reason: e.Reason}
	if e.Actor == "" {
		key.network = network
	}
	if e.Action == audit.Login && uuid.Validate(e.Target) == nil {
		key.target = e.Target
	}
	if r.minutes[key] != nil {
		return key
	}
	if key.target != "" && r.reasons[key.who()] >= maxReasons-1 {
		key.target = ""
		if r.minutes[key] != nil {
			return key
		}
	}
	if r.reasons[key.who()] >= maxReasons {
		key.reason = reasonOther
		if r.minutes[key] != nil {
			return key
		}
	}
	strangers := len(r.minutes) - r.known
	if key.actor != "" && r.known >= maxKnown || key.actor == "" && strangers >= maxStrangers {
		return refusalKey{action: key.action, reason: reasonCrowded}
	}
	return key
}

func (r *refusals) open(key refusalKey, m *countedMinute) {
	if r.minutes == nil {
		r.minutes, r.reasons = map[refusalKey]*countedMinute{}, map[refusalKey]int{}
	}
	r.minutes[key] = m
	r.reasons[key.who()]++
	if key.actor != "" {
		r.known++
	}
}

// add counts one more in a minute under way.
func (m *countedMinute) add(e audit.Event) {
	m.more++
	if m.first.At.IsZero() {
		m.first = e
		return
	}
	m.name(e.Target)
}

// name notes the target of a refusal, where it is not the first's.
func (m *countedMinute) name(target string) {
	if target == m.first.Target {
		return
	}
	if slices.Contains(m.targets, target) {
		return
	}
	if len(m.targets) == maxOtherTargets {
		m.others = true
		return
	}
	m.targets = append(m.targets, target)
}

// row returns the event that says how many were refused.
func (m *countedMinute) row() audit.Event {
	e := m.first
	e.Count, e.Tally = m.more, m.tally
	if len(m.targets) > 0 {
		quoted := make([]string, len(m.targets))
		for i, target := range m.targets {
			quoted[i] = strconv.Quote(target)
		}
		e.Reason += "; also for " + strings.Join(quoted, ", ")
		if m.others {
			e.Reason += " and others"
		}
	}
	return e.Clean()
}

// end closes the minutes that are over at now, or all, and returns those in which
// something is left to write. Each is followed by the next minute, whose first
// refusal waits for its end.
func (r *refusals) end(now time.Time, all bool) map[refusalKey]*countedMinute {
	r.mu.Lock()
	defer r.mu.Unlock()
	over := map[refusalKey]*countedMinute{}
	for key, m := range r.minutes {
		since := now.Sub(m.began)
		if !all && since >= 0 && since < refusalPeriod {
			continue
		}
		if m.more == 0 {
			delete(r.minutes, key)
			if r.reasons[key.who()]--; r.reasons[key.who()] == 0 {
				delete(r.reasons, key.who())
			}
			if key.actor != "" {
				r.known--
			}
			continue
		}
		over[key] = m
		r.minutes[key] = &countedMinute{began: now, tally: uuid.NewString()}
	}
	return over
}

// putBack keeps what could not be written for the next time.
func (r *refusals) putBack(over map[refusalKey]*countedMinute) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, m := range over {
		now := r.minutes[key]
		if now == nil {
			r.open(key, m)
			continue
		}
		if now.more > 0 {
			m.name(now.first.Target)
			for _, target := range now.targets {
				m.name(target)
			}
			m.others = m.others || now.others
		}
		m.more += now.more
		m.began = now.began
		r.minutes[key] = m
	}
}

// Refuse records that something was asked for and not done, and returns the reason.
// Refusals that are alike are counted, and may be written up to a minute later
// (FlushRefusals); the first is written before this returns, and when that can't be
// done, the error says so instead.
func (j *Journal) Refuse(ctx context.Context, e audit.Event, reason error) error {
	e.Outcome, e.Reason, e.At = audit.Refused, fault.Message(reason), j.cfg.Now()
	row, write := j.refusals.note(e.Clean(), audit.OriginOf(ctx).Network())
	if !write {
		return reason
	}
	if _, err := j.Commit(ctx, records.Batch{Audit: []audit.Event{row}}); err != nil {
		return err
	}
	return reason
}

// FlushRefusals writes the refusals that were counted: those whose minute is over, or
// all. What can't be written is kept.
func (j *Journal) FlushRefusals(ctx context.Context, all bool) error {
	over := j.refusals.end(j.cfg.Now(), all)
	var failed []error
	for len(over) > 0 {
		part := map[refusalKey]*countedMinute{}
		var b records.Batch
		for key, m := range over {
			if len(part) == refusalsAtOnce {
				break
			}
			part[key] = m
			b.Audit = append(b.Audit, m.row())
			delete(over, key)
		}
		if _, err := j.cfg.Store.Commit(ctx, b); err != nil {
			j.refusals.putBack(part)
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
