package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
)

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
