package authority

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"

	"github.com/bearerd/bearerd/internal/fault"
)

// Notice tells somebody that a token of theirs ends soon.
type Notice struct {
	Token    records.StoredToken
	Username string
	Name     string // of the owner; may be empty
	Email    string // of the owner; may be empty
}

const noticesAtOnce = 100

// NotifyExpiring calls send for every API token and API key that is in its last
// week and was not told of yet. Of several nodes one tells; what can't be sent is
// tried again at the next call.
func (a *Authority) NotifyExpiring(ctx context.Context, send func(context.Context, Notice) error) error {
	now := a.Now()
	due, err := a.Store.Expiring(ctx, now, now.Add(token.ExpiryNotice), noticesAtOnce)
	if err != nil {
		return err
	}
	for _, t := range due {
		if err := a.notify(ctx, t, now, send); err != nil {
			return err
		}
	}
	return nil
}

// notify claims the token, so that no other node tells of it too, and gives it
// back when the notice could not be sent.
func (a *Authority) notify(ctx context.Context, t records.StoredToken, now time.Time, send func(context.Context, Notice) error) error {
	p, err := a.Store.Principal(ctx, records.Who{UserID: t.Owner})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := a.commit(ctx, records.Batch{Ops: []records.Op{records.ClaimNotice{ID: t.ID, At: now}}}); err != nil {
		if fault.Is(err, fault.Conflict) {
			return nil
		}
		return err
	}
	err = send(ctx, Notice{Token: t, Username: p.User.Username, Name: p.User.Name, Email: p.User.Email})
	if err != nil {
		_, undo := a.commit(context.WithoutCancel(ctx), records.Batch{Ops: []records.Op{records.ClaimNotice{ID: t.ID}}})
		if undo != nil {
			return undo
		}
	}
	return err
}
