package nodetest

import (
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/journal"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/token"
)

// LimitMeter is a node's meter that counts what limits refuse, and nothing else. The
// zero value is ready.
type LimitMeter struct {
	mu      sync.Mutex
	refused map[quota.Limit]int
}

var _ node.Meter = (*LimitMeter)(nil)

// Limited counts a refusal.
func (m *LimitMeter) Limited(limit quota.Limit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refused == nil {
		m.refused = map[quota.Limit]int{}
	}
	m.refused[limit]++
}

// Count returns how often a limit refused.
func (m *LimitMeter) Count(limit quota.Limit) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused[limit]
}

// The other events of a node are not counted.

// Verified does nothing.
func (*LimitMeter) Verified(token.Kind) {}

// VerifyRefused does nothing.
func (*LimitMeter) VerifyRefused(token.Check) {}

// Revoked does nothing.
func (*LimitMeter) Revoked(journal.Revocation) {}

// Acknowledged does nothing.
func (*LimitMeter) Acknowledged(time.Duration) {}

// Waited does nothing.
func (*LimitMeter) Waited(string) {}

// Issued does nothing.
func (*LimitMeter) Issued(token.Kind) {}

// IssueRefused does nothing.
func (*LimitMeter) IssueRefused(fault.Kind) {}

// LoginTried does nothing.
func (*LimitMeter) LoginTried(string) {}
