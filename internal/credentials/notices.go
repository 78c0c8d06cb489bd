package credentials

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// Notice says that a token expires within a week.
type Notice struct {
	Token    records.StoredToken
	Username string
	Name     string // of the owner; may be empty
	Email    string // of the owner; may be empty
}

// Notices tells people what expires soon.
type Notices struct {
	store   Store
	journal *journal.Journal
	now     func() time.Time
}

const noticesAtOnce = 100

// NotifyExpiring calls send for every API token and exchange key that is in its last week
// and has had no notice yet. Of several nodes one sends. A notice that can't be sent is
// tried again at the next call.
func (s *Notices) NotifyExpiring(ctx context.Context, send func(context.Context, Notice) error) error {
	now := s.now()
	due, err := s.store.Expiring(ctx, now, now.Add(token.ExpiryNotice), noticesAtOnce)
	if err != nil {
		return err
	}
	for _, t := range due {
		if err := s.notify(ctx, t, now, send); err != nil {
			return err
		}
	}
	return nil
}

// notify claims the notice, so that no other node sends it too, and drops the claim
// when the notice could not be sent.
func (s *Notices) notify(ctx context.Context, t records.StoredToken, now time.Time, send func(context.Context, Notice) error) error {
	p, err := s.store.Principal(ctx, records.Who{UserID: t.Owner})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.journal.Commit(ctx, records.Batch{Ops: []records.Op{records.ClaimNotice{ID: t.ID, At: now}}})
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	if err != nil {
		return err
	}
	err = send(ctx, Notice{Token: t, Username: p.User.Username, Name: p.User.Name, Email: p.User.Email})
	if err == nil {
		return nil
	}
	unclaim := records.Batch{Ops: []records.Op{records.ClaimNotice{ID: t.ID}}}
	if _, undo := s.journal.Commit(context.WithoutCancel(ctx), unclaim); undo != nil {
		return undo
	}
	return err
}
