package server

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/traffic"
)

// How often the counters are read, and how many readings are kept: those of a day,
// which take about 400 KiB.
const (
	sampleEvery = time.Minute
	samplesKept = 24*60 + 1
)

// series is one counter, its name in the database, and the field of a step that holds its
// growth.
type series struct {
	counter     prometheus.Counter
	group, name string
	of          func(*traffic.Step) map[string]int64
}

// sample is one reading of everything. Counters are kept modulo 2³², which is enough
// for their differences.
type sample struct {
	at       time.Time
	counts   []uint32
	buckets  []uint32 // of the acknowledgements, cumulative
	acked    uint32
	ackMicro uint32
}

// history remembers what the counters were, once a minute.
type history struct {
	series         []series
	acknowledgment prometheus.Histogram

	mu      sync.Mutex
	samples []sample // oldest first
}

// read takes a reading now.
func (h *history) read(now time.Time) sample {
	s := sample{at: now, counts: make([]uint32, len(h.series))}
	for i, one := range h.series {
		s.counts[i] = modulo(valueOf(one.counter).GetCounter().GetValue())
	}
	acks := valueOf(h.acknowledgment).GetHistogram()
	for _, b := range acks.GetBucket() {
		s.buckets = append(s.buckets, uint32(b.GetCumulativeCount())) //nolint:gosec // modulo 2³²
	}
	s.acked, s.ackMicro = uint32(acks.GetSampleCount()), modulo(acks.GetSampleSum()*1e6) //nolint:gosec // modulo 2³²
	return s
}

func valueOf(m prometheus.Metric) *dto.Metric {
	var out dto.Metric
	_ = m.Write(&out) // counters and histograms can be read
	return &out
}

func modulo(v float64) uint32 { return uint32(math.Mod(math.Trunc(v), 1<<32)) }

// Sample keeps a reading of the counters, for [Metrics.Traffic].
func (h *history) Sample(now time.Time) {
	s := h.read(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.samples) == samplesKept {
		copy(h.samples, h.samples[1:])
		h.samples = h.samples[:samplesKept-1]
	}
	h.samples = append(h.samples, s)
}

// Totals returns what was counted since the process began.
func (h *history) Totals() traffic.Totals {
	t := traffic.Totals{}
	for _, s := range h.series {
		if n := int64(valueOf(s.counter).GetCounter().GetValue()); n != 0 {
			t[traffic.Name(s.group, s.name)] = n
		}
	}
	acks := valueOf(h.acknowledgment).GetHistogram()
	below, before := map[time.Duration]int64{}, uint64(0)
	for i, b := range acks.GetBucket() {
		n := b.GetCumulativeCount()
		below[time.Duration(acknowledgmentBounds[i]*float64(time.Second))] = int64(n - before) //nolint:gosec // far from 2⁶³
		before = n
	}
	took := time.Duration(acks.GetSampleSum() * float64(time.Second))
	t.Acknowledged(int64(acks.GetSampleCount()), took, below) //nolint:gosec // far from 2⁶³
	return t
}

// sampling keeps a reading every minute until ctx ends.
func (h *history) sampling(ctx context.Context, now func() time.Time) error {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		h.Sample(now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Traffic returns what this node did recently; see [traffic.Log]. A step is a
// whole number of minutes, and all of them lie within a day.
func (h *history) Traffic(now time.Time, step time.Duration, steps int) ([]traffic.Step, error) {
	if step < sampleEvery || step%sampleEvery != 0 || steps <= 0 || steps > samplesKept || step*time.Duration(steps) > samplesKept*sampleEvery {
		return nil, fault.New(fault.Invalid, "steps are whole minutes within a day")
	}
	last := h.read(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	end := now.Truncate(step)
	out := make([]traffic.Step, steps)
	for i := steps - 1; i >= 0; i-- {
		first := h.before(end)
		out[i] = h.between(first, last)
		out[i].From, out[i].Until = end, end.Add(step)
		last, end = first, end.Add(-step)
	}
	return out, nil
}

// before returns the last reading of a time or earlier; the first one where there is
// none so early, and none at all before the first.
func (h *history) before(t time.Time) sample {
	for _, s := range slices.Backward(h.samples) {
		if !s.at.After(t) {
			return s
		}
	}
	if len(h.samples) > 0 {
		return h.samples[0]
	}
	return sample{}
}

// between returns what happened between two readings. A reading that is missing is one
// of a process that had done nothing.
func (h *history) between(first, last sample) traffic.Step {
	t := traffic.Step{
		Issued: map[string]int64{}, IssueRefused: map[string]int64{}, Verified: map[string]int64{},
		VerifyRefused: map[string]int64{}, Logins: map[string]int64{}, Revoked: map[string]int64{},
	}
	for i, s := range h.series {
		if n := int64(at(last.counts, i) - at(first.counts, i)); n != 0 {
			s.of(&t)[s.name] += n
		}
	}
	t.Acknowledged = int64(last.acked - first.acked)
	if t.Acknowledged == 0 {
		return t
	}
	t.AcknowledgedIn = time.Duration(last.ackMicro-first.ackMicro) * time.Microsecond
	for i, bound := range acknowledgmentBounds {
		if int64(at(last.buckets, i)-at(first.buckets, i)) == t.Acknowledged {
			t.SlowestBelow = time.Duration(bound * float64(time.Second))
			return t
		}
	}
	t.SlowestBelow = t.AcknowledgedIn // slower than the last bound; no one took longer than all
	return t
}

func at(list []uint32, i int) uint32 {
	if i < len(list) {
		return list[i]
	}
	return 0
}
