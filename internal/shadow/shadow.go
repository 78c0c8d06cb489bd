// Package shadow counts what report-only routes would have refused, so that a team can
// see whether bearerd and the present checks of the application agree, before bearerd's
// checks are enforced.
//
// A node gathers in memory, in bounded space, and adds to the rows of all nodes every few
// seconds and when it stops. What is kept of a request is its method and its path, without
// query and without what may be a token.
package shadow

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/redact"
)

// Refusal is a request that bearerd would have refused, and that was passed on.
type Refusal struct {
	Route   string // as the configuration has it
	Reason  string
	TokenID string // of a genuine token; "": none
	Method  string
	Path    string // as it was sent
	Status  int    // of the application's answer; 0: not known
}

// Bounds of what a node gathers between two writes.
const (
	maxGathered = 1000
	writeRows   = 500 // in one transaction, so that others get their turn
	writeEvery  = 5 * time.Second
	writeLast   = 5 * time.Second // for the last time, when the node stops
	maxText     = 255
)

// Config configures a log. Store and Now must be set.
type Config struct {
	Store contract.Shadows
	Now   func() time.Time
	Meter Meter // nil: nothing is counted
}

// Meter counts what report-only routes would have refused.
type Meter interface {
	// ReportOnly counts a request: outcome is allowed, agreed, disagreed or unknown.
	ReportOnly(outcome string)
}

// Outcomes of a request on a report-only route.
const (
	Allowed   = "allowed"   // bearerd would have let it in
	Agreed    = "agreed"    // neither would have
	Disagreed = "disagreed" // the application let in what bearerd would have refused
	Unknown   = "unknown"   // bearerd would have refused; the application's answer isn't known
)

// Log gathers refusals. Its methods may be called by many goroutines; those of a nil Log
// do nothing.
type Log struct {
	cfg Config

	mu       sync.Mutex
	gathered map[key]*upkeep.Shadow
}

type key struct{ route, reason, token string }

// New returns a log.
func New(cfg Config) (*Log, error) {
	if cfg.Store == nil || cfg.Now == nil {
		return nil, errors.New("shadow: store and clock must be set")
	}
	return &Log{cfg: cfg, gathered: map[key]*upkeep.Shadow{}}, nil
}

// Allow counts a request that bearerd would have let in too.
func (l *Log) Allow() {
	if l != nil && l.cfg.Meter != nil {
		l.cfg.Meter.ReportOnly(Allowed)
	}
}

// Refuse counts a request that bearerd would have refused.
func (l *Log) Refuse(r Refusal) {
	if l == nil {
		return
	}
	outcome := outcomeOf(r.Status)
	if l.cfg.Meter != nil {
		l.cfg.Meter.ReportOnly(outcome)
	}
	now := l.cfg.Now().UTC().Truncate(time.Microsecond)
	example := upkeep.ShadowExample{At: now, Method: cut(redact.Tokens(r.Method), 16), Path: redact.Path(r.Path), Status: r.Status}
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.find(key{cut(r.Route, maxText), cut(redact.Tokens(r.Reason), maxText), r.TokenID})
	one.Count++
	switch outcome {
	case Agreed:
		one.Agreed++
	case Disagreed:
		one.Disagreed++
	}
	one.LastAt = now
	one.Examples = slices.Insert(one.Examples, 0, example)
	one.Examples = one.Examples[:min(len(one.Examples), upkeep.MaxShadowSamples)]
}

// outcomeOf compares with the application's answer: its own 401 or 403 agrees.
func outcomeOf(status int) string {
	switch status {
	case 0:
		return Unknown
	case http.StatusUnauthorized, http.StatusForbidden:
		return Agreed
	}
	return Disagreed
}

// find returns what is gathered under a key; when there is too much, under none.
func (l *Log) find(k key) *upkeep.Shadow {
	if l.gathered[k] == nil && len(l.gathered) >= maxGathered {
		k.token = ""
		if l.gathered[k] == nil && len(l.gathered) >= 2*maxGathered {
			k = key{"", "too many reasons at once", ""}
		}
	}
	one := l.gathered[k]
	if one == nil {
		one = &upkeep.Shadow{Route: k.route, Reason: k.reason, TokenID: k.token}
		l.gathered[k] = one
	}
	return one
}

func cut(s string, most int) string {
	if len(s) > most {
		return s[:most]
	}
	return s
}

// Run writes what was gathered until ctx ends, and then once more.
func (l *Log) Run(ctx context.Context) error {
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = l.Write(ctx) // it is tried again with what comes
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLast)
			defer cancel()
			return l.Write(last)
		}
	}
}

// Write adds what was gathered to the rows. What can't be written stays gathered.
func (l *Log) Write(ctx context.Context) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	batch := l.gathered
	l.gathered = map[key]*upkeep.Shadow{}
	l.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	for some := range slices.Chunk(slices.Collect(maps.Keys(batch)), writeRows) {
		rows := make([]upkeep.Shadow, len(some))
		for i, k := range some {
			rows[i] = *batch[k]
		}
		if err := l.cfg.Store.AddShadows(ctx, rows); err != nil {
			l.restore(batch)
			return err
		}
		for _, k := range some { // or it would be added again
			delete(batch, k)
		}
	}
	return nil
}

// restore puts back what could not be written.
func (l *Log) restore(batch map[key]*upkeep.Shadow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, before := range batch {
		one := l.find(k)
		one.Count, one.Agreed, one.Disagreed = one.Count+before.Count, one.Agreed+before.Agreed, one.Disagreed+before.Disagreed
		if one.LastAt.Before(before.LastAt) {
			one.LastAt = before.LastAt
		}
		one.Examples = append(one.Examples, before.Examples...)
		one.Examples = one.Examples[:min(len(one.Examples), upkeep.MaxShadowSamples)]
	}
}

// List returns what all nodes have seen, and this one until now, by route, reason and
// token, Limit at a time, to administrators.
func (l *Log) List(ctx context.Context, c *caller.Caller, after string, limit int) (records.Page[upkeep.Shadow], error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.Page[upkeep.Shadow]{}, err
	}
	if l == nil {
		return records.Page[upkeep.Shadow]{}, fault.New(fault.Internal, "nothing is gathered here")
	}
	_ = l.Write(ctx) // what can't be written now is missing from the list, and is written later
	return l.cfg.Store.ShadowList(ctx, after, limit)
}
