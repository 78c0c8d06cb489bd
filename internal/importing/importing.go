package importing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

// Store is what an import reads and clears.
type Store interface {
	contract.Imports
	records.PrincipalReader
	contract.ClientScopes
}

// Config configures an importer. Every field but MaxTTL, Scopes and Pause must be set.
type Config struct {
	Store   Store
	Journal *journal.Journal
	Forms   token.Forms
	MaxTTL  time.Duration     // the longest lifetime of an API token; 0: without end
	Scopes  map[string]string // declared ones; empty: any name is allowed
	Now     func() time.Time

	// Pause waits between two chunks, so that other writers get their turn; nil: no pause.
	Pause func(ctx context.Context, d time.Duration) error
}

// Importer imports and exports API tokens.
type Importer struct{ cfg Config }

// New returns an importer.
func New(cfg Config) (*Importer, error) {
	if cfg.Store == nil || cfg.Journal == nil || cfg.Now == nil {
		return nil, errors.New("importing: store, journal and clock must be set")
	}
	if cfg.Pause == nil {
		cfg.Pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	return &Importer{cfg: cfg}, nil
}

// Request is a file to import.
type Request struct {
	Input  io.Reader // CSV with a header, or JSON lines
	Name   string    // of the file, for the audit log
	DryRun bool      // nothing is stored
}

// Report is the result of importing a file; of a dry run, what the result would be.
type Report struct {
	Lines     int `json:"lines"`
	Imported  int `json:"imported"`
	Known     int `json:"known"`     // were imported before, or are bearerd's own
	Expired   int `json:"expired"`   // had expired, and were left out
	Disabled  int `json:"disabled"`  // are of disabled users, and were left out
	Shortened int `json:"shortened"` // end sooner, because of the longest lifetime
	Digests   int `json:"digests"`   // came as a digest, whose shape can't be checked

	// Unchecked is set when the file of a dry run had too many lines to look for repeated
	// ones in all of it.
	Unchecked bool `json:"-"`
}

const (
	windowLines = 20_000      // read and checked at a time
	staleImport = time.Minute // an import that has stored nothing for so long has ended
	pauseShare  = 8           // a pause is this fraction of the step's duration
	retries     = 20
	retryPause  = 500 * time.Millisecond
	dropTimeout = 2 * time.Minute
)

// Import imports all tokens of a file, or none. The error for a line is a *LineError as
// the cause of a fault.Invalid. A token that is stored already is counted and stays as it
// is. Only the operator may import.
func (i *Importer) Import(ctx context.Context, c *caller.Caller, r Request) (Report, error) {
	if !c.IsOperator() {
		return Report{}, fault.New(fault.Forbidden, "tokens are imported at the command line")
	}
	lines, err := newReader(r.Input)
	if err != nil {
		return Report{}, invalid(err)
	}
	byDigest, err := i.cfg.Store.ImportedByDigest(ctx)
	if err != nil {
		return Report{}, err
	}
	run := &run{Importer: i, byDigest: byDigest, owners: map[string]owner{}, reach: map[reach]bool{}, seen: map[prefix]struct{}{}, pace: startPace}
	if r.DryRun {
		err = run.all(ctx, lines, run.rehearse)
		return run.report, invalid(err)
	}
	if err := i.clear(ctx); err != nil {
		return Report{}, err
	}
	run.id = rand.Int64N(1<<62) + 1 //nolint:gosec // it only has to differ from others
	err = i.commit(ctx, op.BeginImport{ID: run.id, At: i.cfg.Now()})
	if err != nil {
		return Report{}, err
	}
	if err = run.all(ctx, lines, run.stage); err == nil {
		err = run.publish(ctx, c, r.Name)
	}
	if err == nil {
		return run.report, nil
	}
	published, dropErr := run.drop(ctx)
	if published {
		return run.report, nil
	}
	if !errors.Is(dropErr, errUnclear) {
		err = nothing(err)
	}
	return run.report, errors.Join(err, dropErr)
}

// errUnclear is the error of an import whose outcome can't be determined.
var errUnclear = errors.New("it is not known whether the tokens were imported: import the file again")

// nothing adds to an error that nothing was imported.
func nothing(err error) error {
	if wrong, ok := errors.AsType[*LineError](err); ok {
		return invalid(wrong)
	}
	return fmt.Errorf("nothing was imported: %w", err)
}

// invalid makes a fault of what is wrong with a line.
func invalid(err error) error {
	if wrong, ok := errors.AsType[*LineError](err); ok {
		return fault.Wrap(wrong, fault.Invalid, "nothing was imported")
	}
	return err
}

// clear deletes what is left of an import whose process has ended.
func (i *Importer) clear(ctx context.Context) error {
	before, err := i.cfg.Store.ImportUnderWay(ctx)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case i.cfg.Now().Sub(before.ActiveAt) < staleImport:
		return fault.New(fault.Conflict, "another import is under way, or ended unexpectedly a moment ago: try again in a minute")
	}
	if err := i.cfg.Store.DropImport(ctx, before.ID); !fault.Is(err, fault.Conflict) {
		return err
	}
	return nil
}

// drop deletes what this import has stored, even if ctx has ended. It reports whether the
// import was published instead, by a commit whose answer was lost.
func (r *run) drop(ctx context.Context) (published bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	err = r.persist(ctx, func() error { return r.cfg.Store.DropImport(ctx, r.id) })
	switch {
	case fault.Is(err, fault.Conflict): // it is no longer under way
		published, err = r.isThere(ctx)
		return published, err
	case err != nil:
		return false, fmt.Errorf("deleting the tokens that were stored before (they are not visible, and are deleted within two hours anyway): %w", err)
	}
	return false, nil
}

