package records

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/uses"
)

// TokenUse is one way in which a stored token, or what was made from it, was used.
type TokenUse struct {
	uses.Use

	FirstAt, LastAt time.Time
	Count           int64
}

// Uses keeps what stored tokens were used for.
type Uses interface {
	// AddUses adds to what is kept of API tokens, API keys and grants. An id of anything
	// else is skipped.
	AddUses(ctx context.Context, noted []uses.Noted) error
	// TokenUses returns what is kept about one token, the latest use first.
	TokenUses(ctx context.Context, id uses.ID) ([]TokenUse, error)
}
