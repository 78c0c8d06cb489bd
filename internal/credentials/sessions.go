package credentials

import (
	"context"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// Sessions returns the caller's sessions that have not ended, newest first. The error is
// Unauthenticated, or InsufficientScope for a Bearer without the scope credentials.
func (s *Lists) Sessions(ctx context.Context, c *caller.Caller) ([]records.StoredToken, error) {
	if err := c.RequireManageTokens(); err != nil {
		return nil, err
	}
	if c.ID() == "" {
		return nil, caller.ErrSignIn
	}
	now := s.now()
	var live []records.StoredToken
	q := records.TokenQuery{Owner: c.ID(), Kinds: []token.Kind{token.KindSession}, Limit: 200}
	for {
		page, err := s.store.StoredTokens(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Items {
			if _, _, ended := t.End(now); !ended {
				live = append(live, t)
			}
		}
		// A session that began longer ago than a session can last has ended, and so have
		// all after it in the list.
		if q.After = page.Next; q.After == "" || now.Sub(page.Items[len(page.Items)-1].CreatedAt) > s.sessionMax {
			return live, nil
		}
	}
}

var errNoSession = fault.New(fault.NotFound, "there is no such session")

// OwnSession returns one of the caller's sessions. The error is that of Sessions, and
// NotFound for an id that is none of them.
func (s *Lists) OwnSession(ctx context.Context, c *caller.Caller, id string) (records.StoredToken, error) {
	live, err := s.Sessions(ctx, c)
	if err != nil {
		return records.StoredToken{}, err
	}
	for _, t := range live {
		if t.ID == id {
			return t, nil
		}
	}
	return records.StoredToken{}, errNoSession
}