// isThere reports whether tokens of this import are stored. It is called when the import is
// no longer under way: if there are none, another process has dropped it.
func (r *run) isThere(ctx context.Context) (bool, error) {
	if r.staged == nil {
		return false, nil
	}
	var held []records.HeldToken
	err := r.persist(ctx, func() (err error) {
		held, err = r.cfg.Store.TokensHeld(ctx, [][]byte{r.staged})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("%w: %w", errUnclear, err)
	}
	return len(held) == 1 && held[0].Import == r.id, nil
}

func (i *Importer) commit(ctx context.Context, o op.Op) error {
	_, err := i.cfg.Journal.Commit(ctx, op.Batch{Ops: []op.Op{o}})
	return err
}

// persist repeats something while the store can't be used, for a limited time.
func (i *Importer) persist(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if !fault.Is(err, fault.Unavailable) || attempt == retries {
			return err
		}
		if err := i.cfg.Pause(ctx, retryPause); err != nil {
			return err
		}
	}
}

// run is one import.
type run struct {
	*Importer

	id       int64
	pace     pace
	byDigest bool // tokens may be stored of which only a digest is known
	report   Report

	owners   map[string]owner
	ownersAt time.Time // since when they are remembered
	staged   []byte    // the digest of one token that was stored; nil: none was
	reach    map[reach]bool
	scopes   map[string]bool // declared ones; nil: not read yet
	seen     map[prefix]struct{}
}

// all reads the lines chunk by chunk, and has each stored.
func (r *run) all(ctx context.Context, lines reader, store func(context.Context, []candidate) error) error {
	chunk := make([]line, 0, windowLines)
	for {
		l, err := lines.next()
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return err
		}
		if !end {
			chunk = append(chunk, l)
			r.report.Lines++
		}
		if len(chunk) == windowLines || end && len(chunk) > 0 {
			candidates, err := r.check(ctx, chunk)
			if err != nil {
				return err
			}
			if err := store(ctx, candidates); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
		if end {
			return nil
		}
	}
}

// stage stores the checked tokens, which aren't visible yet, in the order of their digests, so
// that many rows of one step are on the same pages of the index.
func (r *run) stage(ctx context.Context, candidates []candidate) error {
	slices.SortFunc(candidates, func(a, b candidate) int { return bytes.Compare(a.digests[0], b.digests[0]) })
	rows := make([]records.StoredToken, len(candidates))
	for n, c := range candidates {
		id, err := uuid.NewV7() // ascending, which is how an index of a million rows grows fastest
		if err != nil {
			return err
		}
		rows[n], rows[n].ID = c.row, id.String()
	}
	for len(rows) > 0 {
		step := rows[:min(int(r.pace), len(rows))]
		rows = rows[len(step):]
		began := r.cfg.Now()
		err := r.persist(ctx, func() error {
			return r.commit(ctx, op.StageTokens{Import: r.id, At: r.cfg.Now(), Tokens: step})
		})
		if err != nil {
			return err
		}
		r.report.Imported += len(step)
		r.staged = digestOf(&step[0])
		took := r.cfg.Now().Sub(began)
		r.pace.adapt(took)
		if err := r.cfg.Pause(ctx, took/pauseShare); err != nil {
			return err
		}
	}
	return nil
}

// pace is how many rows one transaction stores: few enough that others don't wait long,
// however slow the machine is.
type pace int

const (
	startPace, leastPace, mostPace pace = 1000, 250, 8000

	stepTime = 250 * time.Millisecond // what a transaction should take at most
)

// adapt adjusts the pace to the duration of the last transaction.
func (p *pace) adapt(took time.Duration) {
	switch {
	case took > stepTime:
		*p = max(*p/2, leastPace)
	case took < stepTime/2:
		*p = min(*p*2, mostPace)
	}
}

// rehearse counts a chunk, and looks for tokens that are in the file twice.
func (r *run) rehearse(_ context.Context, candidates []candidate) error {
	for _, c := range candidates {
		for _, d := range c.digests {
			p := prefix(d)
			if _, twice := r.seen[p]; twice {
				return &LineError{Line: c.number, Reason: "the same token stands in an earlier line"}
			}
		}
		if len(r.seen) >= maxSeen {
			r.report.Unchecked = true
			continue
		}
		for _, d := range c.digests {
			r.seen[prefix(d)] = struct{}{}
		}
	}
	r.report.Imported += len(candidates)
	return nil
}

// prefix is the part of a digest by which a dry run recognises it.
type prefix [16]byte

const maxSeen = 8 << 20 // prefixes: some hundreds of MiB

// publish makes the stored tokens visible.
func (r *run) publish(ctx context.Context, c *caller.Caller, name string) error {
	e := r.cfg.Journal.Event(ctx, c.Actor(), audit.TokenImport)
	e.Target = name
	e.Reason = fmt.Sprintf("%d imported, %d known, %d expired, %d of disabled users", r.report.Imported, r.report.Known, r.report.Expired, r.report.Disabled)
	return r.persist(ctx, func() error {
		_, err := r.cfg.Journal.Commit(ctx, op.Batch{Ops: []op.Op{op.PublishImport{ID: r.id}}, Audit: []audit.Event{e}})
		return err
	})
}

// digestOf returns the digest by which a token is found.
func digestOf(t *records.StoredToken) []byte {
	if t.SHA512 != nil {
		return t.SHA512
	}
	return t.Digest[:]
}
