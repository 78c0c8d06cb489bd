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
	"github.com/bearerd/bearerd/internal/records/op"
)

// Anybody can cause refusals, as fast as the network allows. So they are counted: the
// audit log has one row a minute for those with the same action and reason from one
// address or, where the caller is known, from one actor. Refused sign-ins of a user have
// a row of their own, so that they are found by the user, for as many users as the limits
// allow.
//
//  1. At t0 a refusal comes of a kind that was not seen within the last minute. It is
//     written at once, and a minute begins.
//  2. Until t0 + 1 min others like it are counted in memory. Then one write adds their
//     number to the row of t0, and the next minute begins.
//  3. All refusals of that minute, from its first one, are counted in memory and written
//     as one row when the minute ends. After a minute without refusals the count is
//     dropped.
//
// So a single refusal is in the log before it is answered, and a flood costs one row and
// one write a minute. A crash loses the counts of the minute under way, and never the row
// that says that the flood began.

// How many refusals are counted separately, and for how long.
const (
	refusalPeriod   = time.Minute
	maxStrangers    = 1_000  // addresses, networks of IPv6, with their actions and reasons
	maxKnown        = 10_000 // actors, likewise
	maxReasons      = 10     // of one address or actor; reasons may contain a client's text
	maxOtherTargets = 5      // that a row names in addition to the first
	refusalsAtOnce  = 500    // rows in one transaction
)

const (
	reasonOther   = "refused for other reasons"
	reasonCrowded = "refused; too many callers to count each separately"
)

// refusalKey is equal for refusals that are counted together.
type refusalKey struct {
	actor   string // "" for strangers
	network string // of strangers
	action  string
	reason  string
	target  string // of a sign-in: the subject of the user; "" for any
}

// who returns the key for all refusals of one address or actor.
func (k refusalKey) who() refusalKey { return refusalKey{actor: k.actor, network: k.network} }

// refusals counts refusals until they are written. The zero value is ready.
type refusals struct {
	mu      sync.Mutex
	minutes map[refusalKey]*countedMinute
	reasons map[refusalKey]int // minutes under way, by who
	known   int                // of these, those of actors
}

// countedMinute is a minute under way.
type countedMinute struct {
	began   time.Time
	tally   string      // names the row
	first   audit.Event // zero until there was a refusal
	more    int64       // not written yet
	targets []string    // of the others, where they differ from the first's
	others  bool        // there were more targets than that
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

// keyOf returns the key that a refusal is counted under, in bounded memory: beyond the
// limits, first reasons and then callers are counted together.
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

// name records the target of a refusal, where it is not the first one's.
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

// row returns the event with the number of refusals.
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

// end closes the minutes that are over at now, or all, and returns those with something
// to write. Each is followed by the next minute, whose first refusal waits for its end.
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

// Refuse records a refusal and returns its reason. Refusals of one kind are counted, and
// may be written up to a minute later (FlushRefusals). The first is written before Refuse
// returns; when that fails, that error is returned instead.
func (j *Journal) Refuse(ctx context.Context, e audit.Event, reason error) error {
	e.Outcome, e.Reason, e.At = audit.Refused, fault.Message(reason), j.cfg.Now()
	row, write := j.refusals.note(e.Clean(), audit.OriginOf(ctx).Network())
	if !write {
		return reason
	}
	if _, err := j.Commit(ctx, op.Batch{Audit: []audit.Event{row}}); err != nil {
		return err
	}
	return reason
}

// FlushRefusals writes the refusals that were counted: those whose minute is over, or
// all. What can't be written is kept for the next call.
func (j *Journal) FlushRefusals(ctx context.Context, all bool) error {
	over := j.refusals.end(j.cfg.Now(), all)
	var failed []error
	for len(over) > 0 {
		part := map[refusalKey]*countedMinute{}
		var b op.Batch
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
