package main

import (
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/wiring"
)

func revokeAllCommand(p *local.Database) *cobra.Command {
	return p.Revokes(p.About(local.NounUser, &cobra.Command{
		Use:   "revoke-all USER",
		Short: "Revoke every token and session of a user",
		Long: `Revoke every token and session of a user that was issued until now. The user can
sign in again at once; to prevent that, see "bearerd user disable".`,
		Args: cli.Takes("USER"),
	}), "every token and session of %s is revoked; %s", func(i *wiring.Instance) local.Operation { return i.Revoker.RevokeAllOf })
}
