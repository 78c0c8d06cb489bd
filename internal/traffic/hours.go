package traffic

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/upkeep"
)

// Kept is for how long counts are kept.
const Kept = 90 * 24 * time.Hour

// Totals are how often things happened since a process began, by name: a group and a word,
// such as verified/api-token.
type Totals map[string]int64

// The groups of names.
const (
	GroupIssued        = "issued"
	GroupIssueRefused  = "issue-refused"
	GroupVerified      = "verified"
	GroupVerifyRefused = "verify-refused"
	GroupLogins        = "logins"
	GroupRevoked       = "revoked"

	groupLag   = "acknowledged" // how many, and how long that took together
	groupBelow = "acknowledged-below"
	lagCount   = "count"
	lagMicros  = "us"
)

// Name returns the name of a count.
func Name(group, word string) string { return group + "/" + word }

// Acknowledged adds to totals how many revocations were waited for, how long that took
// together, and how many of them took less than each bound and no less than the one before.
func (t Totals) Acknowledged(count int64, took time.Duration, below map[time.Duration]int64) {
	t[Name(groupLag, lagCount)] = count
	t[Name(groupLag, lagMicros)] = took.Microseconds()
	for bound, n := range below {
		t[Name(groupBelow, strconv.FormatInt(bound.Microseconds(), 10))] = n
	}
}

// Config configures Hours. All fields must be set.
type Config struct {
	Store  contract.Traffic
	Node   string        // a name of this run of the process, that no other one has
	Totals func() Totals // what this process counted
	Now    func() time.Time
}

// Hours keeps what all nodes count, hour by hour, in the database. What a node has counted
// since it last wrote is lost when it dies; nothing is counted twice.
type Hours struct {
	cfg Config

	mu      sync.Mutex
	read    time.Time                 // when the totals were last read
	last    Totals                    // what they were then
	hours   map[time.Time]Totals      // what this node counted in each hour that may change
	unsaved map[upkeep.HourCount]bool // rows that are not written, without their count
}

// NewHours returns hours in which nothing is counted yet.
func NewHours(cfg Config) (*Hours, error) {
	if cfg.Store == nil || cfg.Node == "" || cfg.Totals == nil || cfg.Now == nil {
		return nil, errors.New("traffic: store, node, totals and clock must be set")
	}
	return &Hours{cfg: cfg, hours: map[time.Time]Totals{}, unsaved: map[upkeep.HourCount]bool{}}, nil
}

// Write stores what was counted since the last call, in the hour of that time. What can't
// be stored is stored by the next call. The rows have the sums of the hour, so that one
// that is written twice counts once.
func (h *Hours) Write(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count()
	rows := make([]upkeep.HourCount, 0, len(h.unsaved))
	for row := range h.unsaved {
		row.Count = h.hours[row.Hour][row.Name]
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b upkeep.HourCount) int {
		if c := a.Hour.Compare(b.Hour); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	if err := h.cfg.Store.SetCounts(ctx, h.cfg.Node, rows); err != nil {
		return err
	}
	clear(h.unsaved)
	current := h.read.UTC().Truncate(time.Hour)
	maps.DeleteFunc(h.hours, func(hour time.Time, _ Totals) bool { return hour.Before(current) })
	return nil
}

// count adds what happened since the totals were last read.
func (h *Hours) count() {
	now, totals := h.cfg.Now(), h.cfg.Totals()
	since := h.read
	if since.IsZero() || now.Before(since) {
		since = now
	}
	hour := since.UTC().Truncate(time.Hour)
	for name, n := range totals {
		if n -= h.last[name]; n <= 0 {
			continue
		}
		if h.hours[hour] == nil {
			h.hours[hour] = Totals{}
		}
		h.hours[hour][name] += n
		h.unsaved[upkeep.HourCount{Hour: hour, Name: name}] = true
	}
	h.read, h.last = now, totals
	old := now.Add(-Kept)
	maps.DeleteFunc(h.hours, func(hour time.Time, _ Totals) bool { return hour.Before(old) })
	maps.DeleteFunc(h.unsaved, func(row upkeep.HourCount, _ bool) bool { return row.Hour.Before(old) })
}

// Purge deletes the counts that are older than they are kept.
func (h *Hours) Purge(ctx context.Context) error {
	return h.cfg.Store.PurgeCounts(ctx, h.cfg.Now().Add(-Kept))
}

// Hours returns steps of whole hours until now, oldest first, of all nodes; the last one
// goes on. The error is fault.Invalid for steps that are not kept.
func (h *Hours) Hours(ctx context.Context, step time.Duration, steps int) ([]Step, error) {
	if step < time.Hour || step%time.Hour != 0 || steps <= 0 || steps > int(Kept/step) {
		return nil, fault.New(fault.Invalid, "steps are whole hours within 90 days")
	}
	end := h.cfg.Now().UTC().Truncate(step).Add(step)
	begin := end.Add(-step * time.Duration(steps))
	counts, err := h.cfg.Store.Counts(ctx, begin, end)
	if err != nil {
		return nil, err
	}
	out := make([]Step, steps)
	for i := range out {
		out[i] = newStep(begin.Add(step*time.Duration(i)), step)
	}
	for _, one := range counts {
		out[one.Hour.Sub(begin)/step].add(one.Name, one.Count)
	}
	for i := range out {
		out[i].settle()
	}
	return out, nil
}

func newStep(from time.Time, length time.Duration) Step {
	return Step{
		From: from, Until: from.Add(length), Issued: map[string]int64{}, IssueRefused: map[string]int64{},
		Verified: map[string]int64{}, VerifyRefused: map[string]int64{}, Logins: map[string]int64{}, Revoked: map[string]int64{},
	}
}

// add adds a count to a step. A name that a later version writes is left out.
func (s *Step) add(name string, n int64) {
	group, word, _ := strings.Cut(name, "/")
	switch group {
	case GroupIssued:
		s.Issued[word] += n
	case GroupIssueRefused:
		s.IssueRefused[word] += n
	case GroupVerified:
		s.Verified[word] += n
	case GroupVerifyRefused:
		s.VerifyRefused[word] += n
	case GroupLogins:
		s.Logins[word] += n
	case GroupRevoked:
		s.Revoked[word] += n
	case groupLag:
		if word == lagCount {
			s.Acknowledged += n
		} else {
			s.AcknowledgedIn += time.Duration(n) * time.Microsecond
		}
	case groupBelow:
		us, err := strconv.ParseInt(word, 10, 64)
		if err == nil && n > 0 {
			s.bounded += n
			s.SlowestBelow = max(s.SlowestBelow, time.Duration(us)*time.Microsecond)
		}
	}
}

// settle sets the bound of the slowest revocation where none was known: it took no longer
// than all did together.
func (s *Step) settle() {
	if s.Acknowledged > s.bounded {
		s.SlowestBelow = max(s.SlowestBelow, s.AcknowledgedIn)
	}
	s.bounded = 0
}
