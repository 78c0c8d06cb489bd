package sqlite

import "testing"

// TestTheConnectionUsedLastIsTakenNext: it has what was read in its cache.
func TestTheConnectionUsedLastIsTakenNext(t *testing.T) {
	t.Parallel()
	p := pool{idle: make(chan struct{}, 3)}
	conns := []*conn{{}, {}, {}}
	for _, c := range conns {
		p.put(c)
	}
	<-p.idle
	last := p.take()
	<-p.idle
	p.take()
	p.put(last)
	<-p.idle
	if got := p.take(); got != last || last != conns[2] || len(p.idle) != 1 {
		t.Errorf("another connection than that which was used last, %d idle", len(p.idle))
	}
}
