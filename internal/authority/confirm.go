package authority

import (
	"context"
	"math"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
)

// killed reports whether the log has a kill of the token or of what it was made
// from. Past its budget the set can't tell some ids from killed ones; of these the
// store is asked. The error is Unavailable: it doesn't answer.
func (a *Authority) killed(ctx context.Context, t *Token) (bool, error) {
	doubt := false
	for _, k := range t.keys.kills {
		switch a.Set.Killed(k) {
		case revocation.Yes:
			return true, nil
		case revocation.Maybe:
			doubt = true
		case revocation.No:
		}
	}
	if !doubt {
		return false, nil
	}
	return a.confirm(ctx, t)
}

// killConfirmed is what Token.asked holds when the store knows a kill: those don't
// go away while the token lives. Any other value than 0 is the version as of which
// the store knew none.
const killConfirmed = math.MaxUint64

// confirm asks the store about kills that the set isn't sure of. What it says is a
// fact, remembered with the token until the log may have said something else.
func (a *Authority) confirm(ctx context.Context, t *Token) (bool, error) {
	version := a.killVersion(t) // before the question: a kill meanwhile makes it another
	switch t.asked.Load() {
	case killConfirmed:
		return true, nil
	case version:
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	for i, k := range t.keys.kills {
		if a.Set.Killed(k) == revocation.No {
			continue
		}
		a.confirmations.Add(1)
		_, dead, err := a.Store.LogEntry(ctx, revocation.Token, t.killID(i))
		if err != nil {
			return false, fault.Wrap(err, fault.Unavailable, "whether this token was revoked can't be told now").Retry(time.Second)
		}
		if dead {
			t.asked.Store(killConfirmed)
			return true, nil
		}
	}
	t.asked.Store(version)
	return false, nil
}

// killID is the id whose key is the i-th of those that can be killed.
func (t *Token) killID(i int) string {
	if i == 0 {
		return t.ID
	}
	return t.Chain[i-1]
}

// killVersion changes, and grows, when a filter was given a kill that may be one
// of the token's. It is never 0.
func (a *Authority) killVersion(t *Token) uint64 {
	version := uint64(1)
	for _, k := range t.keys.kills {
		version += a.Set.Version(k)
	}
	return version
}

// Confirmations counts the questions to the store about ids that the revocation
// set could not tell from killed ones: none while it is within its budget.
func (a *Authority) Confirmations() uint64 { return a.confirmations.Load() }
