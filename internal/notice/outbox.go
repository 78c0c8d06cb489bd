package notice

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/redact"
)

const (
	// Kept is for how long a notice waits for its receiver.
	Kept = 7 * 24 * time.Hour
	// MostWaiting is how many notices wait for a receiver at most.
	MostWaiting = 100_000
)

// Message is a notice with what the database says of its user and its token as it is sent.
type Message struct {
	Fact

	User  *identity.User       // nil: there is no such user
	Token *records.StoredToken // nil: it is about none, or there is no such token any more
}

// Receiver is a system or person that notices are sent to.
type Receiver interface {
	// Send sends messages of one group, together. The error is ErrNobody when there is
	// nobody to send them to, a *RefusedError when they will never be accepted, an
	// *AddresseeError when only these are not accepted now, a *LaterError when the
	// receiver says when to try again, and any other one when they are to be tried again.
	Send(ctx context.Context, group []Message) error
	// Group returns a name that is equal for messages that are sent together; "" for one
	// that is sent alone.
	Group(m Message) string
}

// ErrNobody is the error of a notice that has no recipient: it is dropped, as if it had
// been sent.
var ErrNobody = errors.New("there is nobody to send it to")

// RefusedError is the answer of a receiver that will never accept a notice.
type RefusedError struct{ Code, Description string }

// Error says why.
func (e *RefusedError) Error() string { return "refused for good: " + e.Code + ": " + e.Description }

// AddresseeError is the answer of a receiver that doesn't accept a notice for whom it is
// meant. It is tried again, and others are sent meanwhile.
type AddresseeError struct{ Err error }

// Error says why.
func (e *AddresseeError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *AddresseeError) Unwrap() error { return e.Err }

// LaterError is the answer of a receiver that says when to come back.
type LaterError struct {
	After time.Duration
	Err   error
}

// Error says why.
func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LaterError) Unwrap() error { return e.Err }

// Store is what an outbox reads and writes.
type Store interface {
	contract.Outbox
	TokenByID(ctx context.Context, id string) (records.StoredToken, int64, error)
	UsersByID(ctx context.Context, ids []string) ([]identity.User, error)
}

// Meter counts what becomes of notices.
type Meter interface {
	NoticeSent(receiver string)
	NoticeFailed(receiver string)  // it is tried again
	NoticeRefused(receiver string) // it never will be
	NoticesDropped(receiver string, n int64)
	NoticesWaiting(receiver string, n int)
}

// Config says what an outbox is made of. All fields must be set.
type Config struct {
	Store    Store
	Receiver string // its name, under which notices wait for it
	Send     Receiver
	Node     string // a name that no other process has
	Meter    Meter
	Now      func() time.Time
	Jitter   func() float64 // from 0 to 1
	Log      *slog.Logger
}

// Outbox sends what waits for one receiver. Its methods are called by one goroutine, except
// for Failing.
type Outbox struct {
	cfg     Config
	resting time.Time // until when nothing is tried, after a failure
	streak  int       // failures since something was sent
	turn    time.Time // until when this node may send; zero: it may not
	dropped bool      // the log says that notices are dropped
	refused bool      // the log says that notices are refused
	aside   int       // notices in a row that were refused for their recipients
	state   state
}

// NewOutbox returns an outbox.
func NewOutbox(cfg Config) (*Outbox, error) {
	switch {
	case cfg.Store == nil || cfg.Send == nil || cfg.Receiver == "" || cfg.Node == "":
		return nil, errors.New("notice: store, receiver and node must be set")
	case cfg.Now == nil || cfg.Jitter == nil || cfg.Log == nil || cfg.Meter == nil:
		return nil, errors.New("notice: clock, jitter, log and meter must be set")
	}
	return &Outbox{cfg: cfg}, nil
}

const (
	turnLength = time.Minute
	turnSpare  = 30 * time.Second // of it, so that what is under way ends within
	atOnce     = 1000             // rows that are read at a time
	leastRest  = 5 * time.Second
	longest    = time.Hour // between two attempts
	manySends  = 50        // until what was sent is deleted
	mostAside  = 50        // in a row: the receiver itself fails then
)

