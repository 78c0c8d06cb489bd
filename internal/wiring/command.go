package wiring

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
)

// CommandParts are what a command's node is put together from.
type CommandParts struct {
	Config config.Config
	Store  *store.Store
	Now    func() time.Time
	Judges bool // the command judges tokens, for which it must know the whole log
}

// ForCommand puts a node together for a command. It is no server: no revocation waits for
// it, and it logs nothing, because the command prints by itself what matters.
func ForCommand(ctx context.Context, p CommandParts) (*Instance, error) {
	a, err := assemble(ctx, parts{
		config: p.Config, store: p.Store, log: &readOnlyLog{Store: p.Store, all: p.Judges}, now: p.Now, logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	return a.Instance, nil
}

// readOnlyLog is the revocation log for a command. A command is no server: no revocation
// may wait for it, so it confirms nothing.
type readOnlyLog struct {
	*store.Store

	all bool // it reads all of the log: it judges tokens, or knows where the log ended
}

// Confirm leaves the list of nodes as it is.
func (*readOnlyLog) Confirm(context.Context, revocation.Confirmation) error { return nil }

// Entries returns the log, for a command that judges tokens. For every other command the
// entries before its start count as purged: there may be millions, and only those written
// from then on matter.
func (b *readOnlyLog) Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error) {
	if b.all {
		return b.Store.Entries(ctx, after, limit)
	}
	page, err := b.Store.Entries(ctx, after, 1)
	b.all = err == nil
	return revocation.Page{Head: page.Head, Purged: page.Head, Origin: page.Origin}, err
}

// Elsewhere returns the configuration with an empty database in a new directory, which
// the caller removes.
func Elsewhere(c config.Config) (config.Config, error) {
	dir, err := os.MkdirTemp("", "bearerd-dry-run-")
	if err != nil {
		return c, err
	}
	c.Database = config.Database(filepath.Join(dir, "bearerd.db"))
	c.MasterKeyFile = "master.key"
	return c, nil
}
