package revocation

import (
	"log/slog"
	"sync"
)

// report logs for the operator how a follower fares: each change once, not each question.
type report struct {
	logger     *slog.Logger
	overBudget bool // whether it was logged that the set is; held with the turn

	mu      sync.Mutex
	lastErr error // of the last question or confirmation
}

// question remembers how the last question went, and logs when that has changed. applied
// is the sequence up to which every entry counts here.
func (r *report) question(err error, applied Seq) {
	r.mu.Lock()
	before := r.lastErr
	r.lastErr = err
	r.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		r.logger.Warn("following the revocation log", slog.Any("error", err))
	case err == nil && before != nil:
		r.logger.Info("following the revocation log again", slog.Int64("seq", applied))
	}
}

// last returns the error of the last question or confirmation.
func (r *report) last() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastErr
}

// memory logs when the set goes over its budget, and when it is back under it.
func (r *report) memory(set *Set) {
	over := set.OverBudget()
	if over == r.overBudget {
		return
	}
	r.overBudget = over
	size := []any{slog.Int("entries", set.Len()), slog.Int64("bytes", set.Bytes()), slog.Int64("budget", set.budget())}
	if over {
		r.logger.Warn("revocations take more memory than revocation.memory", size...)
	} else {
		r.logger.Info("revocations take less memory than revocation.memory again", size...)
	}
}
