package install

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/localaddr"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/wiring"
)

// checks are the commands that check an installation.
type checks struct{ *cli.Program }

func (p checks) configCommands() *cobra.Command {
	return cli.Group("config", "Check the configuration", "Check the configuration.", p.configCheckCommand())
}

func (p checks) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and the files that it names",
		Long: `Check everything that would stop "bearerd serve": the configuration, the BEARERD_
variables and the flags, the files that they name (secrets, certificates, the master
key, and whether it opens the signing keys), the database, and the addresses to
listen on. Every error is reported, and nothing is changed.

A port that is in use is no error, because the server itself may run; see
"bearerd doctor" for a server that runs.`,
		Example: `  bearerd config check --config /etc/bearerd/bearerd.yaml`,
		Args:    cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.LoadConfig(cmd)
			if err != nil {
				return err
			}
			for _, warning := range c.Warnings() {
				p.Say("warning: %s", warning)
			}
			if err := p.checkConfig(cmd.Context(), c); err != nil {
				return err
			}
			p.Say("the configuration is valid")
			return p.Show(map[string]bool{"ok": true}, cli.Silent)
		},
	}
}

// checkConfig returns everything that would stop a server with this configuration.
func (p checks) checkConfig(ctx context.Context, c config.Config) error {
	in, errDatabase := inspectDatabase(ctx, c)
	files := wiring.CheckFiles(ctx, c, p.Now)
	if files.TLS != nil {
		files.TLS = fmt.Errorf("tls: %w", files.TLS)
	}
	errSecrets := checkSecrets(c, in)
	var errRest error
	if !files.StopsRehearsal() && (errSecrets == nil || token.Algorithm(c.Signing.Algorithm) != token.HS256) {
		errRest = wiring.Rehearse(ctx, c, p.Now)
	}
	return errors.Join(errSecrets, files.Ways, files.Notices, files.Logo, files.TLS, files.Forms, errDatabase, CheckAddresses(ctx, p.Program, c), errRest)
}

// checkSecrets reads the secret or the master key, which the first start makes, and opens
// the signing keys with it.
func checkSecrets(c config.Config, in *store.Inspection) error {
	if token.Algorithm(c.Signing.Algorithm) == token.HS256 {
		_, err := keyring.ReadSecret(c.Signing.SecretFile)
		return err
	}
	master, err := keyring.ReadMaster(c.MasterKeyPath())
	switch {
	case cli.IsMissing(err):
		var keys []keyring.Key
		if in != nil {
			keys = in.Keys
		}
		if err := wiring.MissingMaster(c, keys, err); err != nil {
			return err
		}
		return checkFolder(filepath.Dir(c.MasterKeyPath()), "master_key_file")
	case err != nil || in == nil:
		return err
	}
	for _, k := range in.Keys {
		if err := master.Opens(k); err != nil {
			return hint.Add(err, "name the master key that belongs to this database in master_key_file")
		}
	}
	return nil
}

// inspectDatabase reads the database; the first start makes an SQLite file, for which there
// is nothing to read.
func inspectDatabase(ctx context.Context, c config.Config) (*store.Inspection, error) {
	in, err := store.Inspect(ctx, c.Database.Reveal(), wiring.StoreOptions(c, store.Options{}))
	if cli.IsMissing(err) {
		return nil, checkFolder(filepath.Dir(c.Database.Reveal()), "database")
	}
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return in, nil
}

// checkFolder returns why a file can't be made in a folder.
func checkFolder(dir, key string) error {
	info, err := os.Stat(dir)
	switch {
	case cli.IsMissing(err):
		return hint.Add(fmt.Errorf("%s: there is no folder %s", key, dir), "create the folder, for the user that bearerd runs as")
	case err != nil:
		return fmt.Errorf("%s: %w", key, err)
	case !info.IsDir():
		return fmt.Errorf("%s: %s is not a folder", key, dir)
	}
	if err := writable(dir); err != nil {
		return hint.Add(fmt.Errorf("%s: no file can be created in %s: %w", key, dir, err), "let the user that bearerd runs as write there")
	}
	return nil
}

// writable returns why a folder can't be written to.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".bearerd-check-*")
	if err != nil {
		return errors.Unwrap(err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// CheckAddresses opens the listeners for a moment.
func CheckAddresses(ctx context.Context, p *cli.Program, c config.Config) error {
	var errs []error
	for _, l := range wiring.Listeners(c) {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", l.Address)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			p.Say("warning: %s: %s is in use; that is as it should be if this server runs", l.Key, l.Address)
		case err != nil:
			errs = append(errs, hint.Add(fmt.Errorf("%s: %w", l.Key, err), "choose an address of this machine, and a port from 1024 up unless bearerd may use lower ones"))
		default:
			errs = append(errs, listener.Close())
		}
	}
	return errors.Join(append(errs, checkVerifyListen(ctx, p, c))...)
}

// checkVerifyListen opens the listener for proxies for a moment. A socket that a server left
// behind is removed, as a start would do.
func checkVerifyListen(ctx context.Context, p *cli.Program, c config.Config) error {
	const key = "verify_listen"
	if c.VerifyListen == "" {
		return nil
	}
	address, err := localaddr.Parse(c.VerifyListen)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	listener, err := address.Listen(ctx)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		p.Say("warning: %s: %s is in use; that is as it should be if this server runs", key, address)
		return nil
	case err != nil:
		return hint.Add(fmt.Errorf("%s: %w", key, err), "name a file in a folder that the user that bearerd runs as may write to, or another port on loopback")
	}
	return listener.Close()
}
