package notice

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

// Expiring announces tokens that are in their last week, each once.
type Expiring struct {
	Store interface {
		Expiring(ctx context.Context, now, before time.Time, limit int) ([]records.StoredToken, error)
	}
	Journal   contract.Committer
	Announcer *Announcer
	Now       func() time.Time
}

const expiringAtOnce = 100

// Announce announces those that are not announced yet. Of several nodes one does.
func (x *Expiring) Announce(ctx context.Context) error {
	if !x.Announcer.Wanted(TokenExpiring) {
		return nil
	}
	for {
		now := x.Now()
		due, err := x.Store.Expiring(ctx, now, now.Add(token.ExpiryNotice), expiringAtOnce)
		if err != nil {
			return err
		}
		for _, t := range due {
			if err := x.announce(ctx, t); err != nil {
				return err
			}
		}
		if len(due) < expiringAtOnce {
			return nil
		}
	}
}

// announce claims the token's notice and adds it, in one transaction.
func (x *Expiring) announce(ctx context.Context, t records.StoredToken) error {
	o, wanted, err := x.Announcer.announce(Fact{Event: TokenExpiring, Subject: t.Owner, Token: t.ID, By: BySystem})
	if err != nil || !wanted {
		return err
	}
	_, err = x.Journal.Commit(ctx, op.Batch{Ops: []op.Op{op.ClaimNotice{ID: t.ID, At: x.Now()}, o}})
	if fault.Is(err, fault.Conflict) {
		return nil // another node was faster
	}
	return err
}
