package notice

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
)

// Interest is which events a receiver wants.
type Interest struct {
	Receiver string
	Events   []string // none: all
	// Daily makes notices of tokens that expire wait for one time of the day, so that a
	// receiver can report all of a day in one message.
	Daily bool
}

func (i Interest) wants(event string) bool {
	return len(i.Events) == 0 || slices.Contains(i.Events, event)
}

// Announcer decides which receivers are sent which notices, in the transaction in which
// it happens. The zero value announces nothing.
type Announcer struct {
	interests []Interest
	now       func() time.Time
}

// NewAnnouncer returns an announcer for receivers.
func NewAnnouncer(interests []Interest, now func() time.Time) *Announcer {
	return &Announcer{interests: interests, now: now}
}

// Wanted reports whether a receiver wants an event.
func (a *Announcer) Wanted(event string) bool {
	return slices.ContainsFunc(a.interests, func(i Interest) bool { return i.wants(event) })
}

// Add returns the operations to add to a batch, so that what it does is reported.
func (a *Announcer) Add(b op.Batch) ([]op.Op, error) {
	if len(a.interests) == 0 {
		return nil, nil
	}
	var ops []op.Op
	for _, f := range Of(b) {
		o, wanted, err := a.announce(f)
		if err != nil {
			return nil, err
		}
		if wanted {
			ops = append(ops, o)
		}
	}
	return ops, nil
}

// announce returns the operation that reports a fact; wanted is false when no receiver
// wants it.
func (a *Announcer) announce(f Fact) (o op.AddNotice, wanted bool, err error) {
	f.ID = uuid.NewString()
	if f.At.IsZero() {
		f.At = a.now()
	}
	for _, i := range a.interests {
		if !i.wants(f.Event) {
			continue
		}
		due := upkeep.Due{Receiver: i.Receiver, At: f.At}
		if i.Daily && f.Event == TokenExpiring {
			due.At = nextDaily(a.now())
		}
		o.Due = append(o.Due, due)
	}
	if len(o.Due) == 0 {
		return o, false, nil
	}
	o.Notice, err = f.notice()
	return o, true, err
}

// dailyAt is when in the day, UTC, notices that wait for it are sent.
const dailyAt = 6 * time.Hour

// nextDaily returns the next such time.
func nextDaily(t time.Time) time.Time {
	at := t.UTC().Truncate(24 * time.Hour).Add(dailyAt)
	if !at.After(t) {
		at = at.Add(24 * time.Hour)
	}
	return at
}
