package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/secretfile"
)

// reloader reads again what may change while the server runs: the log level, the secrets in
// files and the certificate.
type reloader struct {
	config  config.Config // as it was when the server started
	read    func() (config.Config, error)
	hangups chan os.Signal
	level   *slog.LevelVar
	log     *slog.Logger

	// Of the server, set before run.
	secrets     *secretfile.Set
	certificate func() error // reads it
}

// listen makes SIGHUP ask for a reload; until stop is called it doesn't end the process.
func (r *reloader) listen() (stop func()) {
	r.hangups = make(chan os.Signal, 1)
	signal.Notify(r.hangups, syscall.SIGHUP)
	return func() { signal.Stop(r.hangups) }
}

// run reloads whenever that is requested, until ctx ends.
func (r *reloader) run(ctx context.Context) error {
	for {
		select {
		case <-r.hangups:
			r.reload(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// reload reads everything again. What can't be used stays as it was, and the log has the
// reason; the rest is still reloaded.
func (r *reloader) reload(ctx context.Context) {
	c, err := r.read()
	if err == nil {
		r.level.Set(c.Log.Level.Slog())
	}
	changed, secretsErr := r.secrets.Reload()
	if err := errors.Join(err, secretsErr, r.certificate()); err != nil {
		r.log.LogAttrs(ctx, slog.LevelError, "reloading failed in part: what can't be used stays as it was", slog.Any("error", err))
		return
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "reloaded the certificate, the secrets and the log level", slog.Int("changed_secrets", changed))
	waiting := slices.DeleteFunc(config.Changed(r.config, c), func(key string) bool { return key == "log.level" })
	if len(waiting) > 0 {
		r.log.LogAttrs(ctx, slog.LevelWarn, "these settings have changed and need a restart", slog.Any("keys", waiting))
	}
}
