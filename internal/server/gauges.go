package server

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/revocation"
)

// reading is a metric that is read when it is asked for.
type reading struct {
	name, help string
	value      func() float64
	labels     prometheus.Labels // fixed ones; nil: none
}

// watch adds the metrics whose values other parts keep. streams counts the streams of the
// edges.
func (m *Metrics) watch(n Node, streams func() int) error {
	for _, g := range []reading{
		{
			name: "token_cache_bytes", help: "Memory used by facts about tokens seen before.",
			value: func() float64 { return float64(n.Status().TokenCacheBytes) },
		},
		{name: "revocation_lease_held", help: "1 while this node accepts tokens without asking the store.", value: func() float64 { return asNumber(n.Status().Fresh) }},
		{
			name: "revocation_lease_age_seconds", help: "Time since the start of the last complete read of the revocation log.",
			value: func() float64 { return n.Status().LeaseAge.Seconds() },
		},
		{
			name: "revocation_log_applied", help: "Sequence of the revocation log up to which this node has applied it.",
			value: func() float64 { return float64(n.Status().Applied) },
		},
		{
			name: "revocation_log_lag", help: "Sequences by which this node was behind the revocation log in its last answer.",
			value: func() float64 { return lag(n.Status()) },
		},
		{
			name: "revocations_live", help: "Revoked entries in memory.",
			value: func() float64 { return float64(n.Status().Live) },
		},
		{name: "revocations_live_bytes", help: "Memory used by the revoked entries.", value: func() float64 { return float64(n.Status().LiveBytes) }},
		{
			name: "revocations_over_memory", help: "1 while the revoked entries use more than revocation.memory; none is dropped.",
			value: func() float64 { return asNumber(n.Status().OverBudget) },
		},
		{
			name: "revocation_streams", help: "External subscribers that follow the revocation log.",
			value: func() float64 { return float64(streams()) },
		},
		{
			name: "nodes", help: "Nodes on the list of those that a revocation waits for; NaN when the store can't be read.",
			value: func() float64 { return nodes(n) },
		},
		{
			name: "password_hashes_waiting", help: "Sign-ins that wait for their password to be checked.",
			value: func() float64 { return float64(n.Status().HashesWaiting) },
		},
	} {
		opts := prometheus.GaugeOpts{Name: "bearerd_" + g.name, Help: g.help, ConstLabels: g.labels}
		if err := m.add(prometheus.NewGaugeFunc(opts, g.value)); err != nil {
			return err
		}
	}
	// The counts of the follower. A request that had to ask the store is a fallback, by
	// the reason why memory was not enough.
	for _, c := range []reading{
		{
			name: "revocation_questions_total", help: "Reads of the revocation log.",
			value: func() float64 { return float64(n.Status().Counts.Questions) },
		},
		{
			name: "revocation_catchup_errors_total", help: "Attempts to catch up with the revocation log that failed.",
			value: func() float64 { return float64(n.Status().Counts.Failed) },
		},
		{
			name: "revocation_confirm_errors_total", help: "Attempts to confirm the revocation log that failed.",
			value: func() float64 { return float64(n.Status().Counts.Unconfirmed) },
		},
		{
			name: "revocation_fallbacks_total", help: "Verifications that asked the store because memory could not decide.",
			value: func() float64 { return float64(n.Status().Counts.Permits) }, labels: prometheus.Labels{"reason": "no_lease"},
		},
	} {
		opts := prometheus.CounterOpts{Name: "bearerd_" + c.name, Help: c.help, ConstLabels: c.labels}
		if err := m.add(prometheus.NewCounterFunc(opts, c.value)); err != nil {
			return err
		}
	}
	return nil
}

// CountVerifiers adds the metrics of the verifiers that confirm what they apply.
func (m *Metrics) CountVerifiers(status func() confirming.Status) error {
	for _, kind := range []struct {
		name string
		of   func(confirming.Status) revocation.Readers
	}{
		{"edge", func(s confirming.Status) revocation.Readers { return s.Edges }},
		{"service", func(s confirming.Status) revocation.Readers { return s.Verifiers }},
	} {
		labels := prometheus.Labels{"kind": kind.name}
		for _, g := range []reading{
			{
				name: "verifiers", help: "External verifiers that are registered with this node and confirm what they apply.",
				value: func() float64 { return float64(kind.of(status()).Count) }, labels: labels,
			},
			{
				name: "verifiers_behind", help: "External verifiers that have not yet confirmed everything that this node has applied.",
				value: func() float64 { return float64(kind.of(status()).Behind) }, labels: labels,
			},
		} {
			opts := prometheus.GaugeOpts{Name: "bearerd_" + g.name, Help: g.help, ConstLabels: g.labels}
			if err := m.add(prometheus.NewGaugeFunc(opts, g.value)); err != nil {
				return err
			}
		}
	}
	for outcome, of := range map[string]func(confirming.Counts) uint64{
		"taken":     func(c confirming.Counts) uint64 { return c.Taken },
		"passed_on": func(c confirming.Counts) uint64 { return c.PassedOn },
		"refused":   func(c confirming.Counts) uint64 { return c.Refused },
	} {
		opts := prometheus.CounterOpts{
			Name: "bearerd_confirmations_total", Help: "Confirmations of external verifiers, by outcome.",
			ConstLabels: prometheus.Labels{"outcome": outcome},
		}
		if err := m.add(prometheus.NewCounterFunc(opts, func() float64 { return float64(of(status().Counts)) })); err != nil {
			return err
		}
	}
	return m.add(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "bearerd_verifiers_ended_total", Help: "External verifiers that this node ended because they confirmed too late.",
	}, func() float64 { return float64(status().Ended) }))
}

// describe adds the metric that names the build. Its value is always 1.
func (m *Metrics) describe(b Build) error {
	return m.add(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bearerd_build_info", Help: "1, with the release in its labels.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": b.GoVersion},
	}, func() float64 { return 1 }))
}

func (m *Metrics) add(c prometheus.Collector) error {
	if err := m.registry.Register(c); err != nil {
		return fmt.Errorf("server: the metrics belong to another server: %w", err)
	}
	return nil
}

func asNumber(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// nodesTimeout is how long a reading of the metrics waits for the store.
const nodesTimeout = 500 * time.Millisecond

func nodes(n Node) float64 {
	ctx, cancel := context.WithTimeout(context.Background(), nodesTimeout)
	defer cancel()
	count, err := n.Nodes(ctx)
	if err != nil {
		return math.NaN()
	}
	return float64(count)
}

func lag(s node.Status) float64 { return float64(max(s.Head-s.Applied, 0)) }
