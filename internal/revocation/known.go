package revocation

import (
	"sync/atomic"
	"time"
)

// Known is what a follower may pass on to others, as of its last complete answer that it
// could confirm, the one that its own lease counts from: every entry up to Seq counts
// here, and no later one was committed before Started.
type Known struct {
	Seq     Seq
	Started time.Duration // on the clock: when the question was put whose answer ended at Seq
	Purged  Seq           // the log's purge mark in that answer
}

// Known returns what the last complete and confirmed answer said. It reports false before
// the first such answer, and after the log went back until all of it has been read again.
func (f *Follower) Known() (Known, bool) {
	if k := f.known.Load(); k != nil {
		return *k, true
	}
	return Known{}, false
}

// Counts is what a follower has done since it started.
type Counts struct {
	Questions   uint64 // to the log
	Failed      uint64 // attempts to catch up that ended without a usable answer
	Unconfirmed uint64 // confirmations that failed
	Permits     uint64 // requests that asked the log because there was no lease
}

type counts struct{ failed, unconfirmed, permits atomic.Uint64 }

// Watch returns a channel that is closed when Known has a new sequence or, when it
// doesn't, at the next question answered in full: a stream that takes a new channel each
// time and then reads Known has something to send at least every half of L while the
// store answers. All watchers share the channel.
func (f *Follower) Watch() <-chan struct{} { return f.ledger.Watch() }

// Replaced returns how often the log that is followed was replaced: by that of another
// server, or by an earlier one that was restored. What was read before the number grew,
// and what was committed after, may be in different logs.
func (f *Follower) Replaced() uint64 { return f.replaced.Load() }