// Deliver sends what is due. It returns when nothing more is, or when the receiver fails.
func (o *Outbox) Deliver(ctx context.Context) error {
	for {
		more, err := o.deliver(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// deliver sends a part of what is due, and reports whether there may be more.
func (o *Outbox) deliver(ctx context.Context) (more bool, err error) {
	if o.cfg.Now().Before(o.resting) {
		return false, nil
	}
	due, err := o.cfg.Store.DueNotices(ctx, upkeep.DueQuery{Receiver: o.cfg.Receiver, Now: o.cfg.Now(), Limit: atOnce})
	if err != nil || len(due) == 0 {
		return false, err
	}
	if mine, err := o.takeTurn(ctx); err != nil || !mine {
		return false, err
	}
	// Read again: another node may have sent some before its turn ended.
	due, err = o.cfg.Store.DueNotices(ctx, upkeep.DueQuery{Receiver: o.cfg.Receiver, Now: o.cfg.Now(), Limit: atOnce})
	if err != nil {
		return false, err
	}
	groups, err := o.groups(ctx, due, len(due) < atOnce)
	if err != nil {
		return false, err
	}
	var done outcome
	for i, g := range groups {
		if ctx.Err() != nil || i == manySends || !o.cfg.Now().Before(o.turn.Add(-turnSpare)) {
			more = true
			break
		}
		if !o.send(ctx, g, &done) {
			break
		}
	}
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnSpare)
	defer cancel()
	if err := o.cfg.Store.SettleNotices(settle, done.sent, done.later); err != nil {
		return false, err
	}
	return ctx.Err() == nil && (more || len(due) == atOnce) && o.streak == 0, nil
}

// takeTurn makes this node the one that sends.
func (o *Outbox) takeTurn(ctx context.Context) (bool, error) {
	now := o.cfg.Now()
	until := now.Add(turnLength)
	mine, err := o.cfg.Store.TakeTurn(ctx, upkeep.Turn{Receiver: o.cfg.Receiver, Node: o.cfg.Node, Now: now, Until: until})
	o.turn = time.Time{}
	if mine && err == nil {
		o.turn = until
	}
	return mine, err
}

// Leave lets another node send at once.
func (o *Outbox) Leave(ctx context.Context) error {
	if o.turn.IsZero() {
		return nil
	}
	now := o.cfg.Now()
	o.turn = time.Time{}
	_, err := o.cfg.Store.TakeTurn(ctx, upkeep.Turn{Receiver: o.cfg.Receiver, Node: o.cfg.Node, Now: now, Until: now})
	return err
}

// group is what is sent together.
type group struct {
	rows     []upkeep.Outgoing
	messages []Message
}

// groups puts together what is sent together. The last group may not be complete unless
// all rows were read; it waits then, if there is another one.
func (o *Outbox) groups(ctx context.Context, due []upkeep.Outgoing, all bool) ([]group, error) {
	var groups []group
	at := map[string]int{} // in groups, by name
	last := ""
	for _, row := range due {
		m, err := o.message(ctx, row)
		if err != nil {
			return nil, err
		}
		last = o.cfg.Send.Group(m)
		i, begun := at[last]
		if last == "" || !begun {
			if len(groups) > manySends && len(at) == 0 {
				return groups, nil // enough for now
			}
			i = len(groups)
			groups = append(groups, group{})
		}
		if last != "" {
			at[last] = i
		}
		groups[i].rows, groups[i].messages = append(groups[i].rows, row), append(groups[i].messages, m)
	}
	if !all && len(groups) > 1 && last != "" {
		groups = slices.Delete(groups, at[last], at[last]+1)
	}
	return groups, nil
}

// message reads what the database says of a notice.
func (o *Outbox) message(ctx context.Context, row upkeep.Outgoing) (m Message, err error) {
	if m.Fact, err = factOf(row.Notice); err != nil {
		return m, err
	}
	if m.Fact.Token != "" {
		t, _, err := o.cfg.Store.TokenByID(ctx, m.Fact.Token)
		switch {
		case err == nil:
			t.Name = redact.Tokens(t.Name) // a name is what somebody typed
			m.Token = &t
			if m.Subject == "" {
				m.Subject = t.Owner
			}
		case !fault.Is(err, fault.NotFound):
			return m, err
		}
	}
	if m.Subject == "" {
		return m, nil
	}
	users, err := o.cfg.Store.UsersByID(ctx, []string{m.Subject})
	if err == nil && len(users) > 0 {
		m.User = &users[0]
	}
	return m, err
}

// outcome is what became of notices.
type outcome struct {
	sent  []int64 // or never will be
	later []upkeep.Postponed
}

// send sends a group, and reports whether to go on with the next one.
func (o *Outbox) send(ctx context.Context, g group, done *outcome) bool {
	err := o.cfg.Send.Send(ctx, g.messages)
	var refused *RefusedError
	switch {
	case errors.Is(err, ErrNobody):
		for _, row := range g.rows {
			done.sent = append(done.sent, row.Seq)
		}
		return true
	case err == nil:
		o.succeed(ctx)
		for _, row := range g.rows {
			o.cfg.Meter.NoticeSent(o.cfg.Receiver)
			done.sent = append(done.sent, row.Seq)
		}
		return true
	case errors.As(err, &refused):
		o.refuse(ctx, g, refused)
		for _, row := range g.rows {
			o.cfg.Meter.NoticeRefused(o.cfg.Receiver)
			done.sent = append(done.sent, row.Seq)
		}
		return true
	case ctx.Err() != nil:
		return false // it may have arrived: the next process sends it again
	}
	o.cfg.Meter.NoticeFailed(o.cfg.Receiver)
	goOn := o.setAside(ctx, g, err)
	if !goOn {
		o.fail(ctx, err)
	}
	attempts := g.rows[0].Attempts
	at := o.cfg.Now().Add(o.backoff(attempts))
	for _, row := range g.rows {
		done.later = append(done.later, upkeep.Postponed{Seq: row.Seq, At: at})
	}
	return goOn
}

// setAside reports whether the other groups are to be sent although this one can't be: it was
// refused for its recipient, and not everything is refused like that. Each group is logged
// once.
func (o *Outbox) setAside(ctx context.Context, g group, err error) bool {
	if _, ok := errors.AsType[*AddresseeError](err); !ok {
		return false
	}
	if g.rows[0].Attempts == 0 {
		o.cfg.Log.InfoContext(ctx, "a notice is refused for its recipient; it is tried again",
			slog.String("receiver", o.cfg.Receiver), slog.String("event", g.messages[0].Event), slog.String("jti", g.messages[0].ID), slog.Any("error", err))
	}
	o.aside++
	return o.aside < mostAside
}

// succeed says that the receiver works again, if the log says that it fails.
func (o *Outbox) succeed(ctx context.Context) {
	if o.streak > 0 {
		o.cfg.Log.InfoContext(ctx, "notices are sent again", slog.String("receiver", o.cfg.Receiver))
	}
	o.streak, o.resting, o.aside = 0, time.Time{}, 0
	o.state.set("")
}

// fail says once that the receiver fails, and lets it rest.
func (o *Outbox) fail(ctx context.Context, err error) {
	if o.streak == 0 {
		o.cfg.Log.WarnContext(ctx, "a notice can't be sent; it is tried again, and nothing more is said until one is sent",
			slog.String("receiver", o.cfg.Receiver), slog.Any("error", err))
	}
	o.state.set(err.Error())
	rest := o.backoff(o.streak)
	if later, ok := errors.AsType[*LaterError](err); ok {
		rest = min(max(rest, later.After), longest)
	}
	o.streak++
	o.resting = o.cfg.Now().Add(rest)
}

// refuse says once that the receiver refuses notices for good.
func (o *Outbox) refuse(ctx context.Context, g group, err *RefusedError) {
	o.streak, o.resting = 0, time.Time{}
	o.state.set("")
	if o.refused {
		return
	}
	o.refused = true
	o.cfg.Log.WarnContext(ctx, "the receiver refuses a notice for good; it is dropped, and nothing is said of others",
		slog.String("receiver", o.cfg.Receiver), slog.String("event", g.messages[0].Event), slog.String("jti", g.messages[0].ID), slog.Any("error", err))
}

// backoff returns for how long to wait after so many failures: from 5 seconds doubled up to
// an hour, and by chance up to half as long.
func (o *Outbox) backoff(failures int) time.Duration {
	d := longest
	if failures < 12 {
		d = min(leastRest<<failures, longest)
	}
	return d/2 + time.Duration(float64(d/2)*o.cfg.Jitter())
}

// Trim drops what waits for too long, and what is too much. That it does is said once.
func (o *Outbox) Trim(ctx context.Context) error {
	n, err := o.cfg.Store.TrimNotices(ctx, upkeep.OutboxBounds{Receiver: o.cfg.Receiver, Before: o.cfg.Now().Add(-Kept), Most: MostWaiting})
	if n > 0 {
		o.cfg.Meter.NoticesDropped(o.cfg.Receiver, n)
		if !o.dropped {
			o.cfg.Log.ErrorContext(ctx, "notices are dropped: their receiver has not accepted them for a week, or too many wait; see bearerd_notices_dropped_total for more",
				slog.String("receiver", o.cfg.Receiver), slog.Int64("dropped", n))
		}
		o.dropped = true
	}
	if err != nil {
		return err
	}
	w, err := o.cfg.Store.WaitingNotices(ctx, o.cfg.Receiver, MostWaiting)
	if err != nil {
		return err
	}
	o.cfg.Meter.NoticesWaiting(o.cfg.Receiver, w.Count)
	if w.Count == 0 {
		o.dropped = false
	}
	o.state.waiting(w)
	return nil
}
