package main

import (
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/wiring"
)

func revokeAllCommand(p *program) *cobra.Command {
	return p.Revocation(p.About(nounUser, &cobra.Command{
		Use:   "revoke-all USER",
		Short: "Revoke every token and session of a user",
		Long: `Revoke every token and session of a user that was issued until now. The user can
sign in again at once; to prevent that, see "bearerd user disable".`,
		Args: takes("USER"),
	}), "every token and session of %s is revoked; %s", func(i *wiring.Instance) revokes { return i.Revoker.RevokeAllOf })
}
