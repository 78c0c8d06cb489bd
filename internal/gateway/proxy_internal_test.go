package gateway

import (
	"testing"
	"time"
)

// An edge learns L when it reaches its issuer, which may be long after its start.
func TestWhatIsUnderWayIsEndedByTheLOfTheMoment(t *testing.T) {
	t.Parallel()
	known := time.Duration(0)
	p := &Proxy{ProxyConfig: ProxyConfig{Staleness: func() time.Duration { return known }}}
	for _, l := range []time.Duration{0, 500 * time.Millisecond, time.Minute} {
		known = l
		want := l
		if l == 0 {
			want = DefaultStaleness
		}
		if got := p.staleness(); got != want {
			t.Errorf("%s counts as %s", l, got)
		}
	}
}
