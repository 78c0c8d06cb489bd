package records

import (
	"time"

	"github.com/bearerd/bearerd/internal/uses"
)

// TokenUse is one way in which a stored token, or what was made from it, was used.
type TokenUse struct {
	uses.Use

	FirstAt, LastAt time.Time
	Count           int64
}
