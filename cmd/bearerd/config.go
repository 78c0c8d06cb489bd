package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
)

func (p *program) configCommand() *cobra.Command {
	return group("config", "Check the configuration", "Check the configuration.", p.configCheckCommand())
}

func (p *program) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and the files that it names",
		Long: `Check the configuration, the BEARERD_ variables and the flags, and the files that
they name: the secret, the master key, and the database's schema. Every error is
reported, and nothing is changed.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.loadConfig(cmd)
			if err != nil {
				return err
			}
			_, webhookErr := readWebhookSecret(c)
			if err := errors.Join(checkSecrets(c), webhookErr, checkDatabase(cmd, c)); err != nil {
				return err
			}
			p.say("the configuration is valid")
			return p.show(map[string]bool{"ok": true}, silent)
		},
	}
}

// checkSecrets reads the secret or the master key; the first start makes the latter.
func checkSecrets(c config.Config) error {
	if token.Algorithm(c.Signing.Algorithm) == token.HS256 {
		_, err := keyring.ReadSecret(c.Signing.SecretFile)
		return err
	}
	_, err := keyring.ReadMaster(c.MasterKeyPath())
	switch {
	case !isMissing(err):
		return err
	case c.Database.IsPostgres():
		return noSharedMaster(c.MasterKeyPath(), err)
	}
	return nil
}

// checkDatabase looks at the schema; the first start makes an SQLite database.
func checkDatabase(cmd *cobra.Command, c config.Config) error {
	_, err := store.Pending(cmd.Context(), c.Database.Reveal(), storeOptions(c, store.Options{}))
	if err == nil || isMissing(err) {
		return nil
	}
	return fmt.Errorf("database: %w", err)
}
