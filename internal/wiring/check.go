package wiring

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/store"
)

// FileErrors are what is wrong with the files that a configuration names, but for the
// database and the keys; nil where nothing is.
type FileErrors struct{ Ways, Notices, Logo, TLS, Forms error }

// CheckFiles reads the files that a configuration names as a start would do.
func CheckFiles(ctx context.Context, c config.Config, now func() time.Time) (e FileErrors) {
	var secrets secretfile.Set
	_, e.Notices = readReceivers(c, &secrets, now)
	_, e.Logo = readLogo(c)
	_, e.Ways = wayReader{c, &secrets, now}.read(ctx)
	_, e.TLS = server.TLS{CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile}.Load()
	_, e.Forms = tokenForms(c)
	return e
}

// StopsRehearsal reports whether [Rehearse] would only find one of these errors again.
func (e FileErrors) StopsRehearsal() bool { return e.Ways != nil || e.Forms != nil || e.Logo != nil }

// Rehearse puts a whole server together on an empty database of its own, without
// listening: what else would stop it is found by doing it.
func Rehearse(ctx context.Context, c config.Config, now func() time.Time) (err error) {
	if c, err = Elsewhere(c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(filepath.Dir(c.Database.Reveal()))) }()
	s, err := OpenStore(ctx, c, store.Options{Now: now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	logger := slog.New(slog.DiscardHandler)
	i, err := assemble(ctx, parts{config: c, store: s, log: s, serves: true, meter: server.NewMetrics(), now: now, logger: logger})
	if err != nil {
		return err
	}
	_, err = i.edges(logger)
	return err
}

// Listener is an address that a server listens on for TCP, and the key that names it.
type Listener struct{ Key, Address string }

// Listeners returns the addresses that a server listens on for TCP.
func Listeners(c config.Config) []Listener {
	all := []Listener{{"listen", c.Listen}, {"ops_listen", c.OpsListen}, {"gen3.denylist_listen", c.Gen3.DenylistListen}}
	return slices.DeleteFunc(all, func(l Listener) bool { return l.Address == "" })
}
