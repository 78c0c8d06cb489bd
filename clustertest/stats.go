package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// stats is the summary of a history.
type stats struct {
	ops, verifies, yes, no, unavailable, unknown int
	revocations, faults, silentSeconds           int
	median, p99, worst                           time.Duration // of an acknowledgement with wait
	lastWaited, lastUnwaited                     time.Duration // from the start of the revocation to the end of the last yes
	outside                                      outsideStats
}

// outsideStats counts the verifications of edges and of services.
type outsideStats [2]struct{ yes, no, unavailable, unknown int }

func (s *outsideStats) add(o Op) {
	if o.Node < EdgeNode {
		return
	}
	kind := &s[0]
	if o.Node >= ConfirmingNode {
		kind = &s[1]
	}
	switch o.Outcome {
	case Yes:
		kind.yes++
	case No:
		kind.no++
	case Unavailable:
		kind.unavailable++
	case Unknown, Wrong:
		kind.unknown++
	}
}

// String returns the numbers in lines of their own, "" when there are none.
func (s outsideStats) String() string {
	var text strings.Builder
	for i, name := range []string{"edges", "services"} {
		if n := s[i]; n.yes+n.no+n.unavailable+n.unknown > 0 {
			fmt.Fprintf(&text, "\nof these at %s: %d yes, %d no, %d unavailable, %d unanswered", name, n.yes, n.no, n.unavailable, n.unknown)
		}
	}
	return text.String()
}

func statsOf(ops []Op, faults []Fault) stats {
	s := stats{ops: len(ops), faults: len(faults)}
	lastYes := map[*Token]time.Duration{}
	silent := map[[2]int]bool{}
	for _, o := range ops {
		if o.Kind != Verify {
			continue
		}
		s.verifies++
		s.outside.add(o)
		switch o.Outcome {
		case Yes:
			s.yes++
			lastYes[o.Token] = max(lastYes[o.Token], o.End)
		case No:
			s.no++
		case Unavailable:
			s.unavailable++
			if o.Node < FollowerNode {
				silent[[2]int{o.Node, int(o.Start / time.Second)}] = true
			}
		case Unknown, Wrong:
			s.unknown++
		}
	}
	s.silentSeconds = len(silent)
	var took []time.Duration
	for _, o := range ops {
		if !o.Kind.voids() || o.Outcome != Yes {
			continue
		}
		s.revocations++
		if o.Wait {
			took = append(took, o.End-o.Start)
		}
		if last, known := lastYes[o.Token]; o.Kind == Revoke && known {
			if o.Wait {
				s.lastWaited = max(s.lastWaited, last-o.Start)
			} else {
				s.lastUnwaited = max(s.lastUnwaited, last-o.Start)
			}
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		s.median, s.p99, s.worst = quantile(took, 0.5), quantile(took, 0.99), took[len(took)-1]
	}
	return s
}

// quantile returns the q-quantile of a sorted list.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(10 * time.Microsecond)
}
